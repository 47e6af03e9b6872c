/** One list of marks tells access tokens from other kinds, whether they are signed or introspected (RFC 8725 §3.12). */

import { introspection, type JwtOptions, jwt } from '@bearergate/core'
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

function introspected() {
  const { endpoint } = server
  return introspection({ endpoint, audience: AUDIENCE, clientId: 'api', clientSecret: 'secret', now }).verify(
    'a-token',
  )
}

async function ofIntrospection(claims: object): Promise<string> {
  server.reply = json({ active: true, ...goodClaims(), ...claims })
  const result = await introspected()
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
  ['a refresh token, by token_type', { token_type: 'refresh' }],
  ['a refresh token, by the long name in token_type', { token_type: 'Refresh_Token' }],
  ['an ID token, by token_type', { token_type: 'id_token' }],
  ['an SD-JWT, by a media type in token_type', { token_type: 'vc+sd-jwt' }],
  ['a refresh token, by type', { type: 'refresh' }],
  ['a refresh token, by the long name in type', { type: 'refresh-token' }],
  ['an ID token, by type', { type: 'ID_TOKEN' }],
  ['a logout token, by type', { type: 'logout' }],
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
  ['a token that its typ binds to a key, but without one', { typ: 'DPoP' }],
  ['a token that its token_use binds to a key, but without one', { token_use: 'dpop' }],
  ['a token that its token_type binds to a key, but without one', { token_type: 'DPoP' }],
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
  ['token_type access', { token_type: 'access' }],
  ['token_type Bearer', { token_type: 'Bearer' }],
  ['type access', { type: 'access' }],
  ['a type of the application', { type: 'user' }],
  ['a type that contains the name of another kind', { type: 'identity refresh' }],
  ['a media type in type', { type: 'image+jwt' }],
  ['DPoP in type', { type: 'DPoP' }],
  ['a type that is no text', { type: ['refresh'] }],
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
    expect(await ofJwt({ token_use: 'access', type: 'refresh' })).toBe('not_an_access_token')
  })

  it.each([{ token_type: 'Bearer' }, { token_type: 'access' }, { type: 'access' }])(
    'is rejected by its nonce in spite of %j (E16)',
    async (claims) => {
      expect(await ofJwt({ ...claims, nonce: 'n' })).toBe('not_an_access_token')
      expect(await ofIntrospection({ ...claims, nonce: 'n' })).toBe('not_an_access_token')
    },
  )

  it('is accepted if only a JWT names it in an unknown way: token_type (E16)', async () => {
    expect(await ofJwt({ token_type: 'custom' })).toBe('active')
    expect(await ofJwt({ token_type: 7 })).toBe('active')
  })
})

describe('the detail of a rejection by kind', () => {
  async function ofHeader(typ: unknown, profile: JwtOptions['profile']): Promise<string | undefined> {
    const keys = { keys: [key.jwk as never] }
    const verifier = jwt({ issuer: ISSUER, audience: AUDIENCE, keys, now, profile })
    const result = await verifier.verify(await key.sign(goodClaims(), { typ: typ as string }))
    return result.active ? 'active' : result.detail
  }

  it.each([
    ['dpop+jwt', 'generic', 'typ is "dpop+jwt", allowed are "jwt", "at+jwt", or no typ'],
    ['logout+JWT', 'generic', 'typ is "logout+JWT", allowed are "jwt", "at+jwt", or no typ'],
    ['a7-text', 'generic', 'typ is unknown, allowed are "jwt", "at+jwt", or no typ'],
    [7, 'generic', 'typ is 7, allowed are "jwt", "at+jwt", or no typ'],
    [{}, 'rfc9068', 'typ is an object, allowed is "at+jwt"'],
    ['JWT', 'rfc9068', 'typ is "JWT", allowed is "at+jwt"'],
    [undefined, 'rfc9068', 'typ is missing, allowed is "at+jwt"'],
  ] as const)(
    'names a typ %j of a known form, and those that %s allows (E16)',
    async (typ, profile, detail) => {
      expect(await ofHeader(typ, profile)).toBe(detail)
    },
  )

  it.each([
    [{ token_use: 'id' }, 'the claim "token_use" is "id"'],
    [{ typ: 'a7-text+jwt' }, 'the claim "typ" is unknown'],
    [{ typ: 'DPoP' }, 'the claim "typ" is "DPoP", but the token has no "cnf"'],
    [{ nonce: 'n' }, 'it has the claim "nonce", which marks another kind of token'],
    [{ token_type: 'Custom' }, 'token_type is unknown, expected a value such as "Bearer"'],
    [{ token_type: ['Bearer'] }, 'token_type is an array, expected a value such as "Bearer"'],
    [{ token_type: 'DPoP' }, 'the claim "token_type" is "DPoP", but the token has no "cnf"'],
  ])('names what an introspected token has: %j (E16)', async (claims, detail) => {
    server.reply = json({ active: true, ...goodClaims(), ...claims })
    expect(await introspected()).toMatchObject({ active: false, detail })
  })
})

describe('an access token', () => {
  it.each(ACCESS_TOKENS)('is accepted with %s, signed or introspected (E16)', async (_, claims) => {
    expect(await ofJwt(claims)).toBe('active')
    expect(await ofIntrospection(claims)).toBe('active')
  })

  it('accepts a token with the type at+jwt, with any other claims (RFC 9068 §2.1)', async () => {
    for (const [, claims] of OTHER_KINDS) expect(await ofJwt(claims, 'at+jwt')).toBe('active')
  })
})

