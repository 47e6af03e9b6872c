/** One list of marks tells access tokens from other kinds, whether they are signed or introspected (RFC 8725 §3.12). */

import { introspection, jwt } from '@bearergate/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Introspector, json, startIntrospector } from '../../../support/introspector.ts'
import { AUDIENCE, createKey, goodClaims, ISSUER, NOW, type TestKey } from '../../../support/issuer.ts'

const now = () => NOW * 1000
let key: TestKey
let server: Introspector
beforeAll(async () => {
  key = await createKey('ES256')
  server = await startIntrospector(json({}))
})
afterAll(() => server.close())

async function ofJwt(claims: object, typ?: string): Promise<string> {
  const verifier = jwt({ issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk as never] }, now })
  const result = await verifier.verify(await key.sign({ ...claims }, { typ }))
  return result.active ? 'active' : result.reason
}

async function ofIntrospection(claims: object): Promise<string> {
  server.reply = json({ active: true, ...goodClaims(), ...claims })
  const verifier = introspection({
    endpoint: server.endpoint,
    audience: AUDIENCE,
    clientId: 'api',
    clientSecret: 'secret',
    now,
  })
  const result = await verifier.verify('a-token')
  return result.active ? 'active' : result.reason
}

const OTHER_KINDS: readonly (readonly [string, object])[] = [
  ['an ID token, by its nonce', { nonce: 'n' }],
  ['an ID token, by at_hash', { at_hash: 'h' }],
  ['an ID token, by c_hash', { c_hash: 'h' }],
  ['an ID token, by s_hash', { s_hash: 'h' }],
  ['an ID token, by token_use', { token_use: 'id' }],
  ['an ID token, by Keycloak’s typ', { typ: 'ID' }],
  ['an ID token, by a media type', { typ: 'id+jwt' }],
  ['a refresh token', { typ: 'Refresh' }],
  ['a refresh token, by token_use', { token_use: 'refresh_token' }],
  ['an offline token', { typ: 'Offline' }],
  ['a logout token', { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }],
  ['a logout token, by a media type', { typ: 'application/logout+jwt' }],
  ['a security event', { typ: 'secevent+jwt' }],
  ['an introspection answer', { token_introspection: { active: true } }],
  ['a verifiable credential', { vc: {} }],
  ['a verifiable presentation', { vp: {} }],
  ['an SD-JWT', { _sd: ['a'], _sd_alg: 'sha-256' }],
  ['an SD-JWT, by a media type', { typ: 'vc+sd-jwt' }],
  ['a DPoP proof', { htm: 'GET', htu: 'https://api.example.com/' }],
  ['an ID token with null as its nonce', { nonce: null }],
]

const ACCESS_TOKENS: readonly (readonly [string, object])[] = [
  ['no mark', {}],
  ['Keycloak’s typ beside a nonce', { typ: 'Bearer', nonce: 'n' }],
  ['token_use access beside at_hash', { token_use: 'access', at_hash: 'h' }],
  ['token_use access_token', { token_use: 'access_token' }],
  ['at+jwt as its typ claim', { typ: 'at+jwt' }],
  ['htm alone', { htm: 'GET' }],
  ['an unknown typ', { typ: 'custom' }],
]

describe('a token that is certainly of another kind', () => {
  it.each(OTHER_KINDS)('is rejected as a JWT without a type: %s (E16, ATK14)', async (_, claims) => {
    expect(await ofJwt(claims)).toBe('not_an_access_token')
    expect(await ofJwt(claims, 'JWT')).toBe('not_an_access_token')
  })

  // null is how some servers write that there is none, so it is left out there.
  it.each(OTHER_KINDS.slice(0, -1))(
    'is rejected if it is introspected: %s (E16, ATK14)',
    async (_, claims) => {
      expect(await ofIntrospection(claims)).toBe('not_an_access_token')
    },
  )

  it('is rejected by a contradiction of the claims that name its kind', async () => {
    expect(await ofJwt({ typ: 'ID', token_use: 'access' })).toBe('not_an_access_token')
    expect(await ofIntrospection({ typ: 'Bearer', token_use: 'id' })).toBe('not_an_access_token')
  })
})

describe('an access token', () => {
  it.each(ACCESS_TOKENS)('is accepted with %s, signed or introspected (E16)', async (_, claims) => {
    expect(await ofJwt(claims)).toBe('active')
    expect(await ofIntrospection(claims)).toBe('active')
  })

  it('is accepted whatever else it carries if its header says at+jwt (RFC 9068 §2.1)', async () => {
    for (const [, claims] of OTHER_KINDS) expect(await ofJwt(claims, 'at+jwt')).toBe('active')
  })
})
