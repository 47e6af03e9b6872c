/** Clocks that jump, and processes that stand still: lifetimes follow the monotonic clock, expiry the wall clock. */

import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createKey, type TestKey } from '../support/issuer.ts'
import { AuthorizationServer, stalls } from './authorization-server.ts'
import { observe, tokenOf } from './client.ts'
import { pass, settled, stoppedClock } from './clock.ts'

const MINUTE = 60
const DAY = 86_400

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

describe('a wall clock that jumps', () => {
  it.each([10 * MINUTE, -10 * MINUTE, DAY, -DAY, 365 * DAY])(
    'FX41 by %d s changes the life of no key',
    async (jump) => {
      let skew = 0
      const { ask, events, gate } = observe(server, { now: () => Date.now() + skew * 1000 })
      const asked = () => ask(key, { iat: undefined, exp: Math.floor(Date.now() / 1000) + skew + 600 })
      expect(await asked()).toBe('ok')
      skew = jump
      for (let step = 0; step < 10; step += 1) {
        expect(await asked()).toBe('ok')
        pass(40)
      }
      expect(events).toHaveLength(1)
      expect(gate.describe()).toMatchObject({
        verifier: { keySet: { state: 'fresh', age: 400, usableFor: 3200 } },
      })
      pass(150)
      expect(await asked()).toBe('ok')
      await settled(() => events.length === 2)
    },
  )

  it.each([
    [10 * MINUTE + 60, 'expired'],
    [-10 * MINUTE, 'issued_in_future'],
    [DAY, 'expired'],
    [-DAY, 'issued_in_future'],
  ])('FX41 by %d s decides whether a token is in its time: %s', async (jump, reason) => {
    let skew = 0
    const { send } = observe(server, { now: () => Date.now() + skew * 1000 })
    const token = await tokenOf(key, server.origin)
    expect(await send(token)).toBe('ok')
    skew = jump
    expect(await send(token)).toBe(reason)
    skew = 0
    expect(await send(token)).toBe('ok')
  })

  it('FX41 backwards keeps no result of the cache beyond its exp', async () => {
    let skew = 0
    const { send, events } = observe(server, { cache: { ttl: 100 }, now: () => Date.now() + skew * 1000 })
    const token = await tokenOf(key, server.origin, { iat: undefined })
    expect(await send(token)).toBe('ok')
    skew = -DAY
    pass(50)
    expect(await send(token)).toBe('ok')
    skew = 0
    pass(581)
    expect(await send(token)).toBe('expired')
    expect(events.length).toBeLessThanOrEqual(2)
  })
})

describe('a process that was frozen for 15 minutes', () => {
  it('FX42 serves with the keys it has, and refreshes them', async () => {
    const { ask, events } = observe(server)
    expect(await ask(key)).toBe('ok')
    pass(15 * MINUTE)
    expect(await ask(key)).toBe('ok')
    await settled(() => events.length === 2)
    expect(events[1]).toMatchObject({ type: 'refreshed', keys: 1, added: 0, removed: 0 })
  })

  it('FX42 uses no key set that is older than the limit', async () => {
    const { ask, events } = observe(server, { staleFor: 600 })
    expect(await ask(key)).toBe('ok')
    const other = await createKey('ES256', 'two')
    server.publish(other)
    pass(15 * MINUTE)
    expect(await ask(key)).toBe('unknown_key')
    expect(events[1]).toMatchObject({ type: 'refreshed', added: 1, removed: 1 })
    expect(await ask(other)).toBe('ok')
  })

  it('FX42 does not wait on a connection of before', async () => {
    const { ask, events } = observe(server, { timeout: 0.3 })
    expect(await ask(key)).toBe('ok')
    server.fault = stalls['FX22 accepts and never answers']
    pass(541)
    expect(await ask(key)).toBe('ok')
    await settled(() => server.fetches === 2)
    pass(15 * MINUTE)
    expect(await ask(key)).toBe('ok')
    await settled(() => events.length === 2)
    server.fault = undefined
    pass(2)
    expect(await ask(key)).toBe('ok')
    await settled(() => events.length === 3)
    expect(events.map(({ type }) => type)).toEqual(['refreshed', 'failed', 'refreshed'])
  })
})
