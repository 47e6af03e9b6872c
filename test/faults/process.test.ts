/** Whole processes: clients that go away, gates that are closed, services that are stopped, killed and started again. */

import { request as httpRequest } from 'node:http'
import fc from 'fast-check'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { json, startIntrospector } from '../support/introspector.ts'
import { AUDIENCE, createKey, type TestKey } from '../support/issuer.ts'
import { send } from '../support/server.ts'
import { AuthorizationServer, answers, type Respond, stalls, startRelay } from './authorization-server.ts'
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

/** What the test itself, its runner and its server come and go with. The sockets are counted at the server. */
const OTHERS = ['TickObject', 'Immediate', 'TCPSocketWrap']
const count = (names: readonly string[], name: string) => names.filter((item) => item === name).length
const later =
  (milliseconds: number): Respond =>
  (response, keySet) =>
    void setTimeout(() => response.end(keySet), milliseconds)
const options = () => ({ issuer: server.origin, audience: AUDIENCE, jwksUri: server.jwksUri })
const bearer = (token: string) => ['authorization', `Bearer ${token}`]
const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

describe('a client', () => {
  it('FX55 that goes away during the shared refresh takes nobody with it', async () => {
    server.fault = later(300)
    const service = await Service.start(options())
    const token = await tokenOf(key, server.origin)
    const leaving = httpRequest(service.origin, { headers: { authorization: `Bearer ${token}` } })
    leaving.on('error', () => {})
    leaving.end()
    await wait(50)
    const staying = [0, 1, 2].map(async () =>
      send(service.origin, { headers: bearer(await tokenOf(key, server.origin)) }),
    )
    await wait(50)
    leaving.destroy()
    expect((await Promise.all(staying)).map(({ status }) => status)).toEqual([200, 200, 200])
    expect(server.fetches).toBe(1)
    expect(service.troubles).toEqual([])
    await service.close()
  })

  it('FX55 that aborts its Request cancels no refresh', async () => {
    server.fault = later(100)
    const { gate, send: ask } = observe(server)
    const abort = new AbortController()
    const token = await tokenOf(key, server.origin)
    const headers = { authorization: `Bearer ${token}` }
    const aborted = gate.authenticate(
      new Request('https://api.example.com', { headers, signal: abort.signal }),
    )
    const other = ask(await tokenOf(key, server.origin))
    abort.abort()
    expect([(await aborted).ok, await other]).toEqual([true, 'ok'])
    expect(server.fetches).toBe(1)
  })
})

