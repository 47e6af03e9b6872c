/** Introspection: the request, its credentials, and how the response is used (RFC 7662). */

import {
  createGate,
  type Gate,
  type IntrospectionOptions,
  introspection,
  privateKeyJwt,
} from '@bearergate/core'
import { exportJWK, generateKeyPair, jwtVerify } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { dropDeadlines, eventually, pass, stopClock } from '../../../support/clock.ts'
import { type Introspector, json, startIntrospector } from '../../../support/introspector.ts'
import { AUDIENCE, ISSUER, NOW } from '../../../support/issuer.ts'
import { isPending } from '../../../support/pending.ts'

const GOOD = {
  active: true,
  iss: ISSUER,
  aud: AUDIENCE,
  sub: 'emma',
  client_id: 'web',
  scope: 'read write',
  token_type: 'Bearer',
  exp: NOW + 600,
  iat: NOW - 10,
  jti: 'one',
}
const CLIENT = { clientId: 'api', clientSecret: 'api-secret' }

stopClock()
let server: Introspector

beforeAll(async () => {
  server = await startIntrospector(json(GOOD))
})
afterAll(() => server.close())
beforeEach(() => {
  server.reply = json(GOOD)
  server.asked.length = 0
})

type Options = IntrospectionOptions

function gateFor(options: Partial<Options> = {}): Gate {
  const given = { endpoint: server.endpoint, ...CLIENT, audience: AUDIENCE, now: () => NOW * 1000 }
  const verifier = introspection({ ...given, ...options } as Options)
  // A gate closes only a verifier that it made itself.
  return { ...createGate({ verifier, now: () => NOW * 1000 }), close: () => verifier.close?.() }
}

const ask = (gate: Gate, token = 'opaque-token') =>
  Promise.resolve(
    gate.authenticate({ header: (name) => (name === 'authorization' ? `Bearer ${token}` : undefined) }),
  )

async function outcome(gate: Gate, token?: string): Promise<string> {
  const decision = await ask(gate, token)
  return decision.ok ? 'ok' : `${decision.status} ${decision.reason}`
}

describe('the request', () => {
  it('is a POST of a form with the token percent-encoded, with client authentication (RFC 7662 §2.1, G01)', async () => {
    const token = 'a+b/c=='
    expect(await outcome(gateFor(), token)).toBe('ok')
    const [asked] = server.asked
    expect(asked).toMatchObject({ method: 'POST', url: '/introspect' })
    expect(asked?.body).toBe('token=a%2Bb%2Fc%3D%3D&token_type_hint=access_token')
    expect(asked?.headers['content-type']).toMatch(/^application\/x-www-form-urlencoded/)
    expect(asked?.headers.accept).toBe('application/json')
    expect(asked?.headers.authorization).toBe(`Basic ${btoa('api:api-secret')}`)
  })

  it('encodes client id and secret as form values in its Basic credentials (RFC 6749 §2.3.1)', async () => {
    await ask(gateFor({ clientId: 'a:b c', clientSecret: 'ä%&+' } as never))
    const [, credentials = ''] = server.asked[0]?.headers.authorization?.split(' ') ?? []
    expect(atob(credentials)).toBe('a%3Ab+c:%C3%A4%25%26%2B')
  })

  it('has the secret in the form with client_secret_post', async () => {
    await ask(gateFor({ authenticate: 'client_secret_post' } as never))
    expect(server.asked[0]?.headers.authorization).toBeUndefined()
    expect(Object.fromEntries(server.asked[0]?.form ?? [])).toMatchObject({
      client_id: 'api',
      client_secret: 'api-secret',
    })
  })

  it('has a new client assertion each time with privateKeyJwt (RFC 7523 §2.2)', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const jwk = { ...(await exportJWK(privateKey)), alg: 'ES256', kid: 'mine' }
    for (const key of [jwk, privateKey]) {
      const authenticate = privateKeyJwt({
        clientId: 'api',
        privateKey: key,
        algorithm: 'ES256',
        now: () => NOW * 1000,
      })
      const gate = gateFor({ authenticate, clientId: undefined, clientSecret: undefined } as never)
      expect([await outcome(gate, 'one'), await outcome(gate, 'two')]).toEqual(['ok', 'ok'])
    }
    const assertions = server.asked.map(({ form }) => form.get('client_assertion') ?? '')
    expect(new Set(assertions).size).toBe(4)
    for (const assertion of assertions) {
      const { payload } = await jwtVerify(assertion, publicKey, {
        issuer: 'api',
        subject: 'api',
        audience: server.endpoint,
        currentDate: new Date(NOW * 1000),
        requiredClaims: ['jti', 'exp', 'iat'],
      })
      expect((payload.exp ?? 0) - NOW).toBe(60)
    }
    expect(server.asked[0]?.form.get('client_assertion_type')).toBe(
      'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    )
  })

  it('has what "authenticate" adds, and is answered 503 if that throws', async () => {
    const without = { clientId: undefined, clientSecret: undefined }
    await ask(
      gateFor({
        ...without,
        authenticate: async ({ headers }: { headers: Headers }) => headers.set('x-key', 'mine'),
      } as never),
    )
    expect(server.asked[0]?.headers['x-key']).toBe('mine')
    const failing = () => {
      throw new Error('no key')
    }
    expect(await outcome(gateFor({ ...without, authenticate: failing } as never))).toBe('503 unavailable')
  })

  it('is not sent for a token that is not a b64token or is too long (G11)', async () => {
    for (const token of ['a"b', 'a b', 'ä', 'a'.repeat(8193)])
      expect(await outcome(gateFor(), token)).toMatch(/^400/)
    expect(server.asked).toEqual([])
  })
})

