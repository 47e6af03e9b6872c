/** A slow issuer. Requests with a known key never wait for it, and requests with an unknown key wait 1.5 s at most. */

import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eventually, pass, stopClock } from '../support/clock.ts'
import { createKey, type TestKey } from '../support/issuer.ts'
import { AuthorizationServer, rows, stalls, startDeaf } from './authorization-server.ts'
import { type Begun, forgedToken, tokenOf, turns, withForgedSignature } from './client.ts'
import { fixJitter, TICK, type Timeline, timeline } from './timeline.ts'

let key: TestKey
let newKey: TestKey
let server: AuthorizationServer

beforeAll(async () => {
  ;[key, newKey] = await Promise.all([createKey('ES256', 'one'), createKey('ES256', 'two')])
})
stopClock()
fixJitter()
beforeEach(async () => {
  server = await AuthorizationServer.start(key)
})
afterEach(() => server.down())

const outcomes = (requests: readonly Begun[]) => requests.map(({ outcome }) => outcome)
const answers = (requests: readonly Begun[]) => Promise.all(requests.map(({ answered }) => answered))

/** Expects that good tokens are answered while no time passes at all. */
async function expectGoodTokens({ send }: Timeline): Promise<void> {
  const tokens = await Promise.all(Array.from({ length: 20 }, () => tokenOf(key, server.origin)))
  for (const token of tokens) expect(await send(token)).toBe('ok')
}

/** Expects the promised answers from an issuer that received a request and does not answer it. */
async function expectPatience(observed: Timeline, isReceived: () => boolean): Promise<void> {
  const unknown = [
    observed.begin(await tokenOf(newKey, server.origin)),
    observed.begin(forgedToken(server.origin, 'forged')),
  ]
  await eventually(isReceived)
  await expectGoodTokens(observed)
  pass(1.5 - TICK)
  await expectGoodTokens(observed)
  await turns()
  expect(outcomes(unknown)).toEqual([undefined, undefined])
  pass(TICK)
  expect(await answers(unknown)).toEqual(['unavailable', 'unavailable'])
  await expectGoodTokens(observed)
  // The fetch goes on without them until its own deadline.
  expect(observed.events).toHaveLength(1)
  pass(3.5)
  await observed.settled()
  expect(observed.events).toMatchObject([{ type: 'refreshed' }, { type: 'failed' }])
  expect(observed.moments).toEqual([0, 5])
}

describe('the key set endpoint stalls after the first fetch', () => {
  it.each(rows(stalls))(
    'answers good tokens at once and unknown keys with 503 after 1.5 s if the endpoint %s (%s)',
    async (_what, _id, stall) => {
      const observed = timeline(server)
      expect(await observed.ask(key)).toBe('ok')
      server.publish(key, newKey)
      server.fault = stall
      await expectPatience(observed, () => server.fetches === 2)
      expect(server.fetches).toBe(2)
    },
  )

  it('answers good tokens at once and unknown keys with 503 after 1.5 s if the host disappears (FX27)', async () => {
    const deaf = await startDeaf()
    let isGone = false
    const observed = timeline(server, {
      fetch: (url, init) => fetch(isGone ? url.replace(server.origin, deaf.origin) : url, init),
    })
    expect(await observed.ask(key)).toBe('ok')
    isGone = true
    await expectPatience(observed, () => deaf.connections === 1)
    expect(deaf.connections).toBe(1)
    await deaf.close()
  })

  it.each(rows(stalls))(
    'answers good tokens at once during a background refresh if the endpoint %s (%s)',
    async (_what, _id, stall) => {
      const observed = timeline(server)
      expect(await observed.ask(key)).toBe('ok')
      server.fault = stall
      pass(480)
      await expectGoodTokens(observed)
      await eventually(() => server.fetches === 2)
      pass(5 - TICK)
      await expectGoodTokens(observed)
      expect(observed.events).toHaveLength(1)
      pass(TICK)
      await observed.settled()
      expect(observed.moments).toEqual([0, 485])
      await expectGoodTokens(observed)
      expect(server.fetches).toBe(2)
    },
  )

  it('answers 401 invalid_signature after 1.5 s for a known key with a wrong signature (FX22, FX31)', async () => {
    const { ask, begin } = timeline(server)
    expect(await ask(key)).toBe('ok')
    server.fault = stalls['FX22 accepts and never answers']
    const request = begin(withForgedSignature(await tokenOf(key, server.origin)))
    await eventually(() => server.fetches === 2)
    pass(1.5 - TICK)
    await turns()
    expect(request.outcome).toBe(undefined)
    pass(TICK)
    expect(await request.answered).toBe('invalid_signature')
  })

  it('counts two fetches in a row as one wait of 1.5 s for an unknown key (FX22)', async () => {
    const { ask, begin } = timeline(server)
    expect(await ask(key)).toBe('ok')
    let release = () => {}
    server.fault = (response, keySet) => {
      release = () => response.end(keySet)
    }
    pass(480)
    // The first fetch began before the token came, so its answer may be too old for the key.
    expect(await ask(key)).toBe('ok')
    await eventually(() => server.fetches === 2)
    const request = begin(await tokenOf(newKey, server.origin))
    await turns()
    pass(1)
    server.fault = stalls['FX22 accepts and never answers']
    release()
    await eventually(() => server.fetches === 3)
    pass(0.5 - TICK)
    await turns()
    expect(request.outcome).toBe(undefined)
    pass(TICK)
    expect(await request.answered).toBe('unavailable')
  })

  it('lets 1,000 requests with unknown keys wait and answers 503 to further ones at once (FX22)', async () => {
    const observed = timeline(server)
    await observed.ask(key)
    server.fault = stalls['FX22 accepts and never answers']
    const requests = Array.from({ length: 1500 }, (_, index) =>
      observed.begin(forgedToken(server.origin, `forged${index}`)),
    )
    const answered = () => outcomes(requests).filter((outcome) => outcome === 'unavailable').length
    await eventually(() => server.fetches === 2 && answered() >= 500)
    await turns()
    expect(answered()).toBe(500)
    await expectGoodTokens(observed)
    pass(1.5 - TICK)
    await turns()
    expect(answered()).toBe(500)
    pass(TICK)
    expect(new Set(await answers(requests))).toEqual(new Set(['unavailable']))
    expect(server.fetches).toBe(2)
    // All of them have left: others may wait again.
    const later = observed.begin(forgedToken(server.origin, 'later'))
    await turns()
    expect(later.outcome).toBe(undefined)
    pass(1.5)
    expect(await later.answered).toBe('unavailable')
  })
})