describe('allowIdTokenClaims (FIELD10, FIELD12)', () => {
  const DEX = {
    sub: 'CiQwOGE4Njg0Yi1kYjg4LTRiNzMtOTBhOS0zY2QxNjYxZjU0NjYSBWxvY2Fs',
    client_id: undefined,
    scope: undefined,
    jti: undefined,
    email: 'emma@example.com',
    email_verified: true,
    at_hash: 'rI6FSLNlBGzLJ-sRoBwSaA',
  }
  type Allowed = JwtOptions['allowIdTokenClaims']

  async function ofDex(claims: object, allowIdTokenClaims: Allowed, typ?: string): Promise<string> {
    const keys = { keys: [key.jwk as never] }
    const verifier = jwt({ issuer: ISSUER, audience: AUDIENCE, keys, now, allowIdTokenClaims })
    const result = await verifier.verify(await key.sign({ ...DEX, ...claims }, { typ }))
    return result.active ? 'active' : result.reason
  }

  it('accepts access tokens with the named claims, and with no others', async () => {
    expect(await ofDex({}, undefined)).toBe('not_an_access_token')
    expect(await ofDex({}, [])).toBe('not_an_access_token')
    expect(await ofDex({}, ['nonce'])).toBe('not_an_access_token')
    expect(await ofDex({}, ['at_hash'])).toBe('active')
    expect(await ofDex({}, ['at_hash'], 'JWT')).toBe('active')
    expect(await ofDex({ nonce: 'n' }, ['at_hash'])).toBe('not_an_access_token')
    expect(await ofDex({ nonce: 'n' }, ['at_hash', 'nonce'])).toBe('active')
    expect(await ofDex({ at_hash: undefined, nonce: 'n' }, ['nonce'])).toBe('active')
  })

  it('accepts an access token for this API that another client asked for', async () => {
    expect(await ofDex({ azp: 'web' }, ['at_hash'])).toBe('active')
    expect(await ofDex({ aud: [AUDIENCE, 'web'], azp: 'web' }, ['at_hash'])).toBe('active')
  })

  it.each([
    ['for its client alone', { aud: 'web' }, 'audience_mismatch'],
    ['for its client alone, by name', { aud: 'web', azp: 'web' }, 'audience_mismatch'],
    ['for several clients', { aud: ['web', 'mobile'], azp: 'web' }, 'audience_mismatch'],
    ['whose client has the name of this API', { azp: AUDIENCE }, 'not_an_access_token'],
    ['whose client_id is this API', { client_id: AUDIENCE }, 'not_an_access_token'],
    ['whose azp is this API', { client_id: 'web', azp: AUDIENCE }, 'not_an_access_token'],
    ['whose appid is this API', { azp: 'web', appid: AUDIENCE }, 'not_an_access_token'],
    ['whose cid is this API', { client_id: 'web', cid: AUDIENCE }, 'not_an_access_token'],
    [
      'of this API as a client, for others too',
      { aud: [AUDIENCE, 'web'], azp: AUDIENCE },
      'not_an_access_token',
    ],
    ['for several audiences, without a client', { aud: [AUDIENCE, 'web'] }, 'not_an_access_token'],
    ['by typ', { typ: 'ID', azp: 'web' }, 'not_an_access_token'],
    ['by typ as a media type', { typ: 'id+jwt', azp: 'web' }, 'not_an_access_token'],
    ['by token_use', { token_use: 'id', azp: 'web' }, 'not_an_access_token'],
    ['by the hash of a code', { c_hash: 'h', azp: 'web' }, 'not_an_access_token'],
    ['by the hash of a state', { s_hash: 'h', azp: 'web' }, 'not_an_access_token'],
  ])('rejects an ID token %s', async (_, claims, reason) => {
    for (const typ of [undefined, 'JWT'])
      expect(await ofDex({ nonce: 'n', ...claims }, ['at_hash', 'nonce'], typ)).toBe(reason)
  })

  it.each(OTHER_KINDS.filter(([, claims]) => !('nonce' in claims || 'at_hash' in claims)))(
    'still rejects %s',
    async (_, claims) => {
      expect(await ofDex(claims, ['at_hash', 'nonce'])).toBe('not_an_access_token')
    },
  )

  it('rejects a header that says id+jwt or logout+jwt', async () => {
    for (const typ of ['id+jwt', 'logout+jwt', 'dpop+jwt', 'secevent+jwt'])
      expect(await ofDex({}, ['at_hash'], typ)).toBe('not_an_access_token')
  })

  it('leaves the decision to a stronger proof of the kind', async () => {
    for (const allowed of [undefined, ['at_hash']] as const) {
      expect(await ofDex({ typ: 'Bearer', nonce: 'n' }, allowed)).toBe('active')
      expect(await ofDex({ nonce: 'n' }, allowed, 'at+jwt')).toBe('active')
      expect(await ofDex({ typ: 'Refresh' }, allowed)).toBe('not_an_access_token')
    }
  })

  it('is shown by describe()', () => {
    const common = { issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk as never] } }
    expect(jwt({ ...common, allowIdTokenClaims: ['at_hash'] }).describe?.()).toMatchObject({
      allowIdTokenClaims: ['at_hash'],
    })
    expect(jwt(common).describe?.()).not.toHaveProperty('allowIdTokenClaims')
  })

  it.each([
    ['another claim', { allowIdTokenClaims: ['c_hash'] }],
    ['a text', { allowIdTokenClaims: 'at_hash' }],
    ['null', { allowIdTokenClaims: null }],
    ['any audience', { allowIdTokenClaims: ['at_hash'], audience: null }],
    ['the profile rfc9068', { allowIdTokenClaims: ['at_hash'], profile: 'rfc9068' }],
  ])('throws at creation for %s', (_, options) => {
    const create = () =>
      jwt({ issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk] }, ...options } as never)
    expect(create).toThrow(TypeError)
    expect(create).toThrow('"allowIdTokenClaims"')
  })
})
