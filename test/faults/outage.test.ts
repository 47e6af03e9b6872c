/** An issuer that is down or answers with failures. Good tokens are accepted as long as the last known keys may be used. */

import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eventually, pass, stopClock } from '../support/clock.ts'
import { createKey, type TestKey } from '../support/issuer.ts'
import { listen } from '../support/server.ts'
import { AuthorizationServer, answers, rows } from './authorization-server.ts'
import { tokenOf } from './client.ts'
import { fixJitter, setJitter, TICK, timeline } from './timeline.ts'

let key: TestKey
let server: AuthorizationServer

beforeAll(async () => {
  key = await createKey('ES256', 'one')
})
stopClock()
fixJitter()
beforeEach(async () => {
  server = await AuthorizationServer.start(key)
})
afterEach(() => server.down())

describe('the key set endpoint refuses connections', () => {
  it('makes 7 attempts in 60 s at 500 requests per second, answers 503 to all, and recovers (FX01)', async () => {
    // The shortest backoff that the jitter allows: 75 %.
    setJitter(0)
    const { port } = new URL(server.origin)
    await server.down()
    const { ask, send, events, moments } = timeline(server)
    for (let step = 0; step < 60 * 4; step += 1) {
      const token = await tokenOf(key, server.origin)
      const outcomes = await Promise.all(Array.from({ length: 125 }, () => send(token)))
      expect(new Set(outcomes)).toEqual(new Set(['unavailable']))
      pass(0.25)
    }
    expect(moments).toEqual([0, 0.75, 2.25, 5.25, 11.25, 23.25, 47.25])
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['failed']))
    await server.up()
    expect(new URL(server.origin).port).toBe(port)
    // The next attempt is due 36 s after the last one, and meets the open port.
    pass(47.25 + 36 - 60 - TICK)
    expect(await ask(key)).toBe('unavailable')
    expect(server.connections).toBe(0)
    pass(TICK)
    expect(await ask(key)).toBe('ok')
    expect(server.fetches).toBe(1)
  })

  it('accepts every good token for 59 minutes after the endpoint died (FX02)', async () => {
    const { ask, events, moments, settled } = timeline(server)
    expect(await ask(key)).toBe('ok')
    await server.down()
    for (let second = 0; second <= 59 * 60; second += 20) {
      expect(await ask(key)).toBe('ok')
      await settled()
      pass(20)
    }
    const everyMinute = Array.from({ length: 50 }, (_, minute) => 620 + minute * 60).filter((s) => s <= 3540)
    expect(moments).toEqual([0, 480, 500, 520, 540, 560, 580, ...everyMinute])
    expect(events.slice(1).every(({ type }) => type === 'failed')).toBe(true)
    await server.up()
  })

  it('answers 503 from 60 minutes after the last success on, also to cached tokens (FX03)', async () => {
    const { ask, send, decide, moments, settled } = timeline(server, { cache: {} })
    const cached = await tokenOf(key, server.origin, { exp: Date.now() / 1000 + 7200 })
    expect(await send(cached)).toBe('ok')
    await server.down()
    pass(3600 - TICK)
    expect([await ask(key), await send(cached)]).toEqual(['ok', 'ok'])
    await settled()
    pass(TICK)
    for (let request = 0; request < 100; request += 1) {
      expect([await ask(key), await send(cached)]).toEqual(['unavailable', 'unavailable'])
      pass(1)
    }
    expect(moments).toEqual([0, 3600 - TICK, 3601, 3603, 3607, 3615, 3631, 3663])
    expect(await decide(cached)).toMatchObject({ status: 503, headers: { 'Retry-After': '11' } })
    await server.up()
    pass(11)
    expect([await ask(key), await send(cached)]).toEqual(['ok', 'ok'])
  })

  it('accepts every good token while the endpoint fails every other second for ten minutes (FX32)', async () => {
    // With this jitter a refresh is due after 46.8 s, so that each one begins in an odd second and fails at first.
    setJitter(0.4)
    const { ask, events, moments, settled } = timeline(server, { cacheMaxAge: 60 })
    for (let second = 0; second < 600; second += 1) {
      server.fault = second % 2 === 1 ? answers['FX05 500'] : undefined
      expect(await ask(key)).toBe('ok')
      await settled()
      pass(1)
    }
    const cycles = Array.from({ length: 12 }, (_, index) => 48 * index)
    expect(moments).toEqual([0, ...cycles.flatMap((start) => [start + 47, start + 48])])
    expect(events.map(({ type }) => type)).toEqual([
      'refreshed',
      ...cycles.flatMap(() => ['failed', 'refreshed']),
    ])
  })
})

