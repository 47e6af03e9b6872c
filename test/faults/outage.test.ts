/** The issuer is gone, or answers with failures: good tokens pass as long as the last known good keys may serve. */

import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createKey, type TestKey } from '../support/issuer.ts'
import { listen } from '../support/server.ts'
import { AuthorizationServer, answers } from './authorization-server.ts'
import { observe, tokenOf } from './client.ts'
import { pass, settled, stoppedClock } from './clock.ts'

let key: TestKey
let server: AuthorizationServer

beforeAll(async () => {
  key = await createKey('ES256', 'one')
})
stoppedClock()
beforeEach(async () => {
  server = await AuthorizationServer.start(key)
})
afterEach(() => server.down())

describe('an endpoint that refuses connections', () => {
  it('FX01 is asked at most 7 times in 60 s at 500 requests a second, all answered 503, and recovery is seen', async () => {
    const { port } = new URL(server.origin)
    await server.down()
    const { ask, events } = observe(server)
    for (let second = 0; second < 60; second += 1)
      for (let step = 0; step < 10; step += 1) {
        // 50 requests at once, ten times a second.
        const outcomes = await Promise.all(Array.from({ length: 50 }, () => ask(key)))
        expect(new Set(outcomes)).toEqual(new Set(['unavailable']))
        pass(0.1)
      }
    expect(events.length).toBeLessThanOrEqual(7)
    expect(events.length).toBeGreaterThanOrEqual(5)
    expect(events.every(({ type }) => type === 'failed')).toBe(true)
    await server.up()
    expect(new URL(server.origin).port).toBe(port)
    pass(61)
    expect(await ask(key)).toBe('ok')
  })

  it('FX02 costs no good token its pass for 59 minutes', async () => {
    const { ask, events } = observe(server)
    expect(await ask(key)).toBe('ok')
    await server.down()
    for (let second = 0; second < 59 * 60; second += 20) {
      expect(await ask(key)).toBe('ok')
      pass(20)
    }
    expect(await ask(key)).toBe('ok')
    expect(events.filter(({ type }) => type === 'failed').length).toBeGreaterThan(10)
    await server.up()
  })

  it('FX03 leads to 503 alone within a second of the limit of 60 minutes, kept results included', async () => {
    const { ask, send, decide } = observe(server, { cache: {} })
    const kept = await tokenOf(key, server.origin, { exp: Date.now() / 1000 + 7200 })
    expect(await send(kept)).toBe('ok')
    await server.down()
    pass(3599)
    expect([await ask(key), await send(kept)]).toEqual(['ok', 'ok'])
    pass(2)
    for (let request = 0; request < 100; request += 1) {
      expect([await ask(key), await send(kept)]).toEqual(['unavailable', 'unavailable'])
      pass(1)
    }
    const decision = await decide(kept)
    if (decision.ok) throw new Error('passed')
    expect(Number(decision.headers['Retry-After'])).toBeGreaterThanOrEqual(1)
    await server.up()
    pass(61)
    expect([await ask(key), await send(kept)]).toEqual(['ok', 'ok'])
  })

  it('FX32 costs no good token its pass where the endpoint flaps each second for ten minutes', async () => {
    const { ask, events } = observe(server)
    for (let second = 0; second < 600; second += 1) {
      server.fault = second % 2 === 1 ? answers['FX05 500'] : undefined
      expect(await ask(key)).toBe('ok')
      pass(1)
    }
    expect(events.length).toBeGreaterThanOrEqual(2)
  })
})

