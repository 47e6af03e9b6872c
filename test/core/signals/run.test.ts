/** Long polling: how a poller waits for tokens, for a transmitter that fails, and for its end. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { eventually, pass, pendingDeadlines, stopClock, time } from '../../support/clock.ts'
import { signEvent } from '../../support/event-token.ts'
import { createKey, ISSUER } from '../../support/issuer.ts'
import { isPending } from '../../support/pending.ts'
import { createPoller, createStore, type Store } from '../../support/poller.ts'
import { send, startTransmitter, type TestTransmitter } from '../../support/transmitter.ts'

const key = await createKey('ES256')

stopClock()
let transmitter: TestTransmitter
let store: Store
let abort: AbortController
/** When each poll arrived. In seconds. */
let arrivals: number[]

beforeEach(async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  transmitter = await startTransmitter()
  store = createStore()
  abort = new AbortController()
  arrivals = []
})
afterEach(async () => {
  abort.abort()
  await transmitter.close()
  vi.restoreAllMocks()
})

/** Deadlines that no wait of a test can be taken for. */
const DEADLINES = { timeout: 59.9, longPollTimeout: 299.9 }
const poller = (options = {}) =>
  createPoller(transmitter.endpoint, key, { gate: store, ...DEADLINES, ...options })
const ofSession = (name: string) =>
  signEvent(key, { jti: name, sub_id: { session: { format: 'opaque', id: name } } })
const revocation = (sessionId: string) => ({ sessionId, issuer: ISSUER })

/** Passes a wait that began, once it is exactly that long. */
async function passWait(seconds: number): Promise<void> {
  await eventually(() => pendingDeadlines().some((due) => Math.abs(due - seconds) < 1e-6))
  pass(seconds)
}

/** Makes the transmitter answer the same to each poll, and notes when they come, other than the last acknowledgement. */
function answer(body: unknown, status = 200, headers = {}): void {
  transmitter.reply = (poll, response) => {
    if (poll.body.maxEvents !== 0) arrivals.push(time())
    send(response, body, status, headers)
  }
}

describe('run', () => {
  it('receives a token as soon as the transmitter has it, and acknowledges it with the next poll (P04, P08)', async () => {
    const running = poller().run(abort.signal)
    await eventually(() => transmitter.waiting === 1)
    transmitter.add('a', await ofSession('a'))
    await eventually(() => transmitter.acknowledged.length === 1 && transmitter.waiting === 1)
    expect(store.revoked).toEqual([revocation('a')])
    expect(transmitter.polls.map(({ body }) => body)).toEqual([
      { maxEvents: 100, returnImmediately: false },
      { maxEvents: 100, returnImmediately: false, ack: ['a'] },
    ])
    abort.abort()
    await running
  })

  it('ends during a long poll, without a report', async () => {
    const one = poller()
    const running = one.run(abort.signal)
    await eventually(() => transmitter.waiting === 1)
    expect(await isPending(running)).toBe(true)
    abort.abort()
    await running
    await eventually(() => transmitter.waiting === 0)
    expect([one.rejected, transmitter.polls.length]).toEqual([[], 1])
  })

  it('sends nothing if the signal is aborted already', async () => {
    abort.abort()
    await poller().run(abort.signal)
    expect(transmitter.polls).toEqual([])
  })

  it('acknowledges what it stores while it ends, and nothing else (P04)', async () => {
    for (const name of ['a', 'b']) transmitter.add(name, await ofSession(name))
    let finish = () => {}
    store.before = ({ sessionId }) => {
      if (sessionId === 'b') throw new Error('down')
      return new Promise<void>((resolve) => (finish = resolve))
    }
    const one = poller()
    const running = one.run(abort.signal)
    await eventually(() => one.rejected.length === 1)
    abort.abort()
    expect(await isPending(running)).toBe(true)
    await eventually(() => {
      finish()
      return transmitter.polls.length === 2
    })
    await running
    expect(transmitter.polls[1]?.body).toEqual({ maxEvents: 0, returnImmediately: true, ack: ['a'] })
    expect([...transmitter.queue.keys()]).toEqual(['b'])
  })

  it('ends during a wait after a failure', async () => {
    answer('', 500)
    const running = poller().run(abort.signal)
    await eventually(() => pendingDeadlines().includes(1))
    abort.abort()
    await running
    expect(transmitter.polls).toHaveLength(1)
  })

  it('reports a last acknowledgement that fails, and ends', async () => {
    transmitter.add('a', await ofSession('a'))
    const one = poller()
    transmitter.replies.push(
      (_, response) => send(response, { sets: Object.fromEntries(transmitter.queue) }),
      () => abort.abort(),
      (_, response) => send(response, '', 500),
    )
    await one.run(abort.signal)
    expect(transmitter.polls.map(({ body }) => [body.maxEvents, body.ack])).toEqual([
      [100, undefined],
      [100, ['a']],
      [0, ['a']],
    ])
    expect(one.failures()).toEqual([`${transmitter.endpoint} answered 500`])
  })

  it.each([undefined, null, {}, true])('rejects with a TypeError if its argument is %o', async (signal) => {
    await expect(poller().run(signal as never)).rejects.toThrow(/"run" needs an AbortSignal/)
    await expect(poller().run(signal as never)).rejects.toThrow(TypeError)
  })
})

