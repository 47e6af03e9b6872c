/** The life of a key set: discovery, refresh, outage, rotation, unknown keys (RFC 7517 §5, RFC 8414). */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { createGate, type Decision, type Gate, type JwtSettings } from '@bearergate/core'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Issuer } from '#core/lib/url.ts'
import { metadataUrls } from '#core/verify/issuer.ts'
import { AUDIENCE, createKey, type TestKey } from '../../support/issuer.ts'
import { listen, type Running } from '../../support/server.ts'

type Respond = (request: IncomingMessage, response: ServerResponse) => void

let one: TestKey
let two: TestKey
let server: Running
let paths: string[]
let respond: Respond

beforeAll(async () => {
  ;[one, two] = await Promise.all([createKey('ES256', 'one'), createKey('ES256', 'two')])
})

beforeEach(async () => {
  paths = []
  vi.useFakeTimers({ toFake: ['performance', 'Date'], now: new Date('2026-01-01') })
  server = await listen((request, response) => {
    paths.push(request.url ?? '')
    respond(request, response)
  })
  respond = publish(one)
})
afterEach(async () => {
  vi.useRealTimers()
  await server.close()
})

const json =
  (value: unknown, headers: Record<string, string> = {}): Respond =>
  (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
  }
const fail =
  (status: number, headers: Record<string, string> = {}): Respond =>
  (_, response) => {
    response.writeHead(status, headers).end('{"keys":[]}')
  }
const publish = (...keys: TestKey[]) => json({ keys: keys.map(({ jwk }) => jwk) })

function gateFor(options: Partial<JwtSettings> = {}): Gate {
  const issuer = server.origin
  return createGate({ issuer, audience: AUDIENCE, jwksUri: `${issuer}/jwks`, cache: false, ...options })
}

let number = 0
/** A request with a new token, signed with the key. */
async function ask(gate: Gate, key: TestKey, claims: Record<string, unknown> = {}): Promise<Decision> {
  const iat = Math.floor(Date.now() / 1000)
  const token = await key.sign({ iss: server.origin, iat, exp: iat + 30, jti: `t${number++}`, ...claims })
  return gate.authenticate(
    new Request('https://api.example.com', { headers: { authorization: `Bearer ${token}` } }),
  )
}
const outcome = async (...args: Parameters<typeof ask>) => {
  const decision = await ask(...args)
  return decision.ok ? 'ok' : decision.reason
}
const fetched = () => paths.filter((path) => path === '/jwks').length
const pass = (seconds: number) => vi.advanceTimersByTime(seconds * 1000)
/** Until a refresh in the background is through. */
const settled = () =>
  vi
    .waitFor(() => expect(paths.length).toBeGreaterThan(0))
    .then(() => new Promise((resolve) => setTimeout(resolve, 20)))