describe('the response', () => {
  it('becomes an identity', async () => {
    const decision = await ask(gateFor())
    expect(decision).toMatchObject({
      ok: true,
      identity: {
        kind: 'introspection',
        subject: 'emma',
        issuer: ISSUER,
        clientId: 'web',
        audience: [AUDIENCE],
        scopes: ['read', 'write'],
        expiresAt: NOW + 600,
        tokenId: 'one',
        claims: GOOD,
      },
    })
  })

  it.each([
    ['if "active" is false (G07)', { active: false }, '401 unknown_token'],
    ['if it is expired (G04)', { exp: NOW - 31 }, '401 expired'],
    ['if it is not valid yet (G04)', { nbf: NOW + 31 }, '401 not_yet_valid'],
    ['if it names another issuer (G04)', { iss: 'https://evil.example.com' }, '401 issuer_mismatch'],
    [
      'if it is for another audience (G04, M01)',
      { aud: ['https://other.example.com'] },
      '401 audience_mismatch',
    ],
    ['if it names no audience (M01)', { aud: undefined }, '401 missing_claim'],
    ['if it is of another token type (G04)', { token_type: 'mac' }, '401 not_an_access_token'],
    [
      'if its type is DPoP but it has no confirmation (G04)',
      { token_type: 'DPoP' },
      '401 not_an_access_token',
    ],
    ['if it is a refresh token', { typ: 'Refresh', token_type: undefined }, '401 not_an_access_token'],
    ['if "token_use" says refresh token (E16)', { token_use: 'refresh_token' }, '401 not_an_access_token'],
    ['if "token_use" says ID token (E16)', { token_use: 'id' }, '401 not_an_access_token'],
    ['if it is bound to a key (K15)', { cnf: { jkt: 'x' }, token_type: 'DPoP' }, '401 missing_proof'],
    ['if it is within the clock tolerance', { exp: NOW - 29, nbf: NOW + 29 }, 'ok'],
    [
      'if optional members are missing',
      { iss: undefined, exp: undefined, token_type: undefined, scope: undefined },
      'ok',
    ],
    ['if missing members are null', { nbf: null, scope: null, iss: null, token_type: null, cnf: null }, 'ok'],
    ['if the token type is in another case', { token_type: 'bearer' }, 'ok'],
  ])('%s, is answered as expected: %j → %s', async (_, members, expected) => {
    server.reply = json({ ...GOOD, ...members })
    expect(await outcome(gateFor({ issuer: ISSUER } as never))).toBe(expected)
  })

  it('is accepted without an audience if "audience" is null', async () => {
    server.reply = json({ ...GOOD, aud: undefined })
    expect(await outcome(gateFor({ audience: null }))).toBe('ok')
  })
})

