/** Which options compile: a wrong configuration cannot be typed. */

import {
  allOf,
  type CacheOptions,
  type ClaimsOptions,
  cached,
  createGate,
  type Gate,
  type Identity,
  type IntrospectionOptions,
  type IssuerGateOptions,
  type IssuerOptions,
  jwt,
  type KeySetOptions,
  type MultiIssuerOptions,
  type OpaqueOptions,
  opaque,
  type PrivateKeyJwtOptions,
  scope,
  type TokenSources,
  type TokenVerifier,
  type VerifierGateOptions,
  type WebSocketOptions,
} from '@bearergate/core'
import type { LambdaAuthorizerOptions } from '@bearergate/core/lambda'
import type {
  Auth0Options,
  CognitoOptions,
  EntraOptions,
  GoogleOptions,
  KeycloakOptions,
  OktaOptions,
} from '@bearergate/core/presets'
import { assert, expectType } from './assertions.ts'

const issuer = 'https://id.example.com'
const audience = 'https://api.example.com'
declare const verifier: TokenVerifier

expectType<Gate>()(createGate({ issuer, audience }))
expectType<Gate>()(createGate({ issuer, audience: ['a', 'b'] }))
expectType<Gate>()(createGate({ issuer, audience: null }))
expectType<Gate>()(createGate({ verifier }))
expectType<TokenVerifier>()(jwt({ issuer, audience }))

// The issuer and the audience are required; only `null`, in writing, asks nothing of the audience.
// @ts-expect-error
createGate({ issuer })
// @ts-expect-error
createGate({ audience })
// @ts-expect-error
createGate({ issuer, audience: undefined })
// @ts-expect-error
createGate({})
// @ts-expect-error
jwt({ issuer })
// @ts-expect-error
jwt({ issuer, audience: undefined })

// Either an issuer is described, or a verifier is given.
// @ts-expect-error
createGate({ issuer, audience, verifier })
// @ts-expect-error
createGate({ verifier, issuer })
// @ts-expect-error
createGate({ verifier, audience })
// @ts-expect-error
createGate({ verifier, audience: null })
// @ts-expect-error
createGate({ verifier, jwksUri: 'https://id.example.com/jwks' })
// @ts-expect-error
createGate({ verifier, clockTolerance: 5 })
// @ts-expect-error
createGate({ verifier, cache: false })

// The key set is found, named or given, or given beside one of the others.
createGate({ issuer, audience, jwksUri: 'https://id.example.com/jwks' })
createGate({ issuer, audience, keys: { keys: [{ kty: 'oct', k: 'AA' }] }, algorithms: ['HS256'] })
// @ts-expect-error
createGate({ issuer, audience, keys: [{ kty: 'oct', k: 'AA' }] })
createGate({ issuer, audience, jwksUri: 'https://id.example.com/jwks', keys: { keys: [] } })
jwt({ issuer, audience, discovery: true, keys: { keys: [] } })
jwt({ issuer, audience, discovery: true, jwksUri: 'https://id.example.com/jwks' })
// @ts-expect-error
jwt({ issuer, audience, discovery: false })
// Tokens without an issuer need keys that nobody publishes.
jwt({ issuer: null, audience, keys: { keys: [] } })
// @ts-expect-error
jwt({ issuer: null, audience })
// @ts-expect-error
jwt({ issuer: null, audience, jwksUri: 'https://id.example.com/jwks' })
// @ts-expect-error
jwt({ issuer: null, audience, discovery: true, keys: { keys: [] } })
// @ts-expect-error
createGate({ issuer: null, audience })
// Characters that no JWT has need a verifier for them.
createGate({ verifier, tokenSyntax: 'visible-ascii', maxTokenLength: 10_000 })
// @ts-expect-error
createGate({ issuer, audience, tokenSyntax: 'visible-ascii' })
jwt({ issuer, audience, allowIdTokenClaims: ['at_hash'] })
// @ts-expect-error
jwt({ issuer, audience, allowIdTokenClaims: ['c_hash'] })
const described = { clockTolerance: 5 }
// @ts-expect-error
createGate({ verifier, ...described })
createGate({ issuer, audience, ...described })

// Unknown names and values do not pass.
// @ts-expect-error
createGate({ issuer, audience, clockTolerence: 5 })
// @ts-expect-error
createGate({ issuer, audience, algorithms: ['none'] })
// @ts-expect-error
createGate({ issuer, audience, algorithms: 'ES256' })
// @ts-expect-error
createGate({ issuer, audience, profile: 'strict' })
// @ts-expect-error
createGate({ issuer, audience, cache: true })
// @ts-expect-error
createGate({ issuer, audience, cache: { negativeTtl: 5 } })
// @ts-expect-error
createGate({ issuer, audience, onDenied: 'throw' })
// @ts-expect-error
createGate({ issuer, audience, requirement: 'read' })
// @ts-expect-error
createGate({ issuer, audience, now: () => new Date() })
createGate({ issuer, audience, requirement: allOf(scope('read'), scope('write')), fetch: globalThis.fetch })

// A requirement of nothing is none.
// @ts-expect-error
allOf()
// @ts-expect-error
scope()

// An opaque token is found by a lookup; a cache of them needs the time for which a revocation may go unseen.
// @ts-expect-error
opaque({})
// @ts-expect-error
opaque({ lookup: () => undefined })
// @ts-expect-error
opaque({ lookup: () => null, cache: {} })
// @ts-expect-error
opaque({ lookup: () => ({ expires: 1 }) })
opaque({ lookup: async (token, hash) => (token === hash ? null : { subject: 'emma', scopes: ['read'] }) })
// @ts-expect-error
cached(verifier, {})
expectType<TokenVerifier>()(cached(verifier, { ttl: 60 }))
expectType<number | undefined>()(({} as CacheOptions).negativeTtl)

// A verifier of one's own says what it knows.
createGate({
  verifier: {
    verify: (token) =>
      token === 'a'
        ? { active: true, identity: { kind: 'static', audience: [], scopes: [], roles: [], claims: {} } }
        : { active: false, reason: 'unknown_token' },
  },
})
// @ts-expect-error
createGate({ verifier: { verify: () => ({ active: false, reason: 'because' }) } })
// @ts-expect-error
createGate({ verifier: { verify: () => ({ active: true }) } })
// @ts-expect-error
createGate({ verifier: { verify: () => true } })

declare const identity: Identity
// @ts-expect-error
identity.subject = 'mallory'
// @ts-expect-error
identity.scopes.push('admin')
// @ts-expect-error
identity.scopes = []
// @ts-expect-error
identity.claims.sub = 'mallory'
// @ts-expect-error
identity.claims = {}
// @ts-expect-error
delete identity.confirmation

// What may be left out may be undefined, also with `exactOptionalPropertyTypes`: settings come from elsewhere.
type Optional<T> = { [K in keyof T as object extends Pick<T, K> ? K : never]-?: undefined }
type MayBeUndefined<T> = T extends unknown ? (Optional<T> extends Partial<T> ? true : false) : never
assert<MayBeUndefined<CacheOptions | ClaimsOptions | TokenSources | IntrospectionOptions>>()
assert<
  MayBeUndefined<IssuerGateOptions | IssuerOptions | MultiIssuerOptions | KeySetOptions | OpaqueOptions>
>()
assert<MayBeUndefined<PrivateKeyJwtOptions | VerifierGateOptions | WebSocketOptions>>()
assert<MayBeUndefined<LambdaAuthorizerOptions | Auth0Options | CognitoOptions | EntraOptions>>()
assert<MayBeUndefined<GoogleOptions | KeycloakOptions | OktaOptions>>()
