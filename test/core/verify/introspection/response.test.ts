/** The response of an introspection endpoint: members without a value, and the kind of the token (RFC 7662 §2.2). */

import { createGate, type Identity, introspection } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { failureStatus } from '#core/verify/introspection/response.ts'
import { AUDIENCE, ISSUER, NOW } from '../../../support/issuer.ts'

const GOOD = {
  active: true,
  iss: ISSUER,
  aud: AUDIENCE,
  sub: 'emma',
  client_id: 'web',
  username: 'emma',
  scope: 'read write',
  token_type: 'Bearer',
  exp: NOW + 600,
  nbf: NOW - 10,
  iat: NOW - 10,
  jti: 'one',
}

async function decide(members: object, options: object = {}) {
  const verifier = introspection({
    endpoint: 'https://id.example.com/introspect',
    issuer: ISSUER,
    clientId: 'api',
    clientSecret: 'secret',
    audience: AUDIENCE,
    now: () => NOW * 1000,
    fetch: async () => Response.json({ ...GOOD, ...members }),
    ...options,
  } as never)
  return createGate({ verifier }).authenticate({ header: () => 'Bearer opaque-token' })
}

async function outcome(members: object, options?: object): Promise<string> {
  const decision = await decide(members, options)
  return decision.ok ? 'ok' : `${decision.status} ${decision.reason}`
}

async function identityOf(members: object, options?: object): Promise<Identity> {
  const decision = await decide(members, options)
  if (!decision.ok) throw new Error(decision.reason)
  return decision.identity
}

const UNSET = [null, '', []]
const everyUnset = (names: readonly string[]) =>
  names.flatMap((name) => UNSET.map((value) => [name, value] as const))

describe('a member without a value', () => {
  const optional = Object.keys(GOOD).filter((name) => name !== 'active' && name !== 'aud')
  const marks = ['act', 'acr', 'auth_time', 'typ', 'token_use', 'nonce', 'at_hash', 'events', 'azp', 'scp']

  it.each(everyUnset([...optional, ...marks]))('is accepted: %s %j (FIELD04)', async (name, value) => {
    expect(await outcome({ [name]: value })).toBe('ok')
  })

  it.each(UNSET)('is accepted in place of all optional ones: %j (FIELD04)', async (value) => {
    const members = Object.fromEntries([...optional, ...marks, 'aud'].map((name) => [name, value]))
    expect(await identityOf(members, { audience: null })).toMatchObject({
      subject: undefined,
      issuer: ISSUER,
      clientId: undefined,
      audience: [],
      scopes: [],
      expiresAt: undefined,
      issuedAt: undefined,
      tokenId: undefined,
      acr: undefined,
      authenticatedAt: undefined,
      actor: undefined,
    })
  })

  it.each(UNSET)('reads the client from the next claim if client_id is %j (FIELD04)', async (value) => {
    expect(await identityOf({ client_id: value, azp: 'web' })).toMatchObject({ clientId: 'web' })
  })

  it.each(UNSET)(
    'grants no scope if scope is %j, even if another member lists some (FIELD04)',
    async (scope) => {
      expect(await identityOf({ scope, permissions: ['admin'] })).toMatchObject({ scopes: [] })
      expect(await identityOf({ scope, scp: 'admin' })).toMatchObject({ scopes: [] })
      expect(await identityOf({ scope: undefined, scp: scope, permissions: ['admin'] })).toMatchObject({
        scopes: [],
      })
    },
  )

  it('is not among the claims if it is null: scope (FIELD04)', async () => {
    expect((await identityOf({ scope: null, permissions: ['admin'] })).claims).not.toHaveProperty('scope')
  })

  it.each(UNSET)('is missing if "requiredClaims" names it: sub %j (FIELD04)', async (sub) => {
    expect(await outcome({ sub }, { requiredClaims: { sub: () => true } })).toBe('401 missing_claim')
  })

  it('stays in the claims if it belongs to the application (FIELD04)', async () => {
    const { claims } = await identityOf({ groups: [], username: '', note: '', roles: [] })
    expect(claims).toMatchObject({ groups: [], username: '', note: '', roles: [] })
  })
})

