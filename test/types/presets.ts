/** Which options of the presets compile, and what becomes of the type of the claims. */

import { createGate, type Gate, type Identity, jwt, type TokenVerifier } from '@bearergate/core'
import { auth0, cognito, entra, google, keycloak, okta, type PresetOptions } from '@bearergate/core/presets'
import * as express from '@bearergate/express'
import type { Request } from 'express'
import * as v from 'valibot'
import { z } from 'zod'
import { expectType } from './assertions.ts'

const audience = 'https://api.example.com'
const domain = 'acme.example.com'
const tenant = '6babcaad-604b-40ac-a9d7-9fd97c0b779f'
const pool = { userPoolId: 'eu-central-1_AbCdEf123', clientId: 'web' }
const realm = { url: 'https://id.example.com', realm: 'acme', audience }

// What they give is a verifier like any other.
expectType<TokenVerifier<Identity>>()(auth0({ domain, audience }))
expectType<TokenVerifier<Identity>>()(cognito(pool))
expectType<TokenVerifier<Identity>>()(entra({ tenant, audience, version: 2 }))
expectType<TokenVerifier<Identity>>()(google({ audience, serviceAccounts: ['a@acme.example.com'] }))
expectType<TokenVerifier<Identity>>()(keycloak(realm))
expectType<TokenVerifier<Identity>>()(okta({ domain, audience }))
expectType<Gate>()(createGate({ verifier: auth0({ domain, audience: [audience] }) }))

// The output of a schema reaches the handlers, from every preset.
interface Claims {
  tenant: string
  level: number
}
const claims = z.object({ tenant: z.string(), level: z.string().transform(Number) })
const valibotClaims = v.object({ tenant: v.string(), level: v.pipe(v.string(), v.transform(Number)) })
type Verifier = TokenVerifier<Identity<Claims>>
expectType<Verifier>()(jwt({ issuer: 'https://id.example.com', audience, claims }))
expectType<Verifier>()(jwt({ issuer: 'https://id.example.com', audience, claims: valibotClaims }))
expectType<Verifier>()(auth0({ domain, audience, claims }))
expectType<Verifier>()(auth0({ domain, audience, claims, permissions: true }))
expectType<Verifier>()(cognito({ ...pool, claims }))
expectType<Verifier>()(entra({ tenant, audience, version: 'both', claims: valibotClaims }))
expectType<Verifier>()(google({ audience, serviceAccounts: 'a@acme.example.com', claims }))
expectType<Verifier>()(google({ audience, hostedDomain: 'acme.example.com', claims }))
expectType<Verifier>()(keycloak({ ...realm, claims }))
expectType<Verifier>()(okta({ domain, audience, claims }))
const auth = express.bearer({ verifier: auth0({ domain, audience, claims }) })
expectType<Claims>()(auth.identity({} as Request).claims)
// @ts-expect-error
auth0<Claims>({ domain, audience, claims: z.object({ tenant: z.string() }) })
// @ts-expect-error
auth0({ domain, audience, claims: (claims: unknown) => claims })

// What a provider needs must be said, and cannot be `null`.
// @ts-expect-error
auth0({ domain })
// @ts-expect-error
auth0({ domain, audience: null })
// @ts-expect-error
auth0({ audience })
// @ts-expect-error
cognito({ userPoolId: pool.userPoolId })
// @ts-expect-error
cognito({ ...pool, clientId: null })
// @ts-expect-error
cognito({ ...pool, issuerType: 'global' })
// @ts-expect-error
entra({ tenant, audience })
// @ts-expect-error
entra({ tenant, audience, version: 3 })
// @ts-expect-error
entra({ tenant, audience, version: '2' })
// @ts-expect-error
entra({ audience, version: 2 })
// @ts-expect-error
keycloak({ ...realm, audience: null })
// @ts-expect-error
keycloak({ url: realm.url, audience })
// @ts-expect-error
okta({ domain })
// @ts-expect-error
okta({ domain, audience: null })

// Everyone can get a token of Google's for any audience: who may call must be said.
// @ts-expect-error
google({ audience })
// @ts-expect-error
google({ serviceAccounts: ['a@acme.example.com'] })
google({ audience, serviceAccounts: null })

// `permissions` decides on the scopes, and so do `scopes`.
auth0({ domain, audience, permissions: false, scopes: () => ['read'] })
auth0({ domain, audience, permissions: {} as boolean })
// @ts-expect-error
auth0({ domain, audience, permissions: true, scopes: () => ['read'] })
// @ts-expect-error
auth0({ domain, audience, permissions: 'true' })

// What the preset decides is not for the user to say.
// @ts-expect-error
auth0({ domain, audience, issuer: 'https://id.example.com' })
// @ts-expect-error
auth0({ domain, audience, jwksUri: 'https://id.example.com/jwks' })
// @ts-expect-error
okta({ domain, audience, algorithms: ['HS256'] })
// @ts-expect-error
keycloak({ ...realm, profile: 'rfc9068' })
// @ts-expect-error
cognito({ ...pool, tokenUse: 'id' })

// The rest is what `jwt` takes.
expectType<PresetOptions>()({} as PresetOptions)
okta({
  domain,
  audience,
  keys: { keys: [] },
  cache: { max: 10, ttl: 60 },
  clockTolerance: 5,
  maxTokenAge: 600,
  cacheMaxAge: 60,
  staleIfError: 60,
  cooldown: 5,
  timeout: 1,
  requiredClaims: { email_verified: true, plan: ['pro', 'team'], level: (value) => value === 3 },
  scopes: (claims) => [String(claims.scp)],
  roles: () => ['reader'],
  onJwks: () => {},
  now: Date.now,
  fetch: globalThis.fetch,
})
// @ts-expect-error
okta({ domain, audience, requiredClaims: { plan: null } })
// @ts-expect-error
okta({ domain, audience, requiredClaims: { plan: () => 'pro' } })
// @ts-expect-error
okta({ domain, audience, scopes: () => 'read' })
// @ts-expect-error
okta({ domain, audience, roles: async () => ['reader'] })