describe('the key set endpoint fails', () => {
  it.each(rows(answers))(
    'keeps the last good keys if the endpoint answers with %s (%s)',
    async (_what, _id, fault) => {
      const warm = timeline(server)
      expect(await warm.ask(key)).toBe('ok')
      server.fault = fault
      pass(480)
      expect(await warm.ask(key)).toBe('ok')
      await warm.settled()
      expect(warm.events).toMatchObject([{ type: 'refreshed' }, { type: 'failed' }])
      expect(await warm.ask(key)).toBe('ok')
      expect(warm.gate.describe()).toMatchObject({ verifier: { keySet: { state: 'stale', failures: 1 } } })
      const cold = timeline(server)
      expect(await cold.ask(key)).toBe('unavailable')
      expect(cold.events).toMatchObject([{ type: 'failed' }])
      // All of this takes no time: no deadline had to end it.
      expect([...warm.moments, ...cold.moments]).toEqual([0, 480, 480])
    },
  )

  it('makes no attempt for 60 s if the endpoint answers 429 with a longer Retry-After (FX06)', async () => {
    server.fault = answers['FX06 429']
    const { ask, decide, events } = timeline(server)
    expect(await ask(key)).toBe('unavailable')
    expect(events).toMatchObject([{ type: 'failed', retryAfter: 60, usableFor: 0 }])
    expect(await decide(await tokenOf(key, server.origin))).toMatchObject({
      headers: { 'Retry-After': '60' },
    })
    server.fault = undefined
    pass(60 - TICK)
    expect(await ask(key)).toBe('unavailable')
    expect(server.fetches).toBe(1)
    pass(TICK)
    expect(await ask(key)).toBe('ok')
    expect(server.fetches).toBe(2)
  })

  it.each([
    ['99999999999999999999', 60],
    ['Wed, 21 Oct 2099 07:28:00 GMT', 60],
    ['61', 60],
    ['60', 60],
    ['40', 45],
    ['Thu, 01 Jan 2026 00:00:40 GMT', 45],
    ['Wed, 31 Dec 2025 23:59:00 GMT', 1],
    ['2', 2.25],
    ['0', 1],
    ['-5', 1],
    ['soon', 1],
  ])(
    'turns Retry-After: %s into a wait of %d s: an eighth longer, up to 60 s, and never less than the backoff (FX06)',
    async (value, wait) => {
      server.fault = (response) => void response.writeHead(429, { 'retry-after': value }).end()
      const { ask, events } = timeline(server)
      expect(await ask(key)).toBe('unavailable')
      expect(events).toMatchObject([{ type: 'failed', retryAfter: wait }])
      server.fault = undefined
      pass(wait - TICK)
      expect(await ask(key)).toBe('unavailable')
      pass(TICK)
      expect(await ask(key)).toBe('ok')
    },
  )

  it.each([301, 302, 303, 307, 308])(
    'does not follow a redirect with %d to another port (FX09, I04)',
    async (status) => {
      const paths: (string | undefined)[] = []
      const other = await listen((request, response) => {
        paths.push(request.url)
        response.end(JSON.stringify({ keys: [key.jwk] }))
      })
      server.fault = (response) => void response.writeHead(status, { location: `${other.origin}/jwks` }).end()
      const { ask, events } = timeline(server)
      expect(await ask(key)).toBe('unavailable')
      expect(events).toMatchObject([{ type: 'failed' }])
      expect(paths).toEqual([])
      await other.close()
    },
  )

  it('closes the connection after 256 KiB of a longer answer (FX18, FX19)', async () => {
    let written = 0
    server.fault = (response, _, request) => {
      request.socket.once('close', () => {
        written = request.socket.bytesWritten
      })
      answers['FX19 64 MiB'](response)
    }
    const { ask } = timeline(server)
    expect(await ask(key)).toBe('unavailable')
    await eventually(() => written > 0)
    // The kernel buffers more on both sides.
    expect(written).toBeLessThan(16 * 1_048_576)
  })

  it('reads an answer of 262,144 bytes and rejects one of 262,145 (FX19)', async () => {
    const answerOf = (length: number) => {
      const body = JSON.stringify({ keys: [key.jwk], padding: '' })
      return body.replace('""', `"${'a'.repeat(length - body.length)}"`)
    }
    server.fault = (response) => void response.end(answerOf(262_144))
    expect(await timeline(server).ask(key)).toBe('ok')
    server.fault = (response) => void response.end(answerOf(262_145))
    expect(await timeline(server).ask(key)).toBe('unavailable')
  })
})

describe('connections', () => {
  it('opens a new connection for each fetch of keys and keeps none (FX04)', async () => {
    const { ask, settled } = timeline(server)
    expect(await ask(key)).toBe('ok')
    await eventually(() => server.openSockets === 0)
    pass(480)
    expect(await ask(key)).toBe('ok')
    await settled()
    await eventually(() => server.openSockets === 0)
    expect([server.fetches, server.connections]).toEqual([2, 2])
  })

  it('resolves the name of the issuer again for each fetch (FX04)', async () => {
    const { Agent, fetch: undici } = await import('undici')
    let address: string | undefined
    const dispatcher = new Agent({
      connect: {
        lookup: (_host, { all }, callback) => {
          if (address === undefined) return callback(new Error('ENOTFOUND'), '', 4)
          if (all) return callback(null, [{ address, family: 4 }])
          callback(null, address, 4)
        },
      },
    })
    const { port } = new URL(server.origin)
    const origin = `http://localhost:${port}`
    const fetch = ((url: string, init: object) => undici(url, { ...init, dispatcher })) as never
    const { ask, events, settled } = timeline({ origin }, { fetch })
    expect(await ask(key)).toBe('unavailable')
    address = '127.0.0.1'
    pass(1)
    expect(await ask(key)).toBe('ok')
    const refreshAfter = async (seconds: number) => {
      pass(seconds)
      expect(await ask(key)).toBe('ok')
      await settled()
      expect(await ask(key)).toBe('ok')
    }
    address = undefined
    await refreshAfter(480)
    address = '127.0.0.2'
    await refreshAfter(1)
    address = '127.0.0.1'
    await refreshAfter(2)
    expect(events.map(({ type }) => type)).toEqual(['failed', 'refreshed', 'failed', 'failed', 'refreshed'])
    expect(server.fetches).toBe(2)
    await dispatcher.close()
  })
})
