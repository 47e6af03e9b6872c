/** The circuit breaker: what opens and closes it, and what it lets through. */

import { UnavailableError } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { CircuitBreaker, CircuitOpenError, type Verdict } from '#core/net/circuit-breaker.ts'
import { UnusableAnswer } from '#core/net/fetch-json.ts'
import { pass, stopClock } from '../../support/clock.ts'

stopClock()

class Failure extends UnusableAnswer {
  readonly verdict: Verdict

  constructor(verdict: Verdict, retryAfter?: number) {
    super(verdict, retryAfter === undefined ? {} : { retryAfter })
    this.verdict = verdict
  }
}

const down = () => Promise.reject(new Failure('down'))
const up = () => Promise.resolve('up')

/** Two lanes to one server, and the calls that reached it. */
function lanes() {
  const shared = new Set<CircuitBreaker>()
  const verdictOf = (cause: unknown) => (cause as Failure).verdict
  const known = new CircuitBreaker(verdictOf, shared)
  const unknown = new CircuitBreaker(verdictOf, shared)
  const asked: string[] = []
  let server: () => Promise<unknown> = down
  let probed: () => Promise<unknown> = down
  async function run(lane: CircuitBreaker, hash: string): Promise<string> {
    try {
      await lane.run({
        hash,
        signal: new AbortController().signal,
        call: () => {
          asked.push(hash)
          return server()
        },
        probe: () => {
          asked.push('probe')
          return probed()
        },
      })
      return 'ok'
    } catch (cause) {
      return cause instanceof CircuitOpenError ? 'rejected' : 'failed'
    }
  }
  async function fail(lane: CircuitBreaker, hashes: readonly string[]): Promise<void> {
    for (const hash of hashes) await run(lane, hash)
  }
  return {
    known,
    unknown,
    asked,
    run,
    fail,
    /** What the server does with the tokens of callers, and with those of probes. */
    answer(tokens: () => Promise<unknown>, probes = tokens) {
      server = tokens
      probed = probes
    },
  }
}

const FOUR = ['a', 'b', 'c', 'd']

describe('a closed circuit', () => {
  it('opens when four distinct tokens and a probe failed within 10 s (ATK07)', async () => {
    const { unknown, asked, run, fail } = lanes()
    await fail(unknown, FOUR)
    expect(unknown.state).toBe('closed')
    expect(await run(unknown, 'e')).toBe('failed')
    expect(unknown).toMatchObject({ state: 'open', wait: 5 })
    expect(await run(unknown, 'f')).toBe('rejected')
    expect(asked).toEqual([...FOUR, 'probe'])
  })

  it('stays closed while the probe shows that the server is up, and asks none again for 10 s (ATK07)', async () => {
    const { unknown, asked, run, fail, answer } = lanes()
    answer(down, up)
    await fail(unknown, [...FOUR, 'e', 'f', 'g', 'h', 'i'])
    expect(asked).toEqual([...FOUR, 'probe', 'e', 'f', 'g', 'h', 'i'])
    pass(9)
    await fail(unknown, FOUR)
    expect(asked.filter((hash) => hash === 'probe')).toHaveLength(1)
    pass(1)
    await run(unknown, 'j')
    expect(asked.filter((hash) => hash === 'probe')).toHaveLength(2)
    expect(unknown.state).toBe('closed')
  })

  it('stays closed if one token fails however often (ATK07)', async () => {
    const { unknown, asked, run } = lanes()
    for (let call = 0; call < 50; call += 1) expect(await run(unknown, 'same')).toBe('failed')
    expect(asked).toHaveLength(50)
  })

  it('stays closed if the failures are further apart than 10 s', async () => {
    const { unknown, asked, run } = lanes()
    for (let call = 0; call < 20; call += 1) {
      expect(await run(unknown, `token-${call}`)).toBe('failed')
      pass(3)
    }
    expect(asked).not.toContain('probe')
  })

  it.each([
    ['a success', up],
    ['a failure that the token caused', () => Promise.reject(new Failure('up'))],
  ])('stays closed for 10 s after %s, in whichever lane (ATK07)', async (_, sign) => {
    const { known, unknown, asked, run, fail, answer } = lanes()
    answer(sign)
    await run(known, 'good')
    answer(down)
    await fail(unknown, [...FOUR, 'e', 'f'])
    pass(9)
    await fail(unknown, [...FOUR, 'e', 'f'])
    expect(asked).not.toContain('probe')
    pass(1)
    await run(unknown, 'g')
    expect(unknown.state).toBe('open')
  })

  it('does not count calls that never reached the server', async () => {
    const { unknown, asked, fail, answer } = lanes()
    answer(() => Promise.reject(new Failure('unclear')))
    await fail(unknown, [...FOUR, 'e', 'f'])
    expect(asked).not.toContain('probe')
  })

  it('stays closed if the probe never reached the server', async () => {
    const { unknown, run, fail, answer } = lanes()
    await fail(unknown, FOUR)
    answer(up, () => Promise.reject(new Failure('unclear')))
    expect(await run(unknown, 'good')).toBe('ok')
  })

  it('all callers wait for one probe, and their calls are made if it succeeds (ATK07)', async () => {
    const { unknown, asked, run, fail, answer } = lanes()
    await fail(unknown, FOUR)
    let succeed = () => {}
    answer(
      up,
      () =>
        new Promise<void>((resolve) => {
          succeed = resolve
        }),
    )
    const outcomes = ['x', 'y', 'z'].map((hash) => run(unknown, hash))
    expect(unknown.state).toBe('half-open')
    expect(asked).toEqual([...FOUR, 'probe'])
    succeed()
    expect(await Promise.all(outcomes)).toEqual(['ok', 'ok', 'ok'])
  })

  it('rejects all callers that waited for a probe that failed', async () => {
    const { unknown, asked, run, fail } = lanes()
    await fail(unknown, FOUR)
    expect(await Promise.all(['x', 'y', 'z'].map((hash) => run(unknown, hash)))).toEqual([
      'failed',
      'rejected',
      'rejected',
    ])
    expect(asked).toEqual([...FOUR, 'probe'])
  })

  it('leaves the other lane closed when it opens (ATK07)', async () => {
    const { known, unknown, run, fail, answer } = lanes()
    await fail(unknown, [...FOUR, 'e'])
    expect([known.state, unknown.state]).toEqual(['closed', 'open'])
    answer(up)
    expect(await run(known, 'good')).toBe('ok')
    expect(unknown.state).toBe('closed')
  })
})

