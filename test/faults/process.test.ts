/** Whole processes: clients that leave, gates that are closed, services that are stopped, killed and started again. */

import { request as httpRequest } from 'node:http'
import fc from 'fast-check'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { eventually } from '../support/clock.ts'
import { json, startIntrospector } from '../support/introspector.ts'
import { AUDIENCE, createKey, type TestKey } from '../support/issuer.ts'
import { startRelay } from '../support/relay.ts'
import { listen, send } from '../support/server.ts'
import { AuthorizationServer, answers, stalls } from './authorization-server.ts'
import { Service } from './child.ts'
import { observe, tokenOf } from './client.ts'

let key: TestKey
let server: AuthorizationServer

beforeAll(async () => {
  key = await createKey('ES256', 'one')
})
beforeEach(async () => {
  server = await AuthorizationServer.start(key)
})
afterEach(async () => {
  await Service.killLeft()
  await server.down()
})

const options = () => ({ issuer: server.origin, audience: AUDIENCE, jwksUri: server.jwksUri })
const bearer = (token: string) => ['authorization', `Bearer ${token}`]
const newHeaders = async (by = key) => bearer(await tokenOf(by, server.origin))

/** Keeps the key set back until the returned function is called. Requests after that are answered at once. */
function holdKeySet(): () => void {
  const held: (() => void)[] = []
  server.fault = (response, keySet) => void held.push(() => response.end(keySet))
  return () => {
    server.fault = undefined
    for (const release of held) release()
  }
}

/** Fails only if the service has never done it: generous, because other processes may occupy the machine. */
const fetched = (times: number) => eventually(() => server.fetches >= times)

describe('a client', () => {
  it('that leaves during the shared refresh does not end it for the others (FX55)', async () => {
    const release = holdKeySet()
    const service = await Service.start({ ...options(), stopped: true })
    const token = await tokenOf(key, server.origin)
    const leaving = httpRequest(service.origin, { headers: { authorization: `Bearer ${token}` } })
    leaving.on('error', () => {})
    leaving.end()
    await fetched(1)
    const staying = [0, 1, 2].map(async () => send(service.origin, { headers: await newHeaders() }))
    await eventually(() => service.requests.came === 4)
    leaving.destroy()
    await eventually(() => service.requests.left === 1)
    release()
    expect((await Promise.all(staying)).map(({ status }) => status)).toEqual([200, 200, 200])
    expect([server.fetches, service.keySets]).toEqual([1, ['refreshed']])
    expect(service.troubles).toEqual([])
    await service.close()
  })

  it('that aborts its Request does not cancel the refresh (FX55)', async () => {
    const release = holdKeySet()
    const { gate, send: ask } = observe(server)
    const abort = new AbortController()
    const token = await tokenOf(key, server.origin)
    const headers = { authorization: `Bearer ${token}` }
    const aborted = gate.authenticate(
      new Request('https://api.example.com', { headers, signal: abort.signal }),
    )
    const other = ask(await tokenOf(key, server.origin))
    await fetched(1)
    abort.abort()
    release()
    expect([(await aborted).ok, await other]).toEqual([true, 'ok'])
    expect(server.fetches).toBe(1)
  })
})

/** The channel of a process to its parent, and its output. */
const PIPES = ['PipeWrap', 'TTYWrap']
/** What the test itself, its runner and its server create and release all the time. Sockets are counted at the server. */
const OTHERS = ['TickObject', 'Immediate', 'TCPSocketWrap']
const count = (names: readonly string[], name: string) => names.filter((item) => item === name).length

