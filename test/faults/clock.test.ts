/** Wall clocks that jump and processes that stand still. Key lifetimes follow the monotonic clock, `exp` the wall clock. */

import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eventually, freeze, pass, setWallClock, stopClock } from '../support/clock.ts'
import { createKey, type TestKey } from '../support/issuer.ts'
import { AuthorizationServer, stalls } from './authorization-server.ts'
import { type ObserveOptions, tokenOf } from './client.ts'
import { fixJitter, TICK, timeline } from './timeline.ts'

const MINUTE = 60
const DAY = 86_400

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

interface WallClock {
  readonly options: ObserveOptions
  /** In milliseconds since the epoch. */
  now(): number
  /** Sets the clock forward or back, in seconds. */
  jump(seconds: number): void
}

/** The two clocks that a gate can compare tokens with. */
const wallClocks: [string, () => WallClock][] = [
  [
    'the system clock',
    () => ({
      options: {},
      now: () => Date.now(),
      jump: (seconds) => setWallClock(Date.now() + seconds * 1000),
    }),
  ],
  [
    'the clock of the "now" option',
    () => {
      let skew = 0
      const now = () => Date.now() + skew * 1000
      return {
        options: { now },
        now,
        jump: (seconds) => {
          skew += seconds
        },
      }
    },
  ],
]

describe.each(wallClocks)('%s', (_name, create) => {
  it.each([10 * MINUTE, -10 * MINUTE, DAY, -DAY, 365 * DAY])(
    'keeps the age and the refresh time of the keys when the clock jumps by %d s (FX41)',
    async (jump) => {
      const wall = create()
      const { ask, gate, moments, settled } = timeline(server, wall.options)
      const outcome = () => ask(key, { iat: undefined, exp: Math.floor(wall.now() / 1000) + 600 })
      expect(await outcome()).toBe('ok')
      wall.jump(jump)
      for (let step = 0; step < 10; step += 1) {
        expect(await outcome()).toBe('ok')
        pass(40)
      }
      expect(gate.describe()).toMatchObject({
        verifier: { keySet: { state: 'fresh', age: 400, usableFor: 3200 } },
      })
      pass(80 - TICK)
      expect(await outcome()).toBe('ok')
      await settled()
      expect(moments).toEqual([0])
      pass(TICK)
      expect(await outcome()).toBe('ok')
      await settled()
      expect(moments).toEqual([0, 480])
    },
  )

  it.each([
    [10 * MINUTE + 60, 'expired'],
    [-10 * MINUTE, 'issued_in_future'],
    [DAY, 'expired'],
    [-DAY, 'issued_in_future'],
  ])(
    'rejects a token when the clock jumps by %d s, as %s, until it jumps back (FX41)',
    async (jump, reason) => {
      const wall = create()
      const { send } = timeline(server, wall.options)
      const token = await tokenOf(key, server.origin)
      expect(await send(token)).toBe('ok')
      wall.jump(jump)
      expect(await send(token)).toBe(reason)
      wall.jump(-jump)
      expect(await send(token)).toBe('ok')
    },
  )

  it.each([100, 1000])(
    'uses no cached result past exp when the clock jumps back and forth, with a ttl of %d s (FX41)',
    async (ttl) => {
      const wall = create()
      const { send, moments, settled } = timeline(server, { cache: { ttl }, ...wall.options })
      const token = await tokenOf(key, server.origin, { iat: undefined })
      expect(await send(token)).toBe('ok')
      wall.jump(-DAY)
      pass(50)
      expect(await send(token)).toBe('ok')
      wall.jump(DAY)
      // `exp` is 600 s after the start, and the tolerance is 30 s.
      pass(580 - TICK)
      expect(await send(token)).toBe('ok')
      await settled()
      pass(TICK)
      expect(await send(token)).toBe('expired')
      expect(moments).toEqual([0, 630 - TICK])
    },
  )
})

describe('a process that was frozen for 15 minutes', () => {
  it('accepts a token at once after a freeze of 15 minutes, and refreshes the keys in the background (FX42)', async () => {
    const { ask, events, moments, settled } = timeline(server)
    expect(await ask(key)).toBe('ok')
    freeze(15 * MINUTE)
    expect(await ask(key)).toBe('ok')
    await settled()
    expect(events[1]).toMatchObject({ type: 'refreshed', keys: 1, added: 0, removed: 0 })
    expect(moments).toEqual([0, 900])
  })

  it('uses no key set that is older than "staleIfError" after a freeze (FX42)', async () => {
    const { ask, events, moments } = timeline(server, { staleIfError: 600 })
    expect(await ask(key)).toBe('ok')
    const other = await createKey('ES256', 'two')
    server.publish(other)
    freeze(15 * MINUTE)
    expect(await ask(key)).toBe('unknown_key')
    expect(events[1]).toMatchObject({ type: 'refreshed', added: 1, removed: 1 })
    expect(moments.slice(0, 2)).toEqual([0, 900])
    expect(await ask(other)).toBe('ok')
  })

  it.each(['request', 'deadline'] as const)(
    'does not wait for a connection from before a freeze if the %s is processed first (FX42)',
    async (first) => {
      const { ask, events, moments, settled } = timeline(server)
      expect(await ask(key)).toBe('ok')
      server.fault = stalls['FX22 accepts and never answers']
      pass(480)
      expect(await ask(key)).toBe('ok')
      await eventually(() => server.fetches === 2)
      freeze(15 * MINUTE)
      server.fault = undefined
      // The deadline of the old attempt is overdue. The new attempt needs no time and reports no failure.
      if (first === 'deadline') pass(0)
      expect(await ask(key)).toBe('ok')
      await settled()
      pass(0)
      await settled()
      expect(server.fetches).toBe(3)
      expect(events.map(({ type }) => type)).toEqual(['refreshed', 'refreshed'])
      expect(moments).toEqual([0, 480 + 900])
    },
  )

  it('accepts good tokens if the issuer hangs before and after a freeze, and recovers after one backoff (FX42)', async () => {
    const { ask, events, moments, settled } = timeline(server)
    expect(await ask(key)).toBe('ok')
    server.fault = stalls['FX22 accepts and never answers']
    pass(480)
    expect(await ask(key)).toBe('ok')
    await eventually(() => server.fetches === 2)
    freeze(15 * MINUTE)
    expect(await ask(key)).toBe('ok')
    await eventually(() => server.fetches === 3)
    pass(5)
    await settled()
    expect(await ask(key)).toBe('ok')
    server.fault = undefined
    pass(1)
    expect(await ask(key)).toBe('ok')
    await settled()
    expect(events.map(({ type }) => type)).toEqual(['refreshed', 'failed', 'refreshed'])
    expect(moments).toEqual([0, 1385, 1386])
  })
})