describe('a member that decides', () => {
  it.each([null, '', [], 'true', 1, [true]])(
    'rejects the token unless "active" is true: %j (FIELD04)',
    async (active) => {
      expect(await outcome({ active })).toBe('401 unknown_token')
    },
  )

  it.each([
    [null, '401 missing_claim'],
    [[], '401 invalid_claim'],
    ['', '401 audience_mismatch'],
  ])('rejects the token if an audience is configured and "aud" is %j (FIELD04)', async (aud, expected) => {
    expect(await outcome({ aud })).toBe(expected)
  })

  it.each(['', []])('rejects the token if its binding cannot be read: cnf %j (FIELD04)', async (cnf) => {
    expect(await outcome({ cnf })).toBe('401 invalid_claim')
  })

  it.each([
    ['exp', [null]],
    ['exp', {}],
    ['exp', ' '],
    ['iss', ' '],
  ])('rejects the token if its type is wrong: %s %j (FIELD04)', async (name, value) => {
    expect(await outcome({ [name]: value })).toMatch(/^401/)
  })
})

describe('"token_type"', () => {
  it.each(['access_token', 'Access_Token', 'access-token', 'Bearer', 'bearer', 'at+jwt'])(
    'accepts an access token: %s (FIELD13)',
    async (type) => {
      expect(await outcome({ token_type: type })).toBe('ok')
    },
  )

  it.each(['refresh_token', 'id_token', 'refresh', 'ID', 'mac', 'N_A', 'access_tokens', ' access_token', 7])(
    'rejects everything else: %s (FIELD13)',
    async (type) => {
      expect(await outcome({ token_type: type })).toBe('401 not_an_access_token')
    },
  )

  it.each([{ token_use: 'refresh_token' }, { typ: 'Refresh' }, { token_use: 'id' }, { nonce: 'n' }])(
    'does not outweigh a mark of another kind: access_token and %j (FIELD13)',
    async (members) => {
      expect(await outcome({ token_type: 'access_token', ...members })).toBe('401 not_an_access_token')
    },
  )

  it('still needs a confirmation for DPoP in any case of letters (RFC 9449 §6.2, FIELD13)', async () => {
    for (const type of ['DPoP', 'dpop', 'DPOP'])
      expect(await outcome({ token_type: type })).toBe('401 not_an_access_token')
    const bound = { token_type: 'DPoP', cnf: { jkt: 'x' } }
    expect(await outcome(bound)).toBe('401 missing_proof')
  })
})

describe('a status of "inactiveStatus"', () => {
  it.each<[number, Record<string, unknown>, number | undefined]>([
    [400, {}, undefined],
    [400, { error: 'invalid_request' }, undefined],
    [404, { error: 7 }, undefined],
    [400, { error: 'invalid_client' }, 401],
    [422, { error: 'unauthorized_client' }, 401],
    [401, { error: 'invalid_client', active: false }, 401],
    [401, {}, 401],
    [403, { message: 'no' }, 403],
    [401, { error: 'Unauthorized', status: 401 }, 401],
    [401, { error: 'unauthorized' }, 401],
    [403, { error: 'Not allowed_here' }, 403],
    [403, { active: true }, 403],
    [401, { active: false }, undefined],
    [401, { error: 'request_unauthorized' }, undefined],
    [403, { error: 'access_denied' }, undefined],
  ])('%d with the body %j is the failure %s (FIELD23)', (status, body, expected) => {
    expect(failureStatus(status, body)).toBe(expected)
  })

  it('reads no error code from Object.prototype (FIELD23)', () => {
    const prototype = Object.prototype as unknown as Record<string, unknown>
    prototype.error = 'access_denied'
    try {
      expect(failureStatus(401, {})).toBe(401)
    } finally {
      delete prototype.error
    }
  })
})