describe('the cache', () => {
  it('is off by default: each request is introspected', async () => {
    const gate = gateFor()
    await ask(gate)
    await ask(gate)
    expect(server.asked).toHaveLength(2)
  })

  it('is not needed to share one request among 100 concurrent ones with the same token', async () => {
    const gate = gateFor()
    const all = await Promise.all(Array.from({ length: 100 }, () => outcome(gate)))
    expect([new Set(all), server.asked.length]).toEqual([new Set(['ok']), 1])
  })

  it('ends with the token or after "ttl", whichever is first (G05, G06)', async () => {
    const now = () => Date.now()
    const given = { endpoint: server.endpoint, ...CLIENT, audience: AUDIENCE, clockTolerance: 0, now }
    const verifier = introspection({ ...given, cache: { ttl: 60 } })
    const gate = createGate({ verifier, now })
    server.reply = json({ ...GOOD, exp: NOW + 5 })
    expect(await outcome(gate, 'short')).toBe('ok')
    server.reply = json(GOOD)
    expect(await outcome(gate, 'long')).toBe('ok')
    pass(4.75)
    expect([await outcome(gate, 'short'), server.asked.length]).toEqual(['ok', 2])
    pass(0.25)
    server.reply = json({ ...GOOD, exp: NOW + 5 })
    expect([await outcome(gate, 'short'), server.asked.length]).toEqual(['401 expired', 3])
    pass(54.75)
    expect([await outcome(gate, 'long'), server.asked.length]).toEqual(['ok', 3])
    pass(0.25)
    server.reply = json(GOOD)
    expect([await outcome(gate, 'long'), server.asked.length]).toEqual(['ok', 4])
  })

  it('keeps rejected tokens for "negativeTtl" only (RFC 7662 §4)', async () => {
    server.reply = json({ active: false })
    const gate = gateFor({ cache: { ttl: 60, negativeTtl: 5, max: 10 } })
    await ask(gate)
    pass(4.75)
    await ask(gate)
    expect(server.asked).toHaveLength(1)
    pass(0.25)
    await ask(gate)
    expect(server.asked).toHaveLength(2)
    const without = gateFor({ cache: { ttl: 60 } })
    await ask(without)
    await ask(without)
    expect(server.asked).toHaveLength(4)
  })
})

describe('discovery', () => {
  const metadata =
    (members: object = {}) =>
    (path: string) =>
      path === '/.well-known/oauth-authorization-server'
        ? { issuer: server.origin, introspection_endpoint: server.endpoint, ...members }
        : { issuer: 'none' }

  function serve(document: (path: string) => object) {
    server.reply = (asked, response) =>
      (asked.method === 'GET' ? json(document(asked.url)) : json({ ...GOOD, iss: server.origin }))(
        asked,
        response,
      )
  }

  it('finds the endpoint once (I01)', async () => {
    serve(metadata())
    const gate = gateFor({ endpoint: undefined, issuer: server.origin } as never)
    await gate.ready()
    expect(await Promise.all([outcome(gate, 'a'), outcome(gate, 'b')])).toEqual(['ok', 'ok'])
    expect(server.asked.map(({ method }) => method)).toEqual(['GET', 'POST', 'POST'])
    expect(gate.describe().verifier).toMatchObject({ kind: 'introspection', endpoint: server.endpoint })
  })

  it.each([
    ['names another issuer (I02)', { issuer: 'https://evil.example.com' }],
    ['has no endpoint', { introspection_endpoint: undefined }],
    ['has an endpoint over http (I04)', { introspection_endpoint: 'http://id.example.com/introspect' }],
  ])('answers 503 and sends no token if the metadata %s', async (_, members) => {
    serve(metadata(members))
    const gate = gateFor({ endpoint: undefined, issuer: server.origin } as never)
    expect(await outcome(gate)).toBe('503 unavailable')
    expect(server.asked.every(({ method }) => method === 'GET')).toBe(true)
    await expect(gate.ready()).rejects.toThrow(/metadata/)
  })

  it('is shared by concurrent requests, and begun again if a runtime dropped it (FX42)', async () => {
    const gate = gateFor({ endpoint: undefined, issuer: server.origin } as never)
    server.reply = () => {}
    const dropped = [outcome(gate, 'a'), outcome(gate, 'b')]
    await eventually(() => server.asked.length === 1)
    dropDeadlines()
    pass(3.75)
    const joined = outcome(gate, 'c')
    expect(await isPending(joined)).toBe(true)
    pass(0.25)
    serve(metadata())
    expect(await outcome(gate, 'd')).toBe('ok')
    expect(server.asked.map(({ method }) => method)).toEqual(['GET', 'GET', 'POST'])
    // The deadlines of the requests that were dropped never end; the one that joined has its own.
    pass(2.75)
    expect(await joined).toBe('503 unavailable')
    gate.close()
    expect(await Promise.all(dropped)).toEqual(['503 unavailable', '503 unavailable'])
  })

  it('succeeds after one that failed (I05)', async () => {
    const gate = gateFor({ endpoint: undefined, issuer: server.origin } as never)
    server.reply = json({}, 500)
    expect(await outcome(gate)).toBe('503 unavailable')
    serve(metadata())
    expect(await outcome(gate)).toBe('ok')
  })
})