describe('the waits of run', () => {
  it('double after each failure, which operators see, and end with a success', async () => {
    answer('', 500)
    const one = poller()
    const running = one.run(abort.signal)
    for (const wait of [1, 2, 4]) await passWait(wait)
    await eventually(() => arrivals.length === 4)
    expect(arrivals).toEqual([0, 1, 3, 7])
    await eventually(() => one.rejected.length === 4)
    expect(new Set(one.failures())).toEqual(new Set([`${transmitter.endpoint} answered 500`]))
    transmitter.reply = undefined
    await passWait(8)
    await eventually(() => transmitter.waiting === 1)
    answer('', 500)
    transmitter.add('a', await ofSession('a'))
    // The backoff begins again.
    await passWait(1)
    await eventually(() => arrivals.length === 6)
    abort.abort()
    await running
    expect(arrivals.slice(4)).toEqual([15, 16])
  })

  it.each([
    ['30', 33.75],
    ['86400', 60],
    ['99999999999999999999', 60],
  ])('are as long as "Retry-After: %s" asks for, but at most 60 s', async (value, wait) => {
    answer('', 429, { 'retry-after': value })
    const running = poller().run(abort.signal)
    await passWait(wait)
    await eventually(() => arrivals.length === 2)
    expect(arrivals[1]).toBeCloseTo(wait, 6)
    abort.abort()
    await running
  })

  /** Polls until as many polls have arrived as are expected, and waits 5 s before each that is later than the one before. */
  async function expectArrivals(expected: readonly number[]): Promise<void> {
    const running = poller().run(abort.signal)
    for (let passed = 0; passed < (expected.at(-1) ?? 0); passed += 5) await passWait(5)
    await eventually(() => arrivals.length === expected.length)
    expect(arrivals).toEqual(expected)
    abort.abort()
    await running
  }

  it.each([
    ['sends no tokens', { sets: {} }],
    ['always has more tokens, but sends none', { sets: {}, moreAvailable: true }],
    ['sends the same wrong token again and again', { sets: { bad: 'x' }, moreAvailable: true }],
  ])('are 5 s if the transmitter answers at once and %s', async (_, body) => {
    answer(body)
    await expectArrivals([0, 5, 10, 15])
  })

  it('are 5 s if the transmitter sends ever new tokens that are rejected', async () => {
    transmitter.reply = (_, response) => {
      arrivals.push(time())
      send(response, { sets: { [`bad${arrivals.length}`]: 'x' }, moreAvailable: true })
    }
    await expectArrivals([0, 5, 10, 15])
  })

  it('are 5 s if the transmitter sends an accepted token again and again', async () => {
    answer({ sets: { a: await ofSession('a') }, moreAvailable: true })
    // The token is new once.
    await expectArrivals([0, 0, 5, 10])
  })

  it('are none if the transmitter has more new tokens, although others are rejected', async () => {
    for (const name of ['a', 'b', 'c']) {
      transmitter.add(name, await ofSession(name))
      transmitter.add(`bad-${name}`, 'x')
    }
    const running = poller({ maxEvents: 2 }).run(abort.signal)
    await eventually(() => transmitter.queue.size === 0)
    expect([time(), transmitter.acknowledged]).toEqual([0, ['a', 'b', 'c']])
    abort.abort()
    await running
  })

  it('are none before fewer tokens are asked for, if a response was too long to be read', async () => {
    const asked: unknown[] = []
    transmitter.reply = (poll, response) => {
      asked.push(poll.body.maxEvents)
      arrivals.push(time())
      send(response, { sets: { a: 'x'.repeat(300_000) } })
    }
    const one = poller({ maxEvents: 5 })
    const running = one.run(abort.signal)
    // With one token, it cannot ask for less, so that is a failure.
    await passWait(1)
    await eventually(() => asked.length === 4)
    expect([asked, arrivals]).toEqual([
      [5, 2, 1, 1],
      [0, 0, 0, 1],
    ])
    expect(one.failures()[0]).toMatch(/more than 262144 bytes$/)
    abort.abort()
    await running
  })

  it('are none if the transmitter waited for tokens', async () => {
    const held: (() => void)[] = []
    transmitter.reply = (_, response) => {
      arrivals.push(time())
      held.push(() => send(response, { sets: {} }))
    }
    const running = poller().run(abort.signal)
    for (let polls = 1; polls <= 3; polls += 1) {
      await eventually(() => held.length === polls)
      pass(30)
      held[polls - 1]?.()
    }
    await eventually(() => held.length === 4)
    expect(arrivals).toEqual([0, 30, 60, 90])
    abort.abort()
    await running
  })

  it('grow while no token can be stored', async () => {
    transmitter.add('a', await ofSession('a'))
    store.before = () => {
      arrivals.push(time())
      throw new Error('down')
    }
    const one = poller()
    const running = one.run(abort.signal)
    for (const wait of [5, 5, 5, 8]) await passWait(wait)
    await eventually(() => arrivals.length === 5)
    expect(arrivals).toEqual([0, 5, 10, 15, 23])
    store.before = () => {}
    await passWait(16)
    await eventually(() => transmitter.acknowledged.length === 1)
    abort.abort()
    await running
  })

  it('begin after "longPollTimeout" if the transmitter does not answer', async () => {
    const one = poller({ longPollTimeout: 20 })
    const running = one.run(abort.signal)
    await eventually(() => transmitter.waiting === 1)
    pass(20)
    await eventually(() => one.rejected.length === 1)
    expect(one.failures()).toEqual(['The transmitter did not answer in time'])
    await passWait(1)
    await eventually(() => transmitter.polls.length === 2)
    abort.abort()
    await running
  })
})
