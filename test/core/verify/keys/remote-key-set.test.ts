/** The life cycle of a key set: discovery, refresh, outage, rotation, unknown keys (RFC 7517 §5, RFC 8414). */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { createGate, type Decision, type Gate, type JwksEvent, type JwtSettings } from '@bearergate/core'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { setClock } from '#core/lib/clock.ts'
import type { Issuer } from '#core/lib/url.ts'
import { metadataUrls } from '#core/verify/keys/discovery.ts'
import { eventually, pass, stopClock } from '../../../support/clock.ts'
import { AUDIENCE, createKey, type TestKey } from '../../../support/issuer.ts'
import { isPending } from '../../../support/pending.ts'
import { listen, type Running } from '../../../support/server.ts'

type Respond = (request: IncomingMessage, response: ServerResponse) => void

stopClock()
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
  begun = 0
  server = await listen((request, response) => {
    paths.push(request.url ?? '')
    respond(request, response)
  })
  respond = publish(one)
})
afterEach(() => server.close())

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
  const fetch: NonNullable<JwtSettings['fetch']> = (url, init) => {
    begun += 1
    return globalThis.fetch(url, init)
  }
  const jwksUri = `${issuer}/jwks`
  return createGate({ issuer, audience: AUDIENCE, jwksUri, cache: false, fetch, ...options })
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
/** How often the server was asked for the key set. Whoever waits for a decision has waited for that. */
const fetched = () => paths.filter((path) => path === '/jwks').length
/** How often a gate of this file has begun to fetch: also in the background, where nobody waits for it. */
let begun: number

