/** Keys of the configuration beside those that the issuer publishes (RFC 7517 §5, RFC 8725 §3.1). */

import { createHmac } from 'node:crypto'
import { createGate, type Gate, type JwtOptions, jwt } from '@bearergate/core'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { base64url, requestWith } from '../../../support/forge.ts'
import { AUDIENCE, createKey, goodClaims, ISSUER, NOW, type TestKey } from '../../../support/issuer.ts'

const SECRET = 'a secret of at least thirty-two bytes'
const secretJwk = { kty: 'oct', k: base64url(SECRET), alg: 'HS256' }
const jwksUri = 'https://keys.example.com/jwks'

let published: TestKey
let rsa: TestKey
let given: TestKey
let reachable: boolean
let asked: string[]

beforeAll(async () => {
  published = await createKey('ES256', 'published')
  rsa = await createKey('RS256', 'rsa')
  given = await createKey('ES256', 'given')
})
beforeEach(() => {
  reachable = true
  asked = []
})

const fetch = async (url: string): Promise<Response> => {
  asked.push(url)
  if (!reachable) throw new TypeError('fetch failed')
  if (url === jwksUri)
    return Response.json({ keys: [published.jwk, rsa.jwk, { ...secretJwk, k: base64url('x'.repeat(32)) }] })
  if (url === `${ISSUER}/.well-known/oauth-authorization-server`)
    return Response.json({ issuer: ISSUER, jwks_uri: jwksUri })
  return new Response(null, { status: 404 })
}

function hmac(claims: object, header: object = {}, secret: string | Buffer = SECRET): string {
  const input = `${base64url(JSON.stringify({ alg: 'HS256', typ: 'at+jwt', ...header }))}.${base64url(JSON.stringify({ ...goodClaims(), ...claims }))}`
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}

const optionsOf = (more: object): JwtOptions =>
  ({
    issuer: ISSUER,
    audience: AUDIENCE,
    keys: { keys: [secretJwk, { ...given.jwk }] },
    algorithms: ['HS256', 'ES256', 'RS256'],
    fetch,
    now: () => NOW * 1000,
    ...more,
  }) as JwtOptions

const SOURCES = [
  ['jwksUri', { jwksUri }],
  ['discovery', { discovery: true }],
] as const

async function told(gate: Gate, token: string): Promise<string> {
  const decision = await gate.authenticate(requestWith(token))
  return decision.ok ? 'ok' : `${decision.status} ${decision.reason}`
}