describe('discovery', () => {
  it('I01 asks RFC 8414 before the path of the issuer, then OpenID Connect behind it', () => {
    expect(metadataUrls('https://as.example.com/tenant1' as Issuer)).toEqual([
      'https://as.example.com/.well-known/oauth-authorization-server/tenant1',
      'https://as.example.com/tenant1/.well-known/openid-configuration',
    ])
    expect(metadataUrls('https://as.example.com/' as Issuer)).toEqual([
      'https://as.example.com/.well-known/oauth-authorization-server',
      'https://as.example.com/.well-known/openid-configuration',
    ])
  })

  const discovering = () => {
    const { origin } = server
    return createGate({ issuer: origin, audience: AUDIENCE, cache: false })
  }
  const metadata =
    (members: Record<string, unknown>, only?: string): Respond =>
    (request, response) => {
      if (request.url === '/jwks') publish(one)(request, response)
      else if (only !== undefined && request.url !== only) fail(404)(request, response)
      else json(members)(request, response)
    }
  const good = () => ({ issuer: server.origin, jwks_uri: `${server.origin}/jwks` })
  const OAUTH = '/.well-known/oauth-authorization-server'
  const OPENID = '/.well-known/openid-configuration'

  it('finds the keys by RFC 8414, and asks for the metadata once', async () => {
    respond = metadata(good())
    const gate = discovering()
    expect(await outcome(gate, one)).toBe('ok')
    expect(await outcome(gate, one)).toBe('ok')
    expect(paths).toEqual([OAUTH, '/jwks'])
  })

  it('finds the keys by OpenID Connect Discovery where there is nothing else', async () => {
    respond = metadata(good(), OPENID)
    expect(await outcome(discovering(), one)).toBe('ok')
    expect(paths).toEqual([OAUTH, OPENID, '/jwks'])
  })

  it.each([
    ['I02 FX37 names another issuer', () => ({ ...good(), issuer: `${server.origin}/` })],
    ['FX39 has no jwks_uri', () => ({ issuer: server.origin })],
    [
      'I04 FX39 has a jwks_uri over plain http',
      () => ({ ...good(), jwks_uri: 'http://keys.example.com/jwks' }),
    ],
    ['I04 has a jwks_uri with a user name', () => ({ ...good(), jwks_uri: `http://a:b@127.0.0.1/jwks` })],
    ['I04 has a jwks_uri with a fragment', () => ({ ...good(), jwks_uri: `${server.origin}/jwks#a` })],
    ['has a jwks_uri of another type', () => ({ ...good(), jwks_uri: [`${server.origin}/jwks`] })],
  ])('does not use metadata that %s', async (_, members) => {
    respond = metadata(members())
    expect(await outcome(discovering(), one)).toBe('unavailable')
    expect(fetched()).toBe(0)
  })

  it('I05 FX40 tries again after failures, without end', async () => {
    const gate = discovering()
    for (let attempt = 0; attempt < 10; attempt += 1) {
      respond = fail(500)
      expect(await outcome(gate, one)).toBe('unavailable')
      pass(61)
    }
    respond = metadata(good())
    expect(await outcome(gate, one)).toBe('ok')
  })

  it('reads the metadata again where the keys are no longer where they were', async () => {
    respond = metadata(good())
    const gate = discovering()
    expect(await outcome(gate, one)).toBe('ok')
    const moved = { ...good(), jwks_uri: `${server.origin}/moved` }
    respond = (request, response) =>
      request.url === '/moved'
        ? publish(two)(request, response)
        : request.url === '/jwks'
          ? fail(410)(request, response)
          : json(moved)(request, response)
    expect(await outcome(gate, two)).toBe('unavailable')
    pass(61)
    expect(await outcome(gate, two)).toBe('ok')
    expect(paths).toEqual([OAUTH, '/jwks', '/jwks', OAUTH, '/moved'])
  })

  it('FX38 uses a jwks_uri of another origin', async () => {
    const keys = await listen((_, response) => void response.end(JSON.stringify({ keys: [one.jwk] })))
    respond = metadata({ ...good(), jwks_uri: `${keys.origin}/certs` })
    expect(await outcome(discovering(), one)).toBe('ok')
    await keys.close()
  })

  it('does not ask a server twice that cannot be reached', async () => {
    const urls: string[] = []
    const gate = createGate({
      issuer: 'https://down.example.com',
      audience: AUDIENCE,
      fetch: async (url) => {
        urls.push(url)
        throw new TypeError('fetch failed')
      },
    })
    expect(await outcome(gate, one, { iss: 'https://down.example.com' })).toBe('unavailable')
    expect(urls).toHaveLength(1)
  })
})

describe('a key set', () => {
  it('is fetched once for any number of concurrent requests', async () => {
    const gate = gateFor()
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => outcome(gate, one)))
    expect(new Set(outcomes)).toEqual(new Set(['ok']))
    expect(fetched()).toBe(1)
  })

  it('is refreshed in the background at 80 % ± 10 % of its time, and no good token waits', async () => {
    const gate = gateFor()
    await ask(gate, one)
    pass(419)
    await ask(gate, one)
    await settled()
    expect(fetched()).toBe(1)
    pass(121)
    respond = () => {}
    expect(await outcome(gate, one)).toBe('ok')
    await settled()
    expect(fetched()).toBe(2)
  })

  it.each([
    ['max-age=7200', 7200],
    ['public, max-age="7200"', 7200],
    ['max-age=5', 60],
    ['max-age=99999999', 86_400],
    ['no-store', 600],
    ['s-max-age=1', 600],
  ])('keeps to Cache-Control: %s as %d s', async (value, freshFor) => {
    respond = json({ keys: [one.jwk] }, { 'cache-control': value })
    const gate = gateFor()
    await ask(gate, one)
    pass(freshFor * 0.69)
    await ask(gate, one)
    await settled()
    expect(fetched()).toBe(1)
    pass(freshFor * 0.22)
    await ask(gate, one)
    await settled()
    expect(fetched()).toBe(2)
  })

  it.each([
    ['an array', (request: IncomingMessage, response: ServerResponse) => json([one.jwk])(request, response)],
    ['unusable keys only', json({ keys: [null, { kty: 'oct', k: 'AAAA' }] })],
  ])('I03 takes %s for a failure, and keeps the last good keys', async (_, bad) => {
    const gate = gateFor()
    expect(await outcome(gate, one)).toBe('ok')
    respond = bad
    pass(601)
    expect(await outcome(gate, one)).toBe('ok')
    await settled()
    expect(await outcome(gate, one)).toBe('ok')
    expect(paths).toEqual(['/jwks', '/jwks'])
    const cold = gateFor()
    expect(await outcome(cold, one)).toBe('unavailable')
  })

  it('FX22 gives up after the deadline, even if fetch does not', async () => {
    const gate = gateFor({ timeout: 0.05, fetch: () => new Promise(() => {}) })
    expect(await outcome(gate, one)).toBe('unavailable')
  })
})

