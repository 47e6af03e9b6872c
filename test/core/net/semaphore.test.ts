/** The semaphore: how many calls run and wait, and in which order unknown and known callers are served. */

import { describe, expect, it } from 'vitest'
import { Semaphore } from '#core/net/semaphore.ts'

/** Calls of one semaphore, each ended by hand. */
function calls(concurrency: number, queue: number) {
  const semaphore = new Semaphore({ concurrency, queue, full: 'Too many calls are waiting' })
  const ends = new Map<string, () => void>()
  const started: string[] = []
  const rejected: string[] = []
  const call = (name: string) => () => {
    started.push(name)
    return new Promise<string>((resolve) => ends.set(name, () => resolve(name)))
  }
  async function enter(name: string, known: boolean, signal = new AbortController().signal): Promise<void> {
    try {
      await semaphore.run(call(name), { known, signal })
    } catch {
      rejected.push(name)
    }
  }
  async function end(name: string): Promise<void> {
    ends.get(name)?.()
    await settle()
  }
  return { semaphore, started, rejected, enter, end }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))
const names = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`)

describe('places', () => {
  it.each([
    [1, 1],
    [2, 1],
    [3, 2],
    [4, 3],
    [5, 3],
    [64, 48],
  ])('of %i places, unknown callers can have %i, and known callers all (ATK16)', (concurrency, unknown) => {
    const { semaphore, started, enter } = calls(concurrency, 100)
    for (const name of names('unknown', concurrency + 1)) void enter(name, false)
    expect(started).toHaveLength(unknown)
    for (const name of names('known', concurrency + 1)) void enter(name, true)
    expect(started).toHaveLength(concurrency)
    expect(semaphore).toMatchObject({ running: concurrency, waiting: concurrency + 2 })
  })

  it('free places go to known callers first, then to unknown ones, each in order of arrival (ATK16)', async () => {
    const { started, enter, end } = calls(1, 100)
    void enter('first', false)
    for (const name of ['u0', 'u1']) void enter(name, false)
    for (const name of ['k0', 'k1']) void enter(name, true)
    for (const name of ['first', 'k0', 'k1', 'u0']) await end(name)
    expect(started).toEqual(['first', 'k0', 'k1', 'u0', 'u1'])
  })

  it('a free place goes to a waiting caller before a new one', async () => {
    const { started, enter, end } = calls(1, 100)
    void enter('first', true)
    void enter('second', true)
    const ended = end('first')
    void enter('third', true)
    await ended
    await end('second')
    expect(started).toEqual(['first', 'second', 'third'])
  })

  it('become free when a call returns, throws or rejects', async () => {
    const { semaphore } = calls(1, 0)
    const turn = { known: false, signal: new AbortController().signal }
    const error = new Error('no')
    expect(semaphore.run(() => 1, turn)).toBe(1)
    expect(() =>
      semaphore.run(() => {
        throw error
      }, turn),
    ).toThrow(error)
    await expect(semaphore.run(() => Promise.reject(error), turn)).rejects.toBe(error)
    await expect(semaphore.run(() => Promise.resolve(2), turn)).resolves.toBe(2)
    expect(semaphore.running).toBe(0)
  })
})

describe('a full queue', () => {
  it('rejects an unknown arrival with UnavailableError (ATK16)', async () => {
    const { semaphore, rejected, enter } = calls(1, 2)
    for (const name of names('u', 4)) void enter(name, false)
    await settle()
    expect(rejected).toEqual(['u3'])
    const turn = { known: false, signal: new AbortController().signal }
    expect(() => semaphore.run(async () => {}, turn)).toThrow(
      expect.objectContaining({
        name: 'UnavailableError',
        message: 'Too many calls are waiting',
        retryAfter: 1,
      }),
    )
  })

  it('a known caller takes the place of the newest unknown one in a full queue (ATK16)', async () => {
    const { started, rejected, enter, end } = calls(1, 3)
    for (const name of names('u', 4)) void enter(name, false)
    for (const name of names('k', 4)) {
      void enter(name, true)
      await settle()
    }
    expect(rejected).toEqual(['u3', 'u2', 'u1', 'k3'])
    for (const name of ['u0', 'k0', 'k1']) await end(name)
    expect(started).toEqual(['u0', 'k0', 'k1', 'k2'])
  })

  it('of length 0 rejects every caller without a place', async () => {
    const { rejected, enter } = calls(1, 0)
    void enter('first', true)
    void enter('unknown', false)
    void enter('known', true)
    await settle()
    expect(rejected).toEqual(['unknown', 'known'])
  })
})

describe('a signal', () => {
  it('ends the wait with its reason, and the others keep their order', async () => {
    const { semaphore, started, enter, end } = calls(1, 100)
    const aborts = names('u', 3).map(() => new AbortController())
    void enter('first', false)
    const waits = aborts.map(({ signal }, index) =>
      Promise.resolve(semaphore.run(async () => started.push(`u${index}`), { known: false, signal })),
    )
    void enter('last', false)
    const rejections = Promise.allSettled([waits[0], waits[2]])
    aborts[2]?.abort(new Error('late'))
    aborts[0]?.abort(new Error('late'))
    expect(await rejections).toMatchObject([{ reason: { message: 'late' } }, { reason: { message: 'late' } }])
    expect(semaphore.waiting).toBe(2)
    await end('first')
    expect(started).toEqual(['first', 'u1', 'last'])
  })

  it('a signal that has aborted starts no call and takes no place', async () => {
    const { semaphore, started, enter } = calls(1, 1)
    const aborted = AbortSignal.abort(new Error('late'))
    const turn = { known: false, signal: aborted }
    expect(() => semaphore.run(() => started.push('never'), turn)).toThrow('late')
    void enter('first', false)
    await expect(semaphore.run(() => started.push('never'), turn)).rejects.toThrow('late')
    expect(started).toEqual(['first'])
    expect(semaphore).toMatchObject({ running: 1, waiting: 0 })
  })

  it('that aborts between the turn and the call starts no call and frees the place', async () => {
    const { semaphore, started } = calls(1, 100)
    const abort = new AbortController()
    const open = { known: true, signal: new AbortController().signal }
    let end = () => {}
    const pending = new Promise<void>((resolve) => {
      end = resolve
    })
    void semaphore.run(() => pending, open)
    const second = semaphore.run(() => started.push('second'), { known: true, signal: abort.signal })
    const third = semaphore.run(() => started.push('third'), open)
    // Runs right after the place passed to the second.
    void pending.then(() => abort.abort(new Error('late')))
    end()
    await expect(second).rejects.toThrow('late')
    await third
    expect(started).toEqual(['third'])
    expect(semaphore.running).toBe(0)
  })
})