describe('discovery', () => {
  it('tries the RFC 8414 location before the OpenID Connect one (RFC 8414 §3.1, I01)', () => {
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

  it('finds the keys by RFC 8414 metadata, which it fetches once', async () => {
    respond = metadata(good())
    const gate = discovering()
    expect(await outcome(gate, one)).toBe('ok')
    expect(await outcome(gate, one)).toBe('ok')
    expect(paths).toEqual([OAUTH, '/jwks'])
  })

  it('finds the keys by OpenID Connect Discovery if there is no RFC 8414 metadata', async () => {
    respond = metadata(good(), OPENID)
    expect(await outcome(discovering(), one)).toBe('ok')
    expect(paths).toEqual([OAUTH, OPENID, '/jwks'])
  })

  it.each([
    ['names another issuer (FX37, I02)', () => ({ ...good(), issuer: `${server.origin}/` })],
    ['has no jwks_uri (FX39)', () => ({ issuer: server.origin })],
    [
      'has a jwks_uri over plain http (FX39, I04)',
      () => ({ ...good(), jwks_uri: 'http://keys.example.com/jwks' }),
    ],
    ['has a jwks_uri with a user name (I04)', () => ({ ...good(), jwks_uri: `http://a:b@127.0.0.1/jwks` })],
    ['has a jwks_uri with a fragment (I04)', () => ({ ...good(), jwks_uri: `${server.origin}/jwks#a` })],
    ['has a jwks_uri of another type', () => ({ ...good(), jwks_uri: [`${server.origin}/jwks`] })],
  ])('answers 503 and fetches no keys if the metadata %s', async (_, members) => {
    respond = metadata(members())
    expect(await outcome(discovering(), one)).toBe('unavailable')
    expect(fetched()).toBe(0)
  })

  const faults: readonly (readonly [string, Respond])[] = [
    ['never answers', () => {}],
    ['sends headers, and no body', (_, response) => void response.writeHead(200).write('{')],
    ['drops the connection', (request) => void request.socket.destroy()],
    ['answers 500', fail(500)],
    ['names another issuer', json({ issuer: 'https://id.example.com', jwks_uri: 'https://id.example.com/' })],
  ]
  it.each(faults.flatMap(([what, fault]) => [OAUTH, OPENID].map((place) => [place, what, fault] as const)))(
    'finds the keys within the deadline if %s %s (FIELD26)',
    async (place, _, fault) => {
      respond = (request, response) => (request.url === place ? fault : metadata(good()))(request, response)
      const answer = outcome(discovering(), one)
      await eventually(() => paths.length > 0)
      pass(0.25)
      expect(await answer).toBe('ok')
      expect(paths.filter((path) => path === '/jwks')).toHaveLength(1)
    },
  )

  it('asks one place only while it answers within 0.25 s (FIELD26)', async () => {
    const held: (() => void)[] = []
    respond = (request, response) =>
      request.url === OAUTH
        ? void held.push(() => metadata(good())(request, response))
        : metadata(good())(request, response)
    const answer = outcome(discovering(), one)
    await eventually(() => held.length === 1)
    pass(0.2)
    held[0]?.()
    expect(await answer).toBe('ok')
    pass(5)
    expect(paths).toEqual([OAUTH, '/jwks'])
  })

  it('answers 503 at the deadline if neither place answers (FIELD26)', async () => {
    respond = () => {}
    const answer = outcome(discovering(), one)
    await eventually(() => paths.length === 1)
    pass(0.25)
    await eventually(() => paths.length === 2)
    pass(4.75)
    expect(await answer).toBe('unavailable')
    expect(paths).toEqual([OAUTH, OPENID])
  })

  it('succeeds after ten failures (FX40, I05)', async () => {
    const gate = discovering()
    for (let attempt = 0; attempt < 10; attempt += 1) {
      respond = fail(500)
      expect(await outcome(gate, one)).toBe('unavailable')
      pass(61)
    }
    respond = metadata(good())
    expect(await outcome(gate, one)).toBe('ok')
  })

  it('fetches the metadata again after the keys have moved', async () => {
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

  it('uses a jwks_uri of another origin (FX38)', async () => {
    const keys = await listen((_, response) => void response.end(JSON.stringify({ keys: [one.jwk] })))
    respond = metadata({ ...good(), jwks_uri: `${keys.origin}/certs` })
    expect(await outcome(discovering(), one)).toBe('ok')
    await keys.close()
  })

  it('tries each location once if the server is unreachable (FIELD26)', async () => {
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
    expect(urls).toEqual(metadataUrls('https://down.example.com' as Issuer))
  })
})

describe('a key set', () => {
  it('is fetched once for 100 concurrent requests', async () => {
    const gate = gateFor()
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => outcome(gate, one)))
    expect(new Set(outcomes)).toEqual(new Set(['ok']))
    expect(fetched()).toBe(1)
  })

  it.each([
    ['70 %', 0, 420],
    ['80 %', 0.5, 480],
    ['90 %', 1 - 2 ** -53, 540],
  ])(
    'is refreshed in the background after %s of its time at random, and no request waits',
    async (_, random, due) => {
      const chance = vi.spyOn(Math, 'random').mockReturnValue(random)
      const gate = gateFor()
      await gate.ready()
      chance.mockRestore()
      pass(due - 0.25)
      expect(await outcome(gate, one)).toBe('ok')
      expect(begun).toBe(1)
      respond = () => {}
      pass(0.25)
      expect(await outcome(gate, one)).toBe('ok')
      expect(await outcome(gate, one)).toBe('ok')
      expect(begun).toBe(2)
    },
  )

  it.each<[string, number, Record<string, string>]>([
    ['max-age=7200', 7200, {}],
    ['public, max-age="7200"', 7200, {}],
    ['max-age=5', 60, {}],
    ['max-age=99999999', 86_400, {}],
    ['no-store', 600, {}],
    ['s-max-age=1', 600, {}],
    // The time that the response spent in a shared cache (RFC 9111 §4.2.3, §5.1).
    ['max-age=86400', 100, { age: '86300' }],
    ['max-age=86400', 60, { age: '86399' }],
    ['max-age=86400', 60, { age: '999999999999' }],
    ['max-age=7200', 7200, { age: '0' }],
    ['max-age=7200', 3600, { age: '3600, 7000' }],
    ['max-age=99999999', 86_400, { age: '86300' }],
    ['max-age=7200', 7200, { age: '-3600' }],
    ['max-age=7200', 7200, { age: '3600.5' }],
    ['max-age=7200', 7200, { age: '3600 s' }],
    ['max-age=7200', 7200, { age: '' }],
    ['no-store', 600, { age: '500' }],
  ])('with Cache-Control: %s is fresh for %d s, with other fields %j', async (value, cacheMaxAge, fields) => {
    respond = json({ keys: [one.jwk] }, { 'cache-control': value, ...fields })
    const gate = gateFor()
    await gate.ready()
    pass(cacheMaxAge * 0.69)
    expect(await outcome(gate, one)).toBe('ok')
    expect(begun).toBe(1)
    pass(cacheMaxAge * 0.22)
    expect(await outcome(gate, one)).toBe('ok')
    expect(begun).toBe(2)
  })

  it.each([
    ['an array', (request: IncomingMessage, response: ServerResponse) => json([one.jwk])(request, response)],
    ['unusable keys only', json({ keys: [null, { kty: 'oct', k: 'AAAA' }] })],
  ])('that is %s counts as a failure, and the last good keys stay in use (I03)', async (_, bad) => {
    const events: JwksEvent[] = []
    const gate = gateFor({ onJwks: (event) => void events.push(event) })
    expect(await outcome(gate, one)).toBe('ok')
    respond = bad
    pass(601)
    expect(await outcome(gate, one)).toBe('ok')
    await eventually(() => events.length === 2)
    expect(events.map(({ type }) => type)).toEqual(['refreshed', 'failed'])
    expect(await outcome(gate, one)).toBe('ok')
    expect(paths).toEqual(['/jwks', '/jwks'])
    const cold = gateFor()
    expect(await outcome(cold, one)).toBe('unavailable')
  })

  it('without any kid verifies tokens without one (FIELD-HELD-16)', async () => {
    const unnamed = ({ jwk: { kid: _, ...jwk } }: TestKey) => jwk
    const withoutKid = (key: TestKey): TestKey => ({
      ...key,
      sign: (claims) => key.sign(claims, { kid: undefined }),
    })
    respond = json({ keys: [unnamed(one), unnamed(two)] })
    const gate = gateFor()
    for (const key of [one, two]) expect(await outcome(gate, withoutKid(key))).toBe('ok')
    expect(fetched()).toBe(1)
    expect(await outcome(gate, withoutKid(await createKey('ES256', 'three')))).toBe('invalid_signature')
  })

  it('with two keys under one kid verifies the tokens of both (FIELD-HELD-16)', async () => {
    const [es384, foreign] = await Promise.all([createKey('ES384', 'one'), createKey('ES256', 'one')])
    const renamed: TestKey = {
      ...two,
      jwk: { ...two.jwk, kid: 'one' },
      sign: (claims) => two.sign(claims, { kid: 'one' }),
    }
    respond = publish(one, renamed, es384)
    const gate = gateFor()
    for (const key of [one, renamed, es384, one]) expect(await outcome(gate, key)).toBe('ok')
    expect(fetched()).toBe(1)
    expect(await outcome(gate, foreign)).toBe('invalid_signature')
  })

  it('is given up after 5 s even if "fetch" ignores its signal, and the request is answered 503 (FX22)', async () => {
    const fetch = vi.fn(() => new Promise<never>(() => {}))
    const gate = gateFor({ fetch })
    const pending = outcome(gate, one)
    await eventually(() => fetch.mock.calls.length === 1)
    pass(4.75)
    expect(await isPending(pending)).toBe(true)
    pass(0.25)
    expect(await pending).toBe('unavailable')
  })
})

describe('an operator', () => {
  it('can await the keys with ready(), which rejects with the reason if there are none', async () => {
    const gate = gateFor()
    await gate.ready()
    await gate.ready()
    expect(fetched()).toBe(1)
    expect(await outcome(gate, one)).toBe('ok')
    respond = fail(500)
    const cold = gateFor()
    await expect(cold.ready()).rejects.toMatchObject({
      name: 'UnavailableError',
      retryAfter: expect.any(Number),
    })
    await expect(cold.ready()).rejects.toThrow(`Failed to fetch the JWKS of ${server.origin}`)
    expect(fetched()).toBe(2)
    respond = publish(one)
    pass(2)
    await cold.ready()
    expect(await outcome(cold, one)).toBe('ok')
  })

  it('can await configured keys with ready(), which rejects and says which of them is unusable', async () => {
    const given = (...keys: object[]) =>
      createGate({ issuer: server.origin, audience: AUDIENCE, keys: { keys: keys as never } })
    await given(one.jwk).ready()
    const offCurve = { ...two.jwk, x: two.jwk.y }
    await expect(given(one.jwk, offCurve).ready()).rejects.toThrow('at index 1')
    for (const gate of [given(one.jwk, offCurve), given(offCurve, one.jwk)])
      expect(await outcome(gate, one)).toBe('ok')
    expect(await outcome(given(offCurve), two)).toBe('unavailable')
  })

  it('sees the settings and the state of a gate in describe(), without a secret', async () => {
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

  it('can set a timeout that is not a whole number of milliseconds', async () => {
    // By the clock of the system, whose timers take whole milliseconds only.
    setClock()
    for (const timeout of [21.1, 32.3456789, 50.0515])
      expect(await outcome(gateFor({ timeout }), one)).toBe('ok')
  })
})

describe('rotation', () => {
  it('keeps cached results of a key that is still published after a refresh', async () => {
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

  it('allows two fetches for unknown keys, and one more per 30 s (FX34)', async () => {
    const gate = gateFor()
    await ask(gate, one)
    const forge = async (times: number) => {
      for (let index = 0; index < times; index += 1) {
        const forged = {
          ...two,
          sign: (claims?: Record<string, unknown>) =>
            two.sign({ ...claims, sub: 'stranger' }, { kid: `forged${number++}` }),
        }
        const before = fetched()
        const answer = await outcome(gate, forged)
        expect(answer).toBe(fetched() > before ? 'unknown_key' : 'unavailable')
      }
    }
    await forge(40)
    expect(fetched()).toBe(3)
    pass(29.75)
    await forge(10)
    expect(fetched()).toBe(3)
    pass(0.25)
    await forge(10)
    expect(fetched()).toBe(4)
    pass(300)
    await forge(10)
    expect(fetched()).toBe(6)
  })
})