describe('an operator', () => {
  it('may wait for the keys at the start, and is told why there are none', async () => {
    const gate = gateFor()
    await gate.ready()
    await gate.ready()
    expect(fetched()).toBe(1)
    expect(await outcome(gate, one)).toBe('ok')
    respond = fail(500)
    const cold = gateFor()
    await expect(cold.ready()).rejects.toMatchObject({ name: 'Unavailable', retryAfter: expect.any(Number) })
    await expect(cold.ready()).rejects.toThrow('cannot be had')
    expect(fetched()).toBe(2)
    respond = publish(one)
    pass(2)
    await cold.ready()
    expect(await outcome(cold, one)).toBe('ok')
  })

  it('may wait for keys that were given, and is told which of them is unusable', async () => {
    const given = (...keys: object[]) =>
      createGate({ issuer: server.origin, audience: AUDIENCE, keys: { keys: keys as never } })
    await given(one.jwk).ready()
    const offCurve = { ...two.jwk, x: two.jwk.y }
    await expect(given(one.jwk, offCurve).ready()).rejects.toThrow('at 1')
    for (const gate of [given(one.jwk, offCurve), given(offCurve, one.jwk)])
      expect(await outcome(gate, one)).toBe('ok')
    expect(await outcome(given(offCurve), two)).toBe('unavailable')
  })

  it('sees how a gate is set up, and what it holds, without a secret', async () => {
    const gate = gateFor({ cache: { max: 5 } })
    const { verifier } = gate.describe() as { verifier: object }
    expect(verifier).toMatchObject({
      kind: 'jwt',
      issuer: server.origin,
      audience: [AUDIENCE],
      profile: 'generic',
      keySet: { state: 'empty', keys: [], failures: 0, usableFor: 0 },
      cache: { max: 5, entries: 0 },
    })
    await ask(gate, one)
    pass(100)
    expect(gate.describe()).toMatchObject({
      realm: 'api',
      verifier: {
        keySet: {
          state: 'fresh',
          keys: [{ kid: 'one', algorithms: ['ES256'] }],
          age: 100,
          usableFor: 3500,
        },
        cache: { entries: 1 },
      },
    })
    pass(500)
    expect(gate.describe()).toMatchObject({ verifier: { keySet: { state: 'stale' } } })
    pass(3000)
    expect(gate.describe()).toMatchObject({ verifier: { keySet: { state: 'expired', usableFor: 0 } } })
    const given = createGate({ issuer: 'a', audience: 'b', keys: { keys: [one.jwk as never] } })
    expect(given.describe()).toMatchObject({ verifier: { keySet: { state: 'given' } } })
    expect(JSON.stringify(given.describe())).not.toContain(one.jwk.x)
    expect(
      createGate({ verifier: { verify: () => ({ active: false, reason: 'expired' }) } }).describe(),
    ).toEqual({
      realm: 'api',
      revocations: 0,
      verifier: {},
    })
  })

  it('may set a timeout that is no whole number of milliseconds', async () => {
    for (const timeout of [1.1, 2.3456789, 0.0515])
      expect(await outcome(gateFor({ timeout }), one)).toBe('ok')
  })
})

describe('rotation', () => {
  it('keeps cached results of a key that is still there after a refresh', async () => {
    const gate = gateFor({ cache: {} })
    const token = await one.sign({ iss: server.origin, iat: undefined, exp: Date.now() / 1000 + 600 })
    const repeated = () =>
      gate.authenticate(
        new Request('https://api.example.com', { headers: { authorization: `Bearer ${token}` } }),
      )
    await repeated()
    respond = publish(two, one)
    expect(await outcome(gate, two)).toBe('ok')
    expect(repeated()).not.toBeInstanceOf(Promise)
  })

  it('FX34 spends two fetches on unknown keys, and one more each 30 s', async () => {
    const gate = gateFor()
    await ask(gate, one)
    const forge = async (times: number) => {
      for (let index = 0; index < times; index += 1) {
        const forged = {
          ...two,
          sign: (claims?: Record<string, unknown>) => two.sign(claims, { kid: `forged${number++}` }),
        }
        const before = fetched()
        const answer = await outcome(gate, forged)
        expect(answer).toBe(fetched() > before ? 'unknown_key' : 'unavailable')
      }
    }
    await forge(40)
    expect(fetched()).toBe(3)
    pass(29)
    await forge(10)
    expect(fetched()).toBe(3)
    pass(2)
    await forge(10)
    expect(fetched()).toBe(4)
    pass(300)
    await forge(10)
    expect(fetched()).toBe(6)
  })
})
