/** Access tokens of Keycloak, and the other tokens that a realm signs with the same keys. */

import { keycloak } from '@bearergate/core/presets'
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

const URL = 'https://sso.example.com'
const ISSUER = `${URL}/realms/acme`
const certs = (issuer: string) => `${issuer}/protocol/openid-connect/certs`

const ACCESS: Claims = {
  jti: 'onrtac:0b0e7a31-9f2c-4b7c-8a30-5d4a0f8ce1c5',
  iss: ISSUER,
  aud: ['messages', 'account'],
  sub: 'f6c0a4c5-2a7b-4f6b-9a51-6a7d3b1d6d0e',
  typ: 'Bearer',
  azp: 'web',
  sid: '0c2a4e5b-8f0a-4f1c-9e0b-6f3d3a2c1b0a',
  acr: '1',
  'allowed-origins': ['https://app.example.com'],
  realm_access: { roles: ['offline_access', 'staff'] },
  resource_access: { messages: { roles: ['reader', 'staff'] }, account: { roles: ['manage-account'] } },
  scope: 'openid email messages',
  preferred_username: 'emma',
}

let key: TestKey
let ec: TestKey
let provider: Provider

beforeAll(async () => {
  ;[key, ec] = await Promise.all([rsaKey(), createKey('ES256')])
  provider = await startProvider({
    [certs(ISSUER)]: [key, ec],
    [certs(`${URL}/auth/realms/acme`)]: [key],
  })
})
afterAll(() => provider.close())

const verifier = (options: object = {}) =>
  keycloak({ url: URL, realm: 'acme', audience: 'messages', fetch: provider.fetch, now, ...options })

describe('keycloak', () => {
  it('accepts an access token, by the keys of the realm', async () => {
    const from = provider.asked.length
    expect(await identityOf(verifier(), await sign(key, ACCESS))).toMatchObject({
      kind: 'jwt',
      issuer: ISSUER,
      subject: ACCESS.sub,
      clientId: 'web',
      audience: ['messages', 'account'],
      scopes: ['openid', 'email', 'messages'],
      roles: ['offline_access', 'staff', 'reader'],
      acr: '1',
    })
    expect(provider.asked.slice(from)).toEqual([certs(ISSUER)])
  })

  it('accepts a token that says at+jwt, one bound to a key, and another algorithm of the realm’s', async () => {
    expect(await outcome(verifier(), await sign(key, ACCESS, { typ: 'at+jwt' }))).toBe('active')
    const bound = { ...ACCESS, typ: 'DPoP', cnf: { jkt: 'x' } }
    expect((await identityOf(verifier(), await sign(key, bound))).confirmation).toEqual({ jkt: 'x' })
    expect(await outcome(verifier(), await sign(ec, ACCESS))).toBe('active')
  })

  it('accepts a url with a path, and with a slash at its end', async () => {
    const iss = `${URL}/auth/realms/acme`
    for (const url of [`${URL}/auth`, `${URL}/auth/`])
      expect(await outcome(verifier({ url }), await sign(key, { ...ACCESS, iss }))).toBe('active')
  })

  it('reads the roles of the configured client', async () => {
    const roles = async (options: object, claims = ACCESS) =>
      (await identityOf(verifier(options), await sign(key, claims))).roles
    expect(await roles({ clientId: 'account' })).toEqual(['offline_access', 'staff', 'manage-account'])
    expect(await roles({ clientId: ['account', 'messages'] })).toEqual([
      'offline_access',
      'staff',
      'manage-account',
      'reader',
    ])
    expect(await roles({ clientId: 'none' })).toEqual(['offline_access', 'staff'])
    expect(await roles({ audience: ['messages', 'account'] })).toContain('manage-account')
    expect(await roles({}, { ...ACCESS, realm_access: undefined, resource_access: undefined })).toEqual([])
  })

  it('reads no roles from a prototype', async () => {
    const { roles } = await identityOf(verifier({ clientId: 'constructor' }), await sign(key, ACCESS))
    expect(roles).toEqual(['offline_access', 'staff'])
  })

  it.each<[string, Claims, string]>([
    [
      'an ID token for the same audience',
      { ...ACCESS, typ: 'ID', aud: 'messages' },
      'not_an_access_token: the claim "typ" is "ID"',
    ],
    ['a refresh token', { ...ACCESS, typ: 'Refresh' }, 'not_an_access_token: the claim "typ" is "Refresh"'],
    ['an offline token', { ...ACCESS, typ: 'Offline' }, 'not_an_access_token: the claim "typ" is "Offline"'],
    [
      'a logout token',
      { ...ACCESS, typ: 'Logout', events: {} },
      'not_an_access_token: the claim "typ" is "Logout"',
    ],
    ['no kind', { ...ACCESS, typ: undefined }, 'missing_claim: typ'],
    ['the kind in other letters', { ...ACCESS, typ: 'bearer' }, 'invalid_claim: typ'],
    [
      'an ID token with a nonce',
      { ...ACCESS, typ: 'ID', nonce: 'n' },
      'not_an_access_token: the claim "typ" is "ID"',
    ],
    ['another realm', { ...ACCESS, iss: `${URL}/realms/master` }, 'issuer_mismatch'],
    ['another client’s token', { ...ACCESS, aud: 'account' }, 'audience_mismatch'],
    ['an audience that is the client’s alone', { ...ACCESS, aud: undefined }, 'missing_claim: aud'],
  ])('rejects %s', async (_what, claims, reason) => {
    expect(await outcome(verifier(), await sign(key, claims))).toBe(reason)
  })

  it('rejects another key', async () => {
    expect(await outcome(verifier(), await sign(await rsaKey(), ACCESS))).toBe('invalid_signature')
  })
})
