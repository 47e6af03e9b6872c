/** The life of a key set: discovery, refresh, outage, rotation, unknown keys (RFC 7517 §5, RFC 8414). */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { createGate, type Decision, type Gate, type JwtSettings } from '@bearergate/core'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
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
    expect(metadataUrls('https://as.example.com/tenant1')).toEqual([
      'https://as.example.com/.well-known/oauth-authorization-server/tenant1',
      'https://as.example.com/tenant1/.well-known/openid-configuration',
    ])
    expect(metadataUrls('https://as.example.com/')).toEqual([
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

  it('FX36 E11 never fetches for an issuer that is not configured', async () => {
    const gate = discovering()
    for (let index = 0; index < 1000; index += 1)
      expect(await outcome(gate, one, { iss: `https://evil${index}.example.com` })).toBe('wrong_issuer')
    expect(paths).toEqual([])
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

  it('FX02 FX03 serves for 60 minutes after the last success, then answers 503', async () => {
    const gate = gateFor({ cache: {} })
    const token = await one.sign({ iss: server.origin, iat: undefined, exp: Date.now() / 1000 + 7200 })
    const repeated = async () => {
      const decision = await gate.authenticate(
        new Request('https://api.example.com', { headers: { authorization: `Bearer ${token}` } }),
      )
      return decision.ok ? 'ok' : decision.reason
    }
    expect(await repeated()).toBe('ok')
    respond = fail(503)
    for (let minute = 1; minute < 60; minute += 1) {
      pass(60)
      expect([await outcome(gate, one), await repeated()]).toEqual(['ok', 'ok'])
      await settled()
    }
    pass(61)
    expect([await outcome(gate, one), await repeated()]).toEqual(['unavailable', 'unavailable'])
    respond = publish(one)
    pass(61)
    expect([await outcome(gate, one), await repeated()]).toEqual(['ok', 'ok'])
  })

  it.each([
    ['FX05 500', fail(500)],
    ['FX07 404', fail(404)],
    ['FX08 204', fail(204)],
    ['FX09 I04 a redirect', fail(302, { location: '/elsewhere' })],
    ['FX10 HTML', (_: unknown, response: ServerResponse) => void response.end('<html>')],
    ['FX11 nothing', (_: unknown, response: ServerResponse) => void response.end()],
    ['FX12 {}', json({})],
    ['FX13 {"keys":{}}', json({ keys: {} })],
    ['FX14 {"keys":[]}', json({ keys: [] })],
    ['FX15 half of the JSON', (_: unknown, response: ServerResponse) => void response.end('{"keys":[')],
    [
      'FX16 a byte order mark',
      (_: unknown, response: ServerResponse) =>
        void response.end(`\ufeff${JSON.stringify({ keys: [one.jwk] })}`),
    ],
    ['FX26 a reset', (_: unknown, response: ServerResponse) => void response.destroy()],
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

  it('C18 C19 FX21 keeps the good keys of a set with odd ones', async () => {
    const odd = [
      null,
      7,
      {},
      { kty: 'XYZ' },
      { ...two.jwk, x: two.jwk.y },
      { kty: 'oct', k: 'AAAA' },
      { ...two.jwk, d: 'AQ' },
    ]
    respond = json({ keys: [...odd, one.jwk] })
    const gate = gateFor()
    expect(await outcome(gate, one)).toBe('ok')
    expect(await outcome(gate, two)).toBe('unknown_key')
  })

  it('FX19 reads no more than 256 KiB', async () => {
    respond = json({ keys: [one.jwk], padding: 'a'.repeat(262_144) })
    expect(await outcome(gateFor(), one)).toBe('unavailable')
  })

  it('FX20 uses 64 keys at most', async () => {
    respond = json({
      keys: [...Array.from({ length: 64 }, (_, index) => ({ ...two.jwk, kid: `k${index}` })), one.jwk],
    })
    expect(await outcome(gateFor(), one)).toBe('unknown_key')
  })

  it('FX22 gives up after the deadline, even if fetch does not', async () => {
    const gate = gateFor({ timeout: 0.05, fetch: () => new Promise(() => {}) })
    expect(await outcome(gate, one)).toBe('unavailable')
  })

  it.each([
    [
      'FX23 sends headers, then nothing',
      (response: ServerResponse) => void response.writeHead(200).flushHeaders(),
    ],
    [
      'FX25 stalls before its end',
      (response: ServerResponse) => void response.write(JSON.stringify({ keys: [one.jwk] }).slice(0, -1)),
    ],
    [
      'FX24 drips',
      (response: ServerResponse) => {
        const drip = setInterval(() => response.write(' '), 10)
        response.on('close', () => clearInterval(drip))
      },
    ],
  ])('gives up at the deadline where the server %s, and leaves no rejection behind', async (_, stall) => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    respond = (_request, response) => stall(response)
    const gate = gateFor({ timeout: 0.1 })
    const outcomes = await Promise.all([outcome(gate, one), outcome(gate, one)])
    expect(outcomes).toEqual(['unavailable', 'unavailable'])
    respond = publish(one)
    pass(61)
    expect(await outcome(gate, one)).toBe('ok')
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
  })

  it('FX01 spaces its attempts during an outage: at most seven in a minute', async () => {
    respond = fail(500)
    const gate = gateFor()
    for (let step = 0; step < 600; step += 1) {
      expect(await outcome(gate, one)).toBe('unavailable')
      pass(0.1)
    }
    expect(fetched()).toBeGreaterThan(4)
    expect(fetched()).toBeLessThanOrEqual(7)
  })

  it('FX06 heeds Retry-After, up to 60 s', async () => {
    respond = fail(429, { 'retry-after': '40' })
    const gate = gateFor()
    const decision = await ask(gate, one)
    expect(decision).toMatchObject({ ok: false, status: 503, headers: { 'Retry-After': '40' } })
    respond = publish(one)
    pass(39)
    expect(await outcome(gate, one)).toBe('unavailable')
    pass(2)
    expect(await outcome(gate, one)).toBe('ok')
    expect(fetched()).toBe(2)
  })
})

describe('rotation', () => {
  it('FX29 fetches the set again for a key that is new', async () => {
    const gate = gateFor()
    await ask(gate, one)
    respond = publish(two)
    expect(await outcome(gate, two)).toBe('ok')
    expect(fetched()).toBe(2)
  })

  it('FX30 stops accepting a key that was removed, results kept of it included', async () => {
    const gate = gateFor({ cache: {} })
    const token = await one.sign({ iss: server.origin, iat: undefined, exp: Date.now() / 1000 + 600 })
    const repeated = () =>
      gate.authenticate(
        new Request('https://api.example.com', { headers: { authorization: `Bearer ${token}` } }),
      )
    expect(await repeated()).toMatchObject({ ok: true })
    expect(repeated()).toMatchObject({ ok: true })
    respond = publish(two)
    expect(await outcome(gate, two)).toBe('ok')
    expect(await repeated()).toMatchObject({ ok: false, reason: 'unknown_key' })
  })

  it('FX31 accepts new material under the same kid after one refresh', async () => {
    const gate = gateFor()
    await ask(gate, one)
    const renewed = await createKey('ES256', 'one')
    respond = publish(renewed)
    expect(await outcome(gate, renewed)).toBe('ok')
    expect(await outcome(gate, one)).toBe('invalid_signature')
  })

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
        expect(await outcome(gate, forged)).toBe('unknown_key')
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
