/** The issuer takes its time: no good token waits for it, and an unknown key waits 1.5 s at most. */

import { describe, expect, it } from 'vitest'
import { createKey, type TestKey } from '../support/issuer.ts'
import { AuthorizationServer, type Respond, stalls, startDeaf } from './authorization-server.ts'
import { forgedToken, observe, tokenOf } from './client.ts'

/** The promised bound, and what timers and a busy machine may add. */
const BOUND = 1500
const SLACK = 700

async function timed<T>(work: Promise<T>): Promise<[T, number]> {
  const start = performance.now()
  const result = await work
  return [result, performance.now() - start]
}

async function expectPatience(
  observed: ReturnType<typeof observe>,
  key: TestKey,
  newKey: TestKey,
  origin: string,
): Promise<void> {
  const newToken = await tokenOf(newKey, origin)
  const tokens = await Promise.all(Array.from({ length: 20 }, () => tokenOf(key, origin)))
  let isWaiting = true
  const unknown = timed(observed.send(newToken)).finally(() => {
    isWaiting = false
  })
  const forged = timed(observed.send(forgedToken(origin, 'forged')))
  for (const token of tokens) expect(await observed.send(token)).toBe('ok')
  expect(isWaiting).toBe(true)
  for (const [outcome, elapsed] of [await unknown, await forged]) {
    expect(outcome).toBe('unavailable')
    expect(elapsed).toBeGreaterThan(BOUND - 100)
    expect(elapsed).toBeLessThan(BOUND + SLACK)
  }
}

describe('an endpoint that', () => {
  it.concurrent.each(Object.entries(stalls) as [string, Respond][])(
    '%s holds up no good token, and an unknown key for 1.5 s',
    async (_, stall) => {
      const [key, newKey] = await Promise.all([createKey('ES256', 'one'), createKey('ES256', 'two')])
      const server = await AuthorizationServer.start(key)
      const observed = observe(server)
      expect(await observed.ask(key)).toBe('ok')
      server.publish(key, newKey)
      server.fault = stall
      await expectPatience(observed, key, newKey, server.origin)
      expect(server.fetches).toBe(2)
      observed.gate.close()
      await server.down()
    },
  )

  it.concurrent('FX27 went away without a word holds up no good token, and an unknown key for 1.5 s', async () => {
    const [key, newKey] = await Promise.all([createKey('ES256', 'one'), createKey('ES256', 'two')])
    const server = await AuthorizationServer.start(key)
    const deaf = await startDeaf()
    let isGone = false
    const observed = observe(server, {
      fetch: (url, init) => fetch(isGone ? url.replace(server.origin, deaf.origin) : url, init),
    })
    expect(await observed.ask(key)).toBe('ok')
    isGone = true
    await expectPatience(observed, key, newKey, server.origin)
    observed.gate.close()
    await Promise.all([server.down(), deaf.close()])
  })

  it.concurrent.each(Object.entries(stalls) as [string, Respond][])(
    '%s is given up at the deadline where there are no keys yet',
    async (_, stall) => {
      const key = await createKey('ES256', 'one')
      const server = await AuthorizationServer.start(key)
      server.fault = stall
      const { ask, events, gate } = observe(server, { timeout: 0.35 })
      const [outcomes, elapsed] = await timed(Promise.all([ask(key), ask(key), ask(key)]))
      expect(new Set(outcomes)).toEqual(new Set(['unavailable']))
      expect(elapsed).toBeLessThan(350 + SLACK)
      expect(events).toMatchObject([{ type: 'failed' }])
      expect(String(events[0]?.type === 'failed' && events[0].cause)).toContain('in time')
      gate.close()
      await server.down()
    },
  )

  it.concurrent('answers after a while makes every request wait for the one fetch, 10,000 of them as well', async () => {
    const key = await createKey('ES256', 'one')
    const server = await AuthorizationServer.start(key)
    server.fault = (response, keySet) => void setTimeout(() => response.end(keySet), 100)
    const { send } = observe(server, { timeout: 10 })
    const token = await tokenOf(key, server.origin)
    const outcomes = await Promise.all(Array.from({ length: 10_000 }, () => send(token)))
    expect(new Set(outcomes)).toEqual(new Set(['ok']))
    expect(server.fetches).toBe(1)
    await server.down()
  })

  it.concurrent('hangs has 1,000 requests with unknown keys wait, and no more', async () => {
    const key = await createKey('ES256', 'one')
    const server = await AuthorizationServer.start(key)
    const { ask, send, gate } = observe(server)
    await ask(key)
    server.fault = stalls['FX22 accepts and never answers']
    let atOnce = 0
    const waiting = Array.from({ length: 1500 }, (_, index) =>
      send(forgedToken(server.origin, `forged${index}`)).then(() => {
        atOnce += 1
      }),
    )
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(atOnce).toBe(500)
    await Promise.all(waiting)
    expect(server.fetches).toBe(2)
    gate.close()
    await server.down()
  })
})