describe('the key set endpoint is slow at the first fetch', () => {
  it.each(rows(stalls))(
    'answers 503 after the default timeout of 5 s if, at the first fetch, the endpoint %s (%s)',
    async (_what, _id, stall) => {
      server.fault = stall
      const observed = timeline(server)
      await expectDeadline(observed, 5)
    },
  )

  it.each([0.25, 9])(
    'answers 503 after a "timeout" of %d s if the endpoint never answers (FX22)',
    async (timeout) => {
      server.fault = stalls['FX22 accepts and never answers']
      await expectDeadline(timeline(server, { timeout }), timeout)
    },
  )

  async function expectDeadline(observed: Timeline, seconds: number): Promise<void> {
    const token = await tokenOf(key, server.origin)
    const requests = [observed.begin(token), observed.begin(token), observed.begin(token)]
    await eventually(() => server.fetches === 1)
    pass(seconds - TICK)
    await turns()
    expect(outcomes(requests)).toEqual([undefined, undefined, undefined])
    pass(TICK)
    expect(await answers(requests)).toEqual(['unavailable', 'unavailable', 'unavailable'])
    const [event] = observed.events
    if (event?.type !== 'failed') throw new Error('The fetch did not fail')
    expect(String(event.cause)).toContain('in time')
    expect(event).toMatchObject({ retryAfter: 1, usableFor: 0 })
    expect(observed.moments).toEqual([seconds])
    expect(server.fetches).toBe(1)
  }

  it('answers 10,000 waiting requests from one fetch', async () => {
    let release = () => {}
    server.fault = (response, keySet) => {
      release = () => response.end(keySet)
    }
    const { begin, moments } = timeline(server, { timeout: 8 })
    const token = await tokenOf(key, server.origin)
    const requests = Array.from({ length: 10_000 }, () => begin(token))
    await eventually(() => server.fetches === 1)
    pass(8 - TICK)
    await turns()
    expect(new Set(outcomes(requests))).toEqual(new Set([undefined]))
    release()
    expect(new Set(await answers(requests))).toEqual(new Set(['ok']))
    expect(moments).toEqual([8 - TICK])
    expect(server.fetches).toBe(1)
  })

  it('lets 20,000 requests wait for the first key set and answers 503 to further ones at once', async () => {
    server.fault = stalls['FX22 accepts and never answers']
    const { begin } = timeline(server)
    const token = await tokenOf(key, server.origin)
    const requests = Array.from({ length: 20_003 }, () => begin(token))
    const answered = () => outcomes(requests).filter((outcome) => outcome === 'unavailable').length
    await eventually(() => server.fetches === 1 && answered() >= 3)
    await turns()
    expect(answered()).toBe(3)
    pass(5)
    expect(new Set(await answers(requests))).toEqual(new Set(['unavailable']))
    expect(server.fetches).toBe(1)
  })
})