describe('a gate that is closed', () => {
  it('FX59 fetches nothing any more, decides with what it has, and answers 503 to the rest', async () => {
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

  it('FX59 a thousand times, at any moment, leaves no socket, timer or listener behind', async () => {
    server.fault = later(3)
    const seed = Number(process.env.BEARERGATE_SEED ?? Math.floor(Math.random() * 2 ** 31))
    const moments = fc.sample(fc.integer({ min: 0, max: 150 }), { numRuns: 1000, seed })
    const token = await tokenOf(key, server.origin)
    const cycle = async (moment: number) => {
      const { gate, send: ask } = observe(server)
      const outcome = ask(token)
      if (moment > 0) await wait(moment)
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
    await wait(100)
    for (const name of new Set(resources()))
      expect(count(resources(), name), `${name}, seed ${seed}`).toBeLessThanOrEqual(count(before, name))
    expect(process.eventNames().map((name) => [name, process.listenerCount(name)])).toEqual(listeners)
    // Node's fetch connects once more after an abort: as many idle sockets as were aborted at once, never one per cycle.
    expect(server.openSockets, `seed ${seed}`).toBeLessThanOrEqual(50)
  })

  it.each([
    ['before its first request', undefined, false],
    ['while keys are fetched', stalls['FX22 accepts and never answers'], true],
    ['while keys drip in', stalls['FX24 sends one byte per second'], true],
    ['after keys were fetched', later(1), true],
    ['after a failure', answers['FX05 500'], true],
    ['after a body that is too long', answers['FX19 64 MiB'], true],
  ])('FX59 %s lets its process end within 100 ms', async (_, fault, asks) => {
    server.fault = fault
    const service = await Service.start(options())
    if (asks)
      void send(service.origin, { headers: bearer(await tokenOf(key, server.origin)) }).catch(() => {})
    await wait(250)
    const { elapsed, code } = await service.close()
    expect([code, service.troubles]).toEqual([0, []])
    expect(elapsed).toBeLessThan(100 + 150)
  })
})

describe('a service', () => {
  it('FX60 that was killed under load answers 503 at most until one fetch is done, once it is back', async () => {
    const first = await Service.start(options())
    const { port } = first
    const token = await tokenOf(key, server.origin)
    const ask = () =>
      send(`http://127.0.0.1:${port}`, { headers: bearer(token) }).then(
        ({ status }) => status,
        () => 'refused' as const,
      )
    expect(await ask()).toBe(200)
    const outcomes: (number | 'refused')[] = []
    let isUnderLoad = true
    const load = Array.from({ length: 8 }, async () => {
      while (isUnderLoad) {
        outcomes.push(await ask())
        await wait(5)
      }
    })
    await wait(200)
    await first.kill()
    outcomes.length = 0
    const second = await Service.start({ ...options(), port })
    await wait(500)
    isUnderLoad = false
    await Promise.all(load)
    expect(new Set(outcomes)).toEqual(new Set(['refused', 200]))
    expect(outcomes.lastIndexOf('refused')).toBeLessThan(outcomes.indexOf(200) + 8)
    expect(server.fetches).toBe(2)
    expect(second.keySets).toEqual(['refreshed'])
    await second.close()
  })

  describe('that stood still', () => {
    /** Of which 1.5 s are 90. */
    const speed = 60

    async function thawedAfter<T>(service: Service, meanwhile: () => T): Promise<number> {
      service.signal('SIGSTOP')
      meanwhile()
      await wait(1500)
      service.signal('SIGCONT')
      return performance.now()
    }

    it('FX42 fetches anew what it could not fetch while it stood still, and no request suffers', async () => {
      server.fault = later(300)
      const service = await Service.start({ ...options(), timeout: 1 })
      const headers = bearer(await tokenOf(key, server.origin))
      const during = send(service.origin, { headers })
      await wait(100)
      service.signal('SIGSTOP')
      await wait(1500)
      service.signal('SIGCONT')
      const thawed = performance.now()
      const after = send(service.origin, { headers })
      expect([(await during).status, (await after).status]).toEqual([200, 200])
      expect(performance.now() - thawed).toBeLessThan(1000)
      expect(service.keySets).toEqual(['refreshed'])
      await service.close()
    })

    it('FX42 accepts nothing by keys that were older than the limit meanwhile', async () => {
      const service = await Service.start({ ...options(), freshFor: 60, staleFor: 60, timeout: 1, speed })
      const headers = bearer(await tokenOf(key, server.origin))
      expect((await send(service.origin, { headers })).status).toBe(200)
      const other = await createKey('ES256', 'two')
      const thawed = await thawedAfter(service, () => server.publish(other))
      expect([401, 503]).toContain((await send(service.origin, { headers })).status)
      const others = bearer(await tokenOf(other, server.origin))
      expect((await send(service.origin, { headers: others })).status).toBe(200)
      expect(performance.now() - thawed).toBeLessThan(1000)
      await service.close()
    })

    it('FX42 answers 503 where the issuer went silent meanwhile', async () => {
      const service = await Service.start({ ...options(), freshFor: 60, staleFor: 60, timeout: 0.3, speed })
      const headers = bearer(await tokenOf(key, server.origin))
      expect((await send(service.origin, { headers })).status).toBe(200)
      const thawed = await thawedAfter(service, () => {
        server.fault = stalls['FX22 accepts and never answers']
      })
      expect((await send(service.origin, { headers })).status).toBe(503)
      expect(performance.now() - thawed).toBeLessThan(1000)
      await service.close()
    })

    it.each(['closed', 'lost without a word'] as const)(
      'FX42 introspects, though its connections were %s meanwhile',
      async (fate) => {
        const introspector = await startIntrospector(json({ active: true, sub: 'emma' }))
        const between = await startRelay(introspector.origin)
        const asked = {
          endpoint: `${between.origin}/introspect`,
          audience: null,
          clientId: 'api',
          clientSecret: 'secret',
        }
        const service = await Service.start({ asked, speed })
        const ask = async (token: string) => (await send(service.origin, { headers: bearer(token) })).status
        expect(await Promise.all(['one', 'two'].map(ask))).toEqual([200, 200])
        const thawed = await thawedAfter(service, () => between.end(fate))
        expect(await ask('one')).toBe(200)
        expect(performance.now() - thawed).toBeLessThan(2 * 500 + 500)
        expect(introspector.asked).toHaveLength(3)
        await service.close()
        await between.close()
        await introspector.close()
      },
    )
  })

  it('FX42 that stood still during a fetch gives it up, begins another, and waits for no dead socket', async () => {
    const service = await Service.start({ ...options(), timeout: 1 })
    const headers = bearer(await tokenOf(key, server.origin))
    server.fault = stalls['FX22 accepts and never answers']
    const during = send(service.origin, { headers })
    await wait(200)
    service.signal('SIGSTOP')
    await wait(1500)
    server.fault = undefined
    service.signal('SIGCONT')
    const thawed = performance.now()
    expect((await during).status).toBe(200)
    expect(performance.now() - thawed).toBeLessThan(1000)
    const start = performance.now()
    expect((await send(service.origin, { headers })).status).toBe(200)
    expect(performance.now() - start).toBeLessThan(1000)
    await service.close()
  })
})