describe('an open circuit', () => {
  it('makes one trial every 5 s: the token of a caller and a probe in turn (FX52, ATK07)', async () => {
    const { unknown, asked, run, fail } = lanes()
    await fail(unknown, [...FOUR, 'e'])
    asked.length = 0
    for (let second = 0; second < 20; second += 1) {
      pass(1)
      await Promise.all(['x', 'y', 'z'].map((hash) => run(unknown, hash)))
    }
    expect(asked).toEqual(['x', 'probe', 'x', 'probe'])
  })

  it('rejects callers during the trial of a token, and closes if it succeeds', async () => {
    const { unknown, run, fail, answer } = lanes()
    await fail(unknown, [...FOUR, 'e'])
    pass(5)
    let succeed = () => {}
    answer(
      () =>
        new Promise<void>((resolve) => {
          succeed = resolve
        }),
    )
    const trial = run(unknown, 'x')
    expect(unknown.state).toBe('half-open')
    expect(await run(unknown, 'y')).toBe('rejected')
    succeed()
    expect(await trial).toBe('ok')
    expect(unknown).toMatchObject({ state: 'closed', wait: 0 })
  })

  it('closes after at most two trials, though forged tokens win every turn of the callers (ATK07)', async () => {
    const { unknown, run, fail, answer } = lanes()
    await fail(unknown, [...FOUR, 'e'])
    answer(down, up)
    pass(5)
    expect(await run(unknown, 'forged')).toBe('failed')
    pass(5)
    expect(await run(unknown, 'forged')).toBe('failed')
    answer(up)
    expect(await run(unknown, 'good')).toBe('ok')
  })

  it('closes after at most two trials, though the server fails for every token that it did not issue', async () => {
    const { unknown, run, fail, answer } = lanes()
    await fail(unknown, [...FOUR, 'e'])
    answer(down, down)
    pass(5)
    await run(unknown, 'forged')
    pass(5)
    await run(unknown, 'forged')
    answer(up, down)
    pass(5)
    expect(await run(unknown, 'good')).toBe('ok')
  })

  it.each([
    ['3 s', 3, 5],
    ['20 s', 20, 20],
  ])('stays open for a Retry-After of %s in the answer to a probe, 5 s at least', async (_, asked, wait) => {
    const { unknown, fail, answer } = lanes()
    answer(down, () => Promise.reject(new Failure('down', asked)))
    await fail(unknown, [...FOUR, 'e'])
    expect(unknown.wait).toBe(wait)
  })

  it.each([3600, Number.NaN, Number.POSITIVE_INFINITY])(
    'ignores the wait of %d s in an error that is no response of the server',
    async (retryAfter) => {
      const { unknown, fail, answer } = lanes()
      const error = Object.assign(new UnavailableError('no', { retryAfter }), { verdict: 'down' })
      answer(down, () => Promise.reject(error))
      await fail(unknown, [...FOUR, 'e'])
      expect(unknown).toMatchObject({ state: 'open', wait: 5 })
    },
  )

  it('ignores the Retry-After in the answer to a token of a caller (ATK07)', async () => {
    const { unknown, run, fail, answer } = lanes()
    answer(() => Promise.reject(new Failure('down', 60)), down)
    await fail(unknown, [...FOUR, 'e'])
    expect(unknown.wait).toBe(5)
    pass(5)
    await run(unknown, 'forged')
    expect(unknown.wait).toBe(5)
  })

  it('starts another trial after 5 s if the last one never ends', async () => {
    const { unknown, run, fail, answer } = lanes()
    await fail(unknown, FOUR)
    const never = () => new Promise<never>(() => {})
    answer(never)
    for (const hash of ['x', 'y']) {
      void run(unknown, hash)
      pass(5)
    }
    answer(up)
    expect(await run(unknown, 'z')).toBe('ok')
  })

  it('stops waiting for a probe when the signal of the caller aborts', async () => {
    const { unknown, fail } = lanes()
    await fail(unknown, FOUR)
    const abort = new AbortController()
    const probe = () => new Promise<never>(() => {})
    const call = { hash: 'x', signal: abort.signal, call: up, probe }
    const outcomes = Promise.allSettled([unknown.run(call), unknown.run(call)])
    abort.abort('late')
    expect(await outcomes).toMatchObject([{ reason: 'late' }, { reason: 'late' }])
  })
})
