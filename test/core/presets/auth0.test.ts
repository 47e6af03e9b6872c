/** Access tokens of Auth0: both of its profiles, and what else it signs. */

import { auth0 } from '@bearergate/core/presets'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKey, type TestKey } from '../../support/issuer.ts'
import {
  type Claims,
  identityOf,
  now,
  outcome,
  type Provider,
  rsaKey,
  sign,
  startProvider,
} from './provider.ts'

const DOMAIN = 'acme.eu.auth0.com'
const KEYS = 'https://acme.eu.auth0.com/.well-known/jwks.json'
const AUDIENCE = 'https://api.example.com'

/** The Auth0 profile, with the permissions of RBAC. */
const ACCESS: Claims = {
  iss: 'https://acme.eu.auth0.com/',
  sub: 'auth0|6553da60a54af58e29493993',
  aud: [AUDIENCE, 'https://acme.eu.auth0.com/userinfo'],
  azp: 'K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja',
  scope: 'openid profile read:patients',
  permissions: ['read:patients', 'write:patients'],
}
/** The profile of RFC 9068. */
const RFC9068: Claims = { ...ACCESS, azp: undefined, client_id: ACCESS.azp, jti: '73WakrfVbNJBaAmhQtEeDv' }
/** Of a machine: without scopes there is no `scope`. */
const MACHINE: Claims = {
  iss: ACCESS.iss,
  sub: 'K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja@clients',
  aud: AUDIENCE,
  azp: ACCESS.azp,
  gty: 'client-credentials',
}
/** Of a client whose id was given as the audience, without the `nonce` that would give it away. */
const ID: Claims = {
  iss: ACCESS.iss,
  sub: ACCESS.sub,
  aud: AUDIENCE,
  nickname: 'emma',
  email: 'emma@example.com',
  email_verified: true,
  sid: '7XTVz3cgYE7Bf7nLKkr4Ya',
}

let key: TestKey
let pss: TestKey
let other: TestKey
let provider: Provider

beforeAll(async () => {
  ;[key, pss, other] = await Promise.all([rsaKey(), createKey('PS256'), createKey('ES256')])
  provider = await startProvider({ [KEYS]: [key, pss, other] })
})
afterAll(() => provider.close())

const verifier = (options: object = {}) =>
  auth0({ domain: DOMAIN, audience: AUDIENCE, fetch: provider.fetch, now, ...options })

describe('auth0', () => {
  it('accepts an access token of its own profile, by the keys of the domain', async () => {
    const from = provider.asked.length
    expect(await identityOf(verifier(), await sign(key, ACCESS))).toMatchObject({
      kind: 'jwt',
      issuer: 'https://acme.eu.auth0.com/',
      subject: ACCESS.sub,
      clientId: ACCESS.azp,
      audience: ACCESS.aud,
      scopes: ['openid', 'profile', 'read:patients'],
      roles: [],
    })
    expect(provider.asked.slice(from)).toEqual([KEYS])
  })

  it('accepts an access token of the profile of RFC 9068', async () => {
    const identity = await identityOf(verifier(), await sign(key, RFC9068, { typ: 'at+jwt' }))
    expect(identity).toMatchObject({ clientId: ACCESS.azp, tokenId: RFC9068.jti })
  })

  it('accepts the token of a machine, with and without permissions', async () => {
    expect((await identityOf(verifier(), await sign(key, MACHINE))).scopes).toEqual([])
    const permitted = await sign(key, { ...MACHINE, permissions: ['read:patients'] })
    expect((await identityOf(verifier(), permitted)).scopes).toEqual(['read:patients'])
  })

  it('reads the scopes from the permissions only, if configured', async () => {
    const scopes = async (claims: Claims) =>
      (await identityOf(verifier({ permissions: true }), await sign(key, claims))).scopes
    expect(await scopes(ACCESS)).toEqual(['read:patients', 'write:patients'])
    expect(await scopes({ ...ACCESS, permissions: undefined })).toEqual([])
    expect(await scopes({ ...ACCESS, permissions: [] })).toEqual([])
  })

  it('accepts RS256 and PS256, and no other algorithm', async () => {
    expect(await outcome(verifier(), await sign(pss, ACCESS))).toBe('active')
    expect(await outcome(verifier(), await sign(other, ACCESS))).toBe('algorithm_not_allowed')
  })

  it('accepts a domain in upper case', async () => {
    expect(await outcome(verifier({ domain: 'Acme.EU.auth0.com' }), await sign(key, ACCESS))).toBe('active')
  })

  it.each<[string, Claims, string]>([
    ['an ID token for the same audience', ID, 'invalid_claim: azp'],
    [
      'an ID token with a nonce',
      { ...ID, nonce: 'n-0S6' },
      'not_an_access_token: it has the claim "nonce", which marks another kind of token',
    ],
    ['an ID token of the client that asked', { ...ID, aud: ACCESS.azp }, 'audience_mismatch'],
    ['a client without a name', { ...ACCESS, azp: '' }, 'invalid_claim: azp'],
    ['a client that is no string', { ...ACCESS, azp: ['web'] }, 'invalid_claim: azp'],
    ['another tenant', { ...ACCESS, iss: 'https://evil.eu.auth0.com/' }, 'issuer_mismatch'],
    ['an issuer without the slash', { ...ACCESS, iss: 'https://acme.eu.auth0.com' }, 'issuer_mismatch'],
    [
      'a token for userinfo only',
      { ...ACCESS, aud: 'https://acme.eu.auth0.com/userinfo' },
      'audience_mismatch',
    ],
    ['no audience', { ...ACCESS, aud: undefined }, 'missing_claim: aud'],
  ])('rejects %s', async (_what, claims, reason) => {
    expect(await outcome(verifier(), await sign(key, claims))).toBe(reason)
  })

  it('rejects a token that was signed with another key, or changed', async () => {
    const [header, payload, signature] = (await sign(key, ACCESS)).split('.')
    const changed = Buffer.from(JSON.stringify({ ...ACCESS, exp: 4e9 })).toString('base64url')
    expect(await outcome(verifier(), `${header}.${changed}.${signature}`)).toBe('invalid_signature')
    expect(await outcome(verifier(), await sign(await rsaKey(), ACCESS))).toBe('invalid_signature')
    expect(payload).not.toBe(changed)
  })
})

describe('the schema of an auth0 verifier', () => {
  const validate = (value: unknown) => ({ value: { who: (value as Claims).sub } })
  const claims = { '~standard': { version: 1, vendor: 'test', validate } }

  it('returns the claims of the schema, which checks only tokens that name a client', async () => {
    expect((await identityOf(verifier({ claims }), await sign(key, ACCESS))).claims).toEqual({
      who: ACCESS.sub,
    })
    expect(await outcome(verifier({ claims }), await sign(key, ID))).toBe('invalid_claim: azp')
  })

  it('rejects with an error instead of a result if a schema returns nonsense', async () => {
    const nonsense = { '~standard': { version: 1, vendor: 'test', validate: () => undefined } }
    await expect(verifier({ claims: nonsense }).verify(await sign(key, ACCESS))).rejects.toThrow(/claims/)
  })
})