describe('a gate after close()', () => {
  it('after close(), fetches nothing, uses the cached keys, and answers 503 to other tokens (FX59)', async () => {
    const { gate, ask, events } = observe(server)
    expect(await ask(key)).toBe('ok')
    gate.close()
    gate.close()
    expect(await ask(key)).toBe('ok')
    expect(await ask(await createKey('ES256', 'two'))).toBe('unavailable')
    expect(server.fetches).toBe(1)
    const never = observe(server)
    never.gate.close()
    expect(await never.ask(key)).toBe('unavailable')
    await expect(never.gate.ready()).rejects.toThrow('closed')
    expect([events.length, server.fetches]).toEqual([1, 1])
  })

  it('leaves no socket, timer or listener behind, a thousand times at any moment (FX59)', async () => {
    const seed = Number(process.env.BEARERGATE_SEED ?? Math.floor(Math.random() * 2 ** 31))
    /** In turns of the event loop. The first of all is closed before any answer, and the last one after its own. */
    const ANSWERED = 40
    const moments = [0, ...fc.sample(fc.integer({ min: 0, max: ANSWERED }), { numRuns: 998, seed }), ANSWERED]
    const token = await tokenOf(key, server.origin)
    const cycle = async (moment: number) => {
      const { gate, send: ask } = observe(server)
      const outcome = ask(token)
      if (moment === ANSWERED) await outcome
      else for (let turn = 0; turn < moment; turn += 1) await new Promise((go) => setImmediate(go))
      gate.close()
      return outcome
    }
    await cycle(0)
    const resources = () => process.getActiveResourcesInfo().filter((name) => !OTHERS.includes(name))
    const before = resources()
    const listeners = process.eventNames().map((name) => [name, process.listenerCount(name)])
    const outcomes = new Set<string>()
    for (let start = 0; start < moments.length; start += 50)
      for (const outcome of await Promise.all(moments.slice(start, start + 50).map(cycle)))
        outcomes.add(outcome)
    expect([...outcomes].sort(), `seed ${seed}`).toEqual(['ok', 'unavailable'])
    await vi.waitFor(
      () => {
        for (const name of new Set(resources()))
          expect(count(resources(), name), `${name}, seed ${seed}`).toBeLessThanOrEqual(count(before, name))
        // Node's fetch connects once more after an abort, and leaves that connection to the next one.
        expect(server.openSockets, `seed ${seed}`).toBeLessThanOrEqual(50)
      },
      { timeout: 30_000 },
    )
    expect(process.eventNames().map((name) => [name, process.listenerCount(name)])).toEqual(listeners)
  })

  it.each([
    ['before its first request', undefined, undefined],
    ['while keys are fetched', stalls['FX22 accepts and never answers'], 'pending'],
    ['while keys come byte by byte', stalls['FX24 sends one byte per second'], 'pending'],
    ['after keys were fetched', undefined, 'refreshed'],
    ['after a failure', answers['FX05 500'], 'failed'],
    ['after a body over the size limit', answers['FX19 64 MiB'], 'failed'],
  ])('a process exits by itself if its gate is closed %s (FX59)', async (_, fault, state) => {
    server.fault = fault
    // No deadline ends anything within this test: what goes on is ended by close(), or by nothing.
    const service = await Service.start({ ...options(), timeout: 60, deadline: 120 })
    const sent = state && send(service.origin, { headers: await newHeaders() }).catch(() => {})
    if (state !== undefined) await fetched(1)
    if (state === 'refreshed' || state === 'failed') {
      await eventually(() => service.keySets.length === 1)
      expect(service.keySets).toEqual([state])
    }
    const { resources, code } = await service.beginClose()
    expect(resources.filter((name) => !PIPES.includes(name))).toEqual([])
    expect([await code, service.troubles]).toEqual([0, []])
    await sent
  })
})