describe('creation throws (BI20) for', () => {
  const base = { endpoint: 'https://id.example.com/introspect', ...CLIENT, audience: AUDIENCE }
  it.each<[string, object, RegExp]>([
    ['neither endpoint nor issuer', { endpoint: undefined }, /"endpoint"/],
    ['A15 an endpoint over http', { endpoint: 'http://id.example.com/' }, /"endpoint"/],
    ['an issuer over http', { endpoint: undefined, issuer: 'http://id.example.com/' }, /"issuer"/],
    ['an issuer with a query', { endpoint: undefined, issuer: 'https://id.example.com/?a' }, /"issuer"/],
    ['no audience', { audience: undefined }, /"audience"/],
    ['an empty audience', { audience: [] }, /"audience"/],
    ['no client', { clientId: undefined }, /"clientId"/],
    ['no secret', { clientSecret: undefined }, /"clientSecret"/],
    ['another method', { authenticate: 'tls' }, /"authenticate"/],
    ['a function and a secret', { authenticate: () => {} }, /"clientId"/],
    ['an unknown option', { url: 'x' }, /"url"/],
    ['a cache without ttl', { cache: {} }, /"ttl"/],
    ...(['timeout', 'concurrency', 'queue', 'clockTolerance'] as const).flatMap((name) =>
      [Number.NaN, Number.POSITIVE_INFINITY, -1, '5', 2 ** 53, null].map(
        (value) =>
          [`${name} ${value}`, { [name]: value }, new RegExp(`"${name}"`)] as [string, object, RegExp],
      ),
    ),
  ])('%s', (_, options, message) => {
    expect(() => introspection({ ...base, ...options } as never)).toThrow(TypeError)
    expect(() => introspection({ ...base, ...options } as never)).toThrow(message)
  })

  it.each<[object, RegExp]>([
    [{ clientId: '' }, /"clientId"/],
    [{ privateKey: 'pem' }, /"privateKey"/],
    [{ algorithm: undefined }, /"algorithm"/],
    [{ lifetime: 5 }, /"lifetime"/],
    [{ algorithm: 'banana' }, /"algorithm"/],
    [{ algorithm: 'HS256' }, /"algorithm"/],
    [{ keyId: '' }, /"keyId"/],
    [{ privateKey: { kty: 'EC' } }, /"privateKey" must be a private key/],
  ])('privateKeyJwt with %j', (options, message) => {
    const good = { clientId: 'api', privateKey: { kty: 'EC', d: 'AA' }, algorithm: 'ES256' }
    expect(() => privateKeyJwt({ ...good, ...options } as never)).toThrow(message)
  })
})
