/** Two circuits to one server: what the callers of one lane prove for those of the other. */

import { UnavailableError } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { CircuitBreaker, CircuitOpenError, type Verdict } from '#core/net/circuit-breaker.ts'
import { pass, stopClock } from '../../support/clock.ts'

stopClock()

class Failure extends UnavailableError {
  readonly verdict: Verdict

  constructor(verdict: Verdict) {
    super(verdict)
    this.verdict = verdict
  }
}

const fails = (verdict: Verdict) => () => Promise.reject(new Failure(verdict))
const down = fails('down')
const answers = (answer: string) => () => Promise.resolve(answer)

function lanes() {
  const shared = new Set<CircuitBreaker>()
  const verdictOf = (cause: unknown) => (cause as Failure).verdict
  const known = new CircuitBreaker(verdictOf, shared, { trustsProbes: false })
  const unknown = new CircuitBreaker(verdictOf, shared, { provesAll: (answer) => answer === 'active' })
  const asked: string[] = []
  async function run(
    lane: CircuitBreaker,
    hash: string,
    server: () => Promise<string>,
    probed = server,
  ): Promise<string> {
    const ask = (name: string, reply: () => Promise<string>) => () => {
      asked.push(name)
      return reply()
    }
    const { signal } = new AbortController()
    try {
      return await lane.run({ hash, signal, call: ask(hash, server), probe: ask('probe', probed) })
    } catch (cause) {
      return cause instanceof CircuitOpenError ? 'rejected' : 'failed'
    }
  }
  async function fail(lane: CircuitBreaker, hashes: string): Promise<void> {
    for (const hash of hashes) await run(lane, hash, down)
  }
  return { known, unknown, asked, run, fail }
}

describe('the circuit of known tokens', () => {
  it.each([
    ['"inactive" about an unknown token', answers('inactive')],
    ['a failure that an unknown token caused', fails('up')],
  ])('opens in spite of %s (ATK07)', async (_, reply) => {
    const { known, unknown, run, fail } = lanes()
    await fail(known, 'abcd')
    await run(unknown, 'x', reply)
    await fail(known, 'e')
    await run(unknown, 'y', reply)
    expect([known.state, unknown.state]).toEqual(['open', 'closed'])
  })

  it.each([
    ['a success', 'known', answers('active')],
    ['a failure that the token caused', 'known', fails('up')],
    ['"active" about an unknown token', 'unknown', answers('active')],
  ] as const)('stays closed for 10 s after %s (ATK07)', async (_, lane, reply) => {
    const both = lanes()
    const { known, asked, run, fail } = both
    await run(both[lane], 'good', reply)
    await fail(known, 'abcdef')
    pass(9)
    await fail(known, 'abcdef')
    expect(known.state).toBe('closed')
    expect(asked).toHaveLength(13)
    pass(1)
    await fail(known, 'g')
    expect(known.state).toBe('open')
  })

  it('opens without a probe, and its callers wait for the fifth token (ATK07)', async () => {
    const { known, asked, run, fail } = lanes()
    await fail(known, 'abcd')
    const outcomes = ['e', 'f', 'g'].map((hash) => run(known, hash, down, answers('inactive')))
    expect(await Promise.all(outcomes)).toEqual(['failed', 'rejected', 'rejected'])
    expect(asked).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  it('stays closed for known tokens if the fifth token succeeds', async () => {
    const { known, asked, run, fail } = lanes()
    await fail(known, 'abcd')
    const outcomes = ['e', 'f', 'g'].map((hash) => run(known, hash, answers('active')))
    expect(await Promise.all(outcomes)).toEqual(['active', 'active', 'active'])
    expect(asked).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g'])
  })

  it('closes at a successful probe, and opens again after five more tokens failed (ATK07)', async () => {
    const { known, asked, run, fail } = lanes()
    await fail(known, 'abcde')
    pass(5)
    expect(await run(known, 'f', down, answers('inactive'))).toBe('failed')
    expect(known.state).toBe('closed')
    await fail(known, 'ghi')
    expect(known.state).toBe('closed')
    await fail(known, 'j')
    expect(known.state).toBe('open')
    expect(asked.filter((hash) => hash === 'probe')).toHaveLength(1)
  })

  it('closes if a token of a caller succeeds, which has each other turn', async () => {
    const { known, run, fail } = lanes()
    await fail(known, 'abcde')
    pass(5)
    expect(await run(known, 'f', answers('active'), down)).toBe('failed')
    pass(5)
    expect(await run(known, 'g', answers('active'), down)).toBe('active')
    expect(known.state).toBe('closed')
  })
})

describe('the circuit of unknown tokens', () => {
  it('stays closed for 10 s after "inactive" about one of them', async () => {
    const { unknown, run, fail } = lanes()
    await run(unknown, 'x', answers('inactive'))
    pass(9)
    await fail(unknown, 'abcdef')
    expect(unknown.state).toBe('closed')
    pass(1)
    await fail(unknown, 'g')
    expect(unknown.state).toBe('open')
  })

  it('opens, and the circuit of known tokens stays closed (ATK07)', async () => {
    const { known, unknown, run, fail } = lanes()
    await fail(unknown, 'abcdefgh')
    expect([known.state, unknown.state]).toEqual(['closed', 'open'])
    expect(await run(known, 'good', answers('active'))).toBe('active')
    expect(unknown.state).toBe('closed')
  })
})