describe('an endpoint that answers with a failure', () => {
  it.each(Object.entries(answers))('%s is a failure: the last good keys stay', async (_, fault) => {
    const warm = observe(server)
    expect(await warm.ask(key)).toBe('ok')
    server.fault = fault
    pass(541)
    expect(await warm.ask(key)).toBe('ok')
    await settled(() => warm.events.length === 2)
    expect(warm.events[1]).toMatchObject({ type: 'failed' })
    expect(await warm.ask(key)).toBe('ok')
    expect(warm.gate.describe()).toMatchObject({ verifier: { keySet: { state: 'stale', failures: 1 } } })
    const cold = observe(server)
    expect(await cold.ask(key)).toBe('unavailable')
  })

  it('FX06 is left alone for as long as Retry-After says, 60 s at most', async () => {
    server.fault = answers['FX06 429']
    const { ask, decide, events } = observe(server)
    expect(await ask(key)).toBe('unavailable')
    expect(events).toMatchObject([{ type: 'failed', retryAfter: 60, usableFor: 0 }])
    expect(await decide(await tokenOf(key, server.origin))).toMatchObject({
      headers: { 'Retry-After': '60' },
    })
    server.fault = undefined
    pass(59)
    expect(await ask(key)).toBe('unavailable')
    pass(1)
    expect(await ask(key)).toBe('ok')
    expect(server.fetches).toBe(2)
  })

  it.each([
    ['99999999999999999999', 60],
    ['Wed, 21 Oct 2099 07:28:00 GMT', 60],
    ['-5', 1],
    ['soon', 1],
    ['0', 1],
  ])('FX06 takes Retry-After: %s for %d s, give or take its own spacing', async (value, expected) => {
    server.fault = (response) => void response.writeHead(429, { 'retry-after': value }).end()
    const { ask, events } = observe(server)
    expect(await ask(key)).toBe('unavailable')
    const [event] = events
    if (event?.type !== 'failed') throw new Error('not failed')
    expect(event.retryAfter).toBeGreaterThan(expected * 0.7)
    expect(event.retryAfter).toBeLessThan(expected * 1.3)
  })

  it('FX06 understands Retry-After as a date', async () => {
    const date = new Date(Date.now() + 40_000).toUTCString()
    server.fault = (response) => void response.writeHead(503, { 'retry-after': date }).end()
    const { ask, events } = observe(server)
    await ask(key)
    expect(events).toMatchObject([{ retryAfter: 40 }])
  })

  it.each([301, 302, 303, 307, 308])('FX09 I04 is not followed to another port by %d', async (status) => {
    const paths: (string | undefined)[] = []
    const other = await listen((request, response) => {
      paths.push(request.url)
      response.end(JSON.stringify({ keys: [key.jwk] }))
    })
    server.fault = (response) => void response.writeHead(status, { location: `${other.origin}/jwks` }).end()
    const { ask, events } = observe(server)
    expect(await ask(key)).toBe('unavailable')
    expect(events).toHaveLength(1)
    expect(paths).toEqual([])
    await other.close()
  })

  it('FX18 FX19 is read up to 256 KiB, and no further', async () => {
    let written = 0
    server.fault = (response, _, request) => {
      request.socket.once('close', () => {
        written = request.socket.bytesWritten
      })
      answers['FX19 64 MiB'](response)
    }
    const { ask } = observe(server)
    expect(await ask(key)).toBe('unavailable')
    await settled(() => written > 0)
    // What the kernel buffers on both sides comes on top.
    expect(written).toBeLessThan(16 * 1_048_576)
  })
})

describe('connections', () => {
  it('FX04 are made anew for each fetch, and none is kept', async () => {
    const { ask } = observe(server)
    expect(await ask(key)).toBe('ok')
    await settled(() => server.openSockets === 0)
    pass(541)
    await ask(key)
    await settled(() => server.fetches === 2 && server.openSockets === 0)
    expect(server.connections).toBe(2)
  })

  it('FX04 follow the name of the issuer to its new address', async () => {
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
    const { ask, events } = observe({ origin }, { fetch })
    expect(await ask(key)).toBe('unavailable')
    address = '127.0.0.1'
    pass(2)
    expect(await ask(key)).toBe('ok')
    address = undefined
    pass(541)
    expect(await ask(key)).toBe('ok')
    await settled(() => events.length === 3)
    expect(await ask(key)).toBe('ok')
    address = '127.0.0.2'
    pass(61)
    expect(await ask(key)).toBe('ok')
    await settled(() => events.length === 4)
    expect(events[3]).toMatchObject({ type: 'failed' })
    address = '127.0.0.1'
    pass(61)
    expect(await ask(key)).toBe('ok')
    await settled(() => events.length === 5)
    expect(events[4]).toMatchObject({ type: 'refreshed' })
    await dispatcher.close()
  })
})