describe('a service', () => {
  it('that was killed under load answers 200 again after one fetch, and no 503 (FX60)', async () => {
    const port = await steadyPort()
    const first = await Service.start({ ...options(), port })
    const headers = await newHeaders()
    const ask = () =>
      send(`http://127.0.0.1:${port}`, { headers }).then(
        ({ status }) => status,
        () => 'refused' as const,
      )
    expect(await ask()).toBe(200)
    const outcomes: (number | 'refused')[] = []
    let isUnderLoad = true
    const clients = 8
    const load = Array.from({ length: clients }, async () => {
      while (isUnderLoad) {
        outcomes.push(await ask())
        await new Promise((go) => setTimeout(go, 5))
      }
    })
    const came = (outcome: number | 'refused', times: number) =>
      eventually(() => outcomes.filter((one) => one === outcome).length >= times)
    await came(200, 5 * clients)
    await first.kill()
    outcomes.length = 0
    await came('refused', clients)
    const second = await Service.start({ ...options(), port })
    await came(200, 5 * clients)
    isUnderLoad = false
    await Promise.all(load)
    expect(new Set(outcomes)).toEqual(new Set(['refused', 200]))
    // Each of the other clients may hear of a refusal from before the start only after the first 200.
    expect(outcomes.lastIndexOf('refused')).toBeLessThan(outcomes.indexOf(200) + clients)
    expect(server.fetches).toBe(2)
    expect(second.keySets).toEqual(['refreshed'])
    await second.close()
  })

  /** Returns a port that the system gives to nobody else while it is free: one below those of outgoing connections. */
  async function steadyPort(): Promise<number> {
    for (;;) {
      const port = 20_000 + Math.floor(Math.random() * 10_000)
      const probe = await listen(() => {}, port).catch(() => undefined)
      await probe?.close()
      if (probe !== undefined) return port
    }
  }

  describe('that was stopped and continues', () => {
    it('fetches again if its fetch timed out meanwhile, and every request is answered 200 (FX42)', async () => {
      const release = holdKeySet()
      const service = await Service.start({ ...options(), timeout: 1, stopped: true })
      const headers = await newHeaders()
      const during = send(service.origin, { headers })
      await fetched(1)
      await service.standStill(1.5, release)
      const after = send(service.origin, { headers })
      expect([(await during).status, (await after).status]).toEqual([200, 200])
      expect(service.keySets).toEqual(['refreshed'])
      await service.close()
    })

    it('cancels a fetch on a dead connection and begins another without waiting for the timeout (FX42)', async () => {
      const service = await Service.start({ ...options(), timeout: 1, stopped: true })
      const headers = await newHeaders()
      server.fault = stalls['FX22 accepts and never answers']
      const during = send(service.origin, { headers })
      await fetched(1)
      await service.standStill(1.5, () => {
        server.fault = undefined
      })
      expect((await during).status).toBe(200)
      expect((await send(service.origin, { headers })).status).toBe(200)
      expect([server.fetches, service.keySets]).toEqual([2, ['refreshed']])
      await service.close()
    })

    it('answers 401 to a token by a key that was removed meanwhile, if its keys are too old (FX42)', async () => {
      const service = await Service.start({ ...options(), cacheMaxAge: 60, staleIfError: 60, stopped: true })
      const headers = await newHeaders()
      expect((await send(service.origin, { headers })).status).toBe(200)
      const other = await createKey('ES256', 'two')
      await service.standStill(60, () => server.publish(other))
      const { status, challenges } = await send(service.origin, { headers })
      expect([status, challenges]).toEqual([401, [expect.stringContaining('error="invalid_token"')]])
      // One fetch because the keys were too old, and one because the key of the token was not among the new ones.
      expect(server.fetches).toBe(3)
      expect((await send(service.origin, { headers: await newHeaders(other) })).status).toBe(200)
      expect([server.fetches, service.keySets]).toEqual([3, Array(3).fill('refreshed')])
      await service.close()
    })

    it('answers 503 if its keys are too old and the issuer does not answer any more (FX42)', async () => {
      const service = await Service.start({
        ...options(),
        cacheMaxAge: 60,
        staleIfError: 60,
        timeout: 0.5,
        stopped: true,
      })
      const headers = await newHeaders()
      expect((await send(service.origin, { headers })).status).toBe(200)
      await service.standStill(60, () => {
        server.fault = stalls['FX22 accepts and never answers']
      })
      const answer = send(service.origin, { headers })
      await fetched(2)
      await service.pass(0.5)
      expect((await answer).status).toBe(503)
      expect([server.fetches, service.keySets]).toEqual([2, ['refreshed', 'failed']])
      await service.close()
    })

    it.each([
      ['were closed', 'closed'],
      ['were lost without a word', 'lost without a word'],
    ] as const)(
      'introspects on a new connection, as its two connections %s meanwhile (FX42)',
      async (_, fate) => {
        // Otherwise Node closes an idle connection after 4 s.
        const kept = { connection: 'keep-alive', 'keep-alive': 'timeout=600' }
        const introspector = await startIntrospector(json({ active: true, sub: 'emma' }, 200, kept))
        const between = await startRelay(Number(new URL(introspector.origin).port))
        const asked = {
          endpoint: `${between.origin}/introspect`,
          audience: null,
          clientId: 'api',
          clientSecret: 'secret',
        }
        const service = await Service.start({ asked, stopped: true })
        const ask = async (token: string) => (await send(service.origin, { headers: bearer(token) })).status
        expect(await Promise.all(['one', 'two'].map(ask))).toEqual([200, 200])
        await service.standStill(90, () => between.end(fate))
        expect(await ask('one')).toBe(200)
        expect([introspector.asked.length, between.lost]).toEqual([3, 0])
        await service.close()
        await between.close()
        await introspector.close()
      },
    )
  })
})
