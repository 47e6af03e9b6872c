/** The semaphore and time: which calls wait, which are refused at once, and how long a place is kept. */

import { UnavailableError } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { type Place, Semaphore } from '#core/net/semaphore.ts'
import { pass, stopClock, time } from '../../support/clock.ts'

stopClock()

const settle = () => new Promise((resolve) => setImmediate(resolve))

/** Calls that end by hand or by the deadline of the caller, 3 s after it arrived. */
function calls(concurrency: number, { queue = 1_000, timeout = 3 } = {}) {
  const semaphore = new Semaphore({ concurrency, queue, timeout, full: 'Too many calls are waiting' })
  const pending = new Map<string, { readonly end: () => void; readonly place: Place }>()
  const deadlines: { readonly due: number; readonly abort: AbortController }[] = []
  const started: string[] = []
  const refused: string[] = []
  const late: string[] = []
  function enter(name: string, known = false): void {
    const abort = new AbortController()
    deadlines.push({ due: time() + timeout, abort })
    const call = (place: Place) => {
      started.push(name)
      return new Promise<void>((resolve, reject) => {
        pending.set(name, { end: resolve, place })
        abort.signal.addEventListener('abort', () => reject(abort.signal.reason))
      })
    }
    const failed = (cause: unknown) => (cause instanceof UnavailableError ? refused : late).push(name)
    try {
      Promise.resolve(semaphore.run(call, { known, signal: abort.signal })).catch(failed)
    } catch (cause) {
      failed(cause)
    }
  }
  async function end(...names: string[]): Promise<void> {
    for (const name of names) pending.get(name)?.end()
    await settle()
  }
  async function wait(seconds: number): Promise<void> {
    pass(seconds)
    for (const { due, abort } of deadlines) if (due <= time()) abort.abort('late')
    await settle()
  }
  return {
    semaphore,
    started,
    refused,
    late,
    enter,
    end,
    wait,
    placeOf: (name: string) => pending.get(name)?.place,
  }
}

const names = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`)

describe('a waiting call', () => {
  it('is not started, and is rejected, if less time is left than recent calls took (ATK16)', async () => {
    const { started, refused, late, enter, end, wait } = calls(1)
    enter('first')
    await wait(1)
    await end('first')
    enter('second')
    enter('third')
    await wait(2.5)
    await end('second')
    expect([started, refused, late]).toEqual([['first', 'second'], ['third'], []])
  })

  it('is started if as much time is left as recent calls took, and a margin (ATK16)', async () => {
    const { started, refused, enter, end, wait } = calls(1)
    enter('first')
    await wait(1)
    await end('first')
    enter('second')
    await wait(0.25)
    enter('third')
    await wait(1)
    await end('second')
    expect([started, refused]).toEqual([['first', 'second', 'third'], []])
  })

  it('leaves its turn to a later one that has enough time (ATK16)', async () => {
    const { started, refused, enter, end, wait } = calls(1)
    enter('first')
    await wait(0.5)
    await end('first')
    enter('known0', true)
    enter('early')
    for (let turn = 1; turn <= 5; turn += 1) {
      if (turn === 5) enter('later')
      else enter(`known${turn}`, true)
      await wait(0.5)
      await end(`known${turn - 1}`)
    }
    expect([started, refused]).toEqual([['first', ...names('known', 5), 'later'], ['early']])
  })

  it('is rejected as soon as another one arrives, if it cannot end in time any more (ATK16)', async () => {
    const { refused, enter, end, wait } = calls(1)
    enter('first', true)
    await wait(1)
    await end('first')
    enter('second', true)
    enter('third', true)
    await wait(2)
    expect(refused).toEqual([])
    enter('fourth', true)
    await settle()
    expect(refused).toEqual(['third'])
  })

  it('counts cancelled calls as slow ones, so that no further call starts in vain (ATK16)', async () => {
    const { started, refused, late, enter, end, wait } = calls(1)
    enter('quick')
    await wait(0.25)
    await end('quick')
    enter('hangs')
    await wait(1)
    enter('waits')
    await wait(2)
    expect([started, refused, late]).toEqual([['quick', 'hangs'], ['waits'], ['hangs']])
  })

  it('waits again if no call has ended for 10 s, because the server may have recovered', async () => {
    const { started, enter, end, wait } = calls(1)
    enter('hangs')
    await wait(3)
    await wait(10)
    enter('second')
    enter('third')
    await end('second')
    expect(started).toEqual(['hangs', 'second', 'third'])
  })
})

describe('an arrival', () => {
  it('is rejected at once if those ahead of it take too long, though the queue has room (ATK16)', async () => {
    const { semaphore, refused, enter, end, wait } = calls(4)
    // Three places for unknown callers, and 0.25 s each.
    for (const name of names('first', 3)) enter(name)
    await wait(0.25)
    await end(...names('first', 3))
    for (const name of names('running', 3)) enter(name)
    for (const name of names('waiting', 100)) enter(name)
    await settle()
    // The last one waits ten times 0.25 s. Its own call needs 0.28125 s with the margin, and there are 3 s for both.
    expect(semaphore).toMatchObject({ running: 3, waiting: 30 })
    expect(refused).toEqual(names('waiting', 100).slice(30))
  })

  it('that is known waits though unknown callers wait for too long (ATK16)', async () => {
    const { started, refused, enter, end, wait } = calls(1)
    enter('first')
    await wait(1)
    await end('first')
    enter('second')
    for (const name of names('unknown', 5)) enter(name)
    enter('known', true)
    await end('second')
    expect(started).toEqual(['first', 'second', 'known'])
    expect(refused).toEqual(names('unknown', 5).slice(1))
  })

  it('waits for any time if there is no timeout', async () => {
    const { refused, enter, end, wait } = calls(1, { timeout: Number.POSITIVE_INFINITY })
    enter('first')
    await wait(1_000)
    await end('first')
    for (const name of names('next', 100)) enter(name)
    await settle()
    expect(refused).toEqual([])
  })
})

describe('a place', () => {
  it('a place stays taken until everything that the call started has ended (ATK16)', async () => {
    const { semaphore, started, late, enter, wait, placeOf } = calls(1)
    enter('first')
    let finish = () => {}
    const request = new Promise<void>((resolve) => {
      finish = resolve
    })
    void placeOf('first')?.hold(request)
    await wait(3)
    expect([late, semaphore.running]).toEqual([['first'], 1])
    finish()
    await settle()
    expect(semaphore.running).toBe(0)
    enter('second')
    expect(started).toEqual(['first', 'second'])
  })

  it('a place stays taken for twice the timeout and 10 s at most, because a runtime may drop a call (FX42)', async () => {
    const { semaphore, started, enter } = calls(1)
    enter('first')
    pass(15.75)
    enter('second')
    expect(started).toEqual(['first'])
    pass(0.25)
    expect(semaphore.running).toBe(1)
    await settle()
    expect(started).toEqual(['first', 'second'])
  })

  it('a second place of a call counts like any other (ATK16)', async () => {
    const { semaphore, enter, placeOf } = calls(4)
    enter('unknown')
    enter('known', true)
    const places = [1, 2, 3].map(() => placeOf('unknown')?.beside())
    expect(places.map((place) => place !== undefined)).toEqual([true, true, false])
    expect(placeOf('known')?.beside()).toBeUndefined()
    expect(semaphore.running).toBe(4)
    places[0]?.release()
    expect(semaphore.running).toBe(3)
  })
})