describe.each(SOURCES)('keys beside %s (FIELD19)', (_, source) => {
  const gateOf = (more: object = {}) => createGate(optionsOf({ ...source, ...more }))

  it('verifies tokens by the shared secret, a given key and the published keys', async () => {
    const gate = gateOf()
    expect(await told(gate, hmac({}))).toBe('ok')
    expect(await told(gate, await given.sign())).toBe('ok')
    expect(asked).toEqual([])
    expect(await told(gate, await published.sign())).toBe('ok')
    expect(await told(gate, await rsa.sign())).toBe('ok')
  })

  it('verifies a token without kid by a given key while the issuer does not answer', async () => {
    const gate = gateOf({ fetch: () => new Promise(() => {}) })
    expect(await told(gate, await given.sign({}, { kid: undefined }))).toBe('ok')
  })

  it('verifies tokens without kid by either', async () => {
    const gate = gateOf()
    for (const key of [given, published])
      expect(await told(gate, await key.sign({}, { kid: undefined }))).toBe('ok')
  })

  it('serves given keys while the issuer is down, and answers 503 to others', async () => {
    reachable = false
    const gate = gateOf()
    expect(await told(gate, await published.sign())).toBe('503 unavailable')
    expect(await told(gate, hmac({}))).toBe('ok')
    expect(await told(gate, await given.sign())).toBe('ok')
    expect(await told(gate, await given.sign({ jti: '2' }, { kid: undefined }))).toBe('ok')
    expect(await told(gate, await published.sign({}, { kid: undefined }))).toBe('503 unavailable')
  })

  it('fetches nothing for a token with a wrong secret, while the issuer is up or down', async () => {
    const gate = gateOf()
    for (const isUp of [true, false]) {
      reachable = isUp
      expect(await told(gate, hmac({}, {}, 'another secret of thirty-two bytes!!'))).toBe(
        '401 invalid_signature',
      )
      expect(await told(gate, hmac({}, { kid: 'published' }))).toBe('401 unknown_key')
    }
    expect(asked).toEqual([])
  })

  it('never uses a public key as a secret, nor a secret that the issuer publishes', async () => {
    const gate = gateOf()
    const jwk = JSON.stringify(published.jwk)
    for (const secret of [jwk, Buffer.from(String(rsa.jwk.n), 'base64url'), 'x'.repeat(32)])
      for (const kid of [undefined, 'published', 'rsa', 'given'])
        expect(await told(gate, hmac({}, { kid }, secret))).toMatch(/^401 (?:invalid_signature|unknown_key)$/)
  })

  it('keeps one algorithm for each key', async () => {
    const gate = gateOf()
    const other = await createKey('RS256', 'given')
    expect(await told(gate, await other.sign())).toBe('401 unknown_key')
    expect(await told(gate, hmac({}, { alg: 'HS384' }))).toBe('401 algorithm_not_allowed')
    expect(await told(gate, `${hmac({}).split('.').slice(0, 2).join('.')}.`)).toBe('401 malformed_token')
  })

  it('rejects a foreign key under the name of a given one', async () => {
    const gate = gateOf()
    const forged = await createKey('ES256', 'given')
    expect(await told(gate, await forged.sign())).toBe('401 invalid_signature')
  })

  it('finds a rotated key, and shows both kinds by describe()', async () => {
    const verifier = jwt(optionsOf({ ...source, cache: false }))
    await verifier.ready?.()
    expect(verifier.describe?.()).toMatchObject({
      keySet: {
        state: 'fresh',
        keys: [{ kid: 'published' }, { kid: 'rsa' }],
        given: [{ algorithms: ['HS256'] }, { kid: 'given' }],
      },
    })
    const before = published
    published = await createKey('ES256', 'rotated')
    expect(await verifier.verify(await published.sign())).toMatchObject({ active: true })
    expect(await verifier.verify(await before.sign())).toMatchObject({ active: false, reason: 'unknown_key' })
    published = before
  })

  it('keeps cached results of both, which are answered at once', async () => {
    const gate = gateOf()
    for (const token of [hmac({}), await given.sign(), await published.sign()]) {
      expect(await told(gate, token)).toBe('ok')
      expect(gate.authenticate(requestWith(token))).toMatchObject({ ok: true })
    }
  })
})

describe('keys alone (FIELD19)', () => {
  it('fetch nothing, and reject a token by any other key', async () => {
    for (const more of [{}, { discovery: false }]) {
      const gate = createGate(optionsOf(more))
      expect(await told(gate, await given.sign())).toBe('ok')
      expect(await told(gate, await published.sign())).toBe('401 unknown_key')
    }
    expect(asked).toEqual([])
  })

  it('are needed for HMAC', () => {
    expect(() => jwt({ issuer: ISSUER, audience: AUDIENCE, jwksUri, algorithms: ['HS256'] })).toThrow(
      '"algorithms"',
    )
  })

  it.each([
    ['discovery', { discovery: 'yes' }],
    ['"discovery: true" cannot be combined with "jwksUri"', { discovery: true, jwksUri }],
    ['"discovery: false"', { discovery: false, keys: undefined, algorithms: undefined }],
    ['"keys"', { jwksUri, keys: { keys: [{ kty: 'oct', k: 'c2hvcnQ', alg: 'HS256' }] } }],
    ['jwksUri', { jwksUri: 'http://keys.example.com' }],
  ])('throw at creation and name %s', (name, more) => {
    const create = () => jwt(optionsOf(more))
    expect(create).toThrow(TypeError)
    expect(create).toThrow(name)
    expect(create).not.toThrow(SECRET)
  })
})
