/** `gate.signal` ends what outlives its request: when the token expires, or is revoked, and not otherwise. */

import {
  createGate,
  type Gate,
  memoryRevocations,
  opaque,
  type RevocationStore,
  type VerifierGateOptions,
} from '@bearergate/core'
import { setDecision } from '@bearergate/core/adapter'
import { describe, expect, it, vi } from 'vitest'
import { StreamIndex } from '#core/gate/stream-index.ts'
import { dropDeadlines, eventually, freeze, pass, setWallClock, stopClock } from '../../support/clock.ts'

/** 2026-01-01T00:00:00Z, where the stopped clock starts. */
const START = Date.UTC(2026, 0, 1) / 1000

stopClock()

/** Each token is its subject, followed by how long it is valid: `emma-60`. */
const lookup = (token: string) => {
  const [subject = '', lifetime] = token.split('-')
  const expiresAt = lifetime === undefined ? {} : { expiresAt: START + Number(lifetime) }
  return { subject, tokenId: token, sessionId: `session-of-${subject}`, issuedAt: START - 10, ...expiresAt }
}

function gateOf(options: Partial<VerifierGateOptions> = {}): Gate {
  return createGate({ verifier: opaque({ lookup }), ...options } as VerifierGateOptions)
}

/** Sends a request, and returns it as a handler gets it. */
async function allowed(gate: Gate, token: string): Promise<Request> {
  const request = new Request('https://api.example.com/', { headers: { authorization: `Bearer ${token}` } })
  const decision = await gate.authenticate(request)
  if (!decision.ok) throw new Error('refused')
  setDecision(request, gate, decision, request)
  return request
}

const codeOf = (signal: AbortSignal) => (signal.aborted ? signal.reason.code : 'running')

/** Lets the checks run that follow a revocation. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

const silent: RevocationStore = { revoke() {}, isRevoked: () => false, needsHash: false, size: 0 }

/** A store that notes whom it was asked about, once by each request and once by each new stream. `store` calls its listeners only if it `reports`, and `notify` always. */
function countingStore(store: RevocationStore, { reports = false } = {}) {
  const asked: (string | undefined)[] = []
  const listeners: ((entry?: never) => void)[] = []
  const counting: RevocationStore = {
    revoke: (entry) => store.revoke(entry),
    isRevoked(identity, hash) {
      asked.push(identity.subject)
      return store.isRevoked(identity, hash)
    },
    onRevoked(listener) {
      listeners.push(listener)
      if (reports) store.onRevoked?.(listener)
    },
    needsHash: true,
    size: 0,
  }
  return {
    store: counting,
    asked,
    notify(entry: unknown) {
      for (const listener of listeners) listener(entry as never)
    },
  }
}

describe('gate.signal', () => {
  it('aborts when the token expires, with one timer for all signals', async () => {
    const gate = gateOf()
    const signals: AbortSignal[] = []
    for (const token of ['emma-60', 'otto-30', 'ida-90', 'max'])
      signals.push(gate.signal(await allowed(gate, token)))
    const codes = () => signals.map(codeOf)
    pass(29)
    expect(codes()).toEqual(['running', 'running', 'running', 'running'])
    pass(1)
    expect(codes()).toEqual(['running', 'ERR_TOKEN_EXPIRED', 'running', 'running'])
    pass(30)
    expect(codes()).toEqual(['ERR_TOKEN_EXPIRED', 'ERR_TOKEN_EXPIRED', 'running', 'running'])
    pass(100_000)
    expect(codes()).toEqual(['ERR_TOKEN_EXPIRED', 'ERR_TOKEN_EXPIRED', 'ERR_TOKEN_EXPIRED', 'running'])
    expect(signals[0]?.reason).toBeInstanceOf(Error)
    expect(signals[0]?.reason.message).toBe('The access token expired')
  })

  it('aborts at the expiry of a token that is valid for months', async () => {
    const gate = gateOf()
    const signal = gate.signal(await allowed(gate, `emma-${60 * 86_400}`))
    for (let day = 1; day <= 59; day += 1) pass(86_400)
    expect(codeOf(signal)).toBe('running')
    pass(86_400)
    expect(codeOf(signal)).toBe('ERR_TOKEN_EXPIRED')
  })

  it('aborts although the timer comes before a fraction of a millisecond in `exp` has passed', async () => {
    const gate = gateOf()
    const signal = gate.signal(await allowed(gate, 'emma-30.0004'))
    pass(30.0004)
    expect(codeOf(signal)).toBe('running')
    pass(0.011)
    expect(codeOf(signal)).toBe('ERR_TOKEN_EXPIRED')
  })

  it.each([0.005, 0.4, 20, 3600])(
    'aborts when the clock reaches `exp`, also if it was set back by %d s before',
    async (step) => {
      const gate = gateOf()
      const signal = gate.signal(await allowed(gate, 'emma-30'))
      pass(29)
      setWallClock(Date.now() - 1000 * step)
      pass(1 + step - 0.001)
      expect(codeOf(signal)).toBe('running')
      pass(1)
      expect(codeOf(signal)).toBe('ERR_TOKEN_EXPIRED')
    },
  )

  it('aborts within a minute if the clock is set forward beyond `exp`', async () => {
    const gate = gateOf()
    const signal = gate.signal(await allowed(gate, 'emma-86400'))
    pass(10)
    setWallClock(Date.now() + 86_400_000)
    pass(60)
    expect(codeOf(signal)).toBe('ERR_TOKEN_EXPIRED')
  })

  it('aborts when a process that was suspended goes on', async () => {
    const gate = gateOf()
    const signals = [gate.signal(await allowed(gate, 'emma-30')), gate.signal(await allowed(gate, 'otto-90'))]
    freeze(60)
    pass(0)
    expect(signals.map(codeOf)).toEqual(['ERR_TOKEN_EXPIRED', 'running'])
    pass(30)
    expect(signals.map(codeOf)).toEqual(['ERR_TOKEN_EXPIRED', 'ERR_TOKEN_EXPIRED'])
  })

  it('sets a new timer with the next stream if the runtime has ended the timer together with a request', async () => {
    const gate = gateOf()
    const lost = gate.signal(await allowed(gate, 'emma-30'))
    dropDeadlines()
    pass(60)
    expect(codeOf(lost)).toBe('running')
    gate.signal(await allowed(gate, 'otto-3600'))
    pass(60)
    expect(codeOf(lost)).toBe('ERR_TOKEN_EXPIRED')
  })

  it('looks again after a second if the clock of the application fails', async () => {
    let isBroken = false
    const gate = gateOf({ now: () => (isBroken ? Number.NaN : Date.now()) })
    const signal = gate.signal(await allowed(gate, 'emma-30'))
    isBroken = true
    expect(() => pass(30)).not.toThrow()
    expect(codeOf(signal)).toBe('running')
    isBroken = false
    pass(1)
    expect(codeOf(signal)).toBe('ERR_TOKEN_EXPIRED')
  })

  it('looks at the expiries about once per second, also if each stream ends just before its token', async () => {
    let looks = 0
    const now = () => {
      looks += 1
      return Date.now()
    }
    const gate = gateOf({ verifier: opaque({ lookup }), now })
    const streams: AbortController[] = []
    for (let index = 0; index < 500; index += 1) {
      const ended = new AbortController()
      gate.signal(await allowed(gate, `emma${index}-${10 + index / 50}`), ended.signal)
      streams.push(ended)
    }
    pass(9.99)
    looks = 0
    for (const stream of streams) {
      stream.abort()
      pass(0.02)
    }
    expect(looks).toBeGreaterThan(0)
    expect(looks).toBeLessThanOrEqual(25)
  })

  it('reads the expiry of each stream once when it is added, and not the ones of all others', async () => {
    const gate = gateOf()
    const decided = await allowed(gate, 'emma-600')
    const decision = await gate.authenticate(decided)
    if (!decision.ok) throw new Error('refused')
    let reads = 0
    const identity = Object.defineProperty({ ...decision.identity }, 'expiresAt', {
      get: () => {
        reads += 1
        return START + 600
      },
    })
    setDecision(decided, gate, { ...decision, identity } as typeof decision, decided)
    const count = 1000
    const signals = Array.from({ length: count }, () => gate.signal(decided))
    expect(signals.map(codeOf)).toEqual(Array(count).fill('running'))
    expect(reads).toBeGreaterThan(0)
    expect(reads).toBeLessThanOrEqual(2 * count)
  })

  it('looks at the expiries once, also if each stream expires before those that were added earlier', async () => {
    let looks = 0
    const now = () => {
      looks += 1
      return Date.now()
    }
    const gate = gateOf({ verifier: opaque({ lookup }), now })
    const ended = new AbortController()
    for (let index = 0; index < 40; index += 1)
      gate.signal(await allowed(gate, `emma${index}-${50 - index / 10}`), ended.signal)
    ended.abort()
    looks = 0
    pass(60)
    expect(looks).toBe(1)
  })

  it('calls a listener that is added next if the token had expired, as with `clockTolerance`, or was revoked', async () => {
    const gate = gateOf()
    const requests = [await allowed(gate, 'emma-60'), await allowed(gate, 'otto-600')]
    pass(60)
    await gate.revoke({ subject: 'otto' })
    const codes: string[] = []
    for (const request of requests) {
      const signal = gate.signal(request)
      signal.addEventListener('abort', () => codes.push(signal.reason.code))
    }
    await eventually(() => codes.length === 2)
    expect(codes).toEqual(['ERR_TOKEN_EXPIRED', 'ERR_TOKEN_REVOKED'])
  })

  it.each([
    ['its text', (gate: Gate) => gate.revoke('emma-600')],
    ['its id', (gate: Gate) => gate.revoke({ tokenId: 'emma-600' })],
    ['its session', (gate: Gate) => gate.revoke({ sessionId: 'session-of-emma' })],
    ['its subject', (gate: Gate) => gate.revoke({ subject: 'emma' })],
  ])('aborts when the token is revoked by %s, and leaves others alone', async (_, revoke) => {
    const gate = gateOf()
    const [emma, otto] = [
      gate.signal(await allowed(gate, 'emma-600')),
      gate.signal(await allowed(gate, 'otto-600')),
    ]
    await revoke(gate)
    await settled()
    expect([codeOf(emma), codeOf(otto)]).toEqual(['ERR_TOKEN_REVOKED', 'running'])
  })

  it('aborts when another gate with the same store revokes the token', async () => {
    const revocations = memoryRevocations()
    const [one, two] = [gateOf({ revocations }), gateOf({ revocations })]
    const signal = one.signal(await allowed(one, 'emma-600'))
    await two.revoke({ subject: 'emma' })
    await settled()
    expect(codeOf(signal)).toBe('ERR_TOKEN_REVOKED')
  })

  it('aborts if the token was revoked between the decision and the call', async () => {
    const gate = gateOf()
    const request = await allowed(gate, 'emma-600')
    await gate.revoke({ subject: 'emma' })
    const signal = gate.signal(request)
    await eventually(() => signal.aborted)
    expect(codeOf(signal)).toBe('ERR_TOKEN_REVOKED')
  })

  it('ends 10,000 streams of one subject by one revocation', async () => {
    const gate = gateOf()
    const request = await allowed(gate, 'emma-600')
    const signals = Array.from({ length: 10_000 }, () => gate.signal(request))
    const other = gate.signal(await allowed(gate, 'otto-600'))
    await gate.revoke({ subject: 'emma' })
    await settled()
    expect(signals.every((signal) => codeOf(signal) === 'ERR_TOKEN_REVOKED')).toBe(true)
    expect(codeOf(other)).toBe('running')
  })

  it('forgets a stream that ended, and leaves its signal as it was', async () => {
    const gate = gateOf()
    const ended = new AbortController()
    const request = await allowed(gate, 'emma-60')
    const signals = [gate.signal(request, ended.signal), gate.signal(request, AbortSignal.abort())]
    ended.abort()
    pass(60)
    await gate.revoke({ subject: 'emma' })
    await settled()
    expect(signals.map(codeOf)).toEqual(['running', 'running'])
  })

  it('ends signals at their expiry although the store reports nothing, or fails', async () => {
    let isBroken = false
    const broken: RevocationStore = {
      ...silent,
      isRevoked() {
        if (isBroken) throw new Error('down')
        return false
      },
    }
    for (const [index, revocations] of [silent, broken].entries()) {
      isBroken = false
      const gate = gateOf({ revocations })
      const request = await allowed(gate, `emma-${60 * (index + 1)}`)
      isBroken = true
      const signal = gate.signal(request)
      await settled()
      expect(codeOf(signal)).toBe('running')
      pass(60)
      expect(codeOf(signal)).toBe('ERR_TOKEN_EXPIRED')
    }
  })

  it('asks the store about no stream that a revocation does not name', async () => {
    const { store, asked } = countingStore(memoryRevocations(), { reports: true })
    const gate = gateOf({ revocations: store })
    const signals: AbortSignal[] = []
    for (let index = 0; index < 100; index += 1)
      signals.push(gate.signal(await allowed(gate, `user${index}-600`)))
    await eventually(() => asked.length === 200)
    asked.length = 0
    for (let index = 0; index < 100; index += 1) await gate.revoke({ subject: `nobody${index}` })
    await gate.revoke({ tokenId: 'another' })
    await gate.revoke({ sessionId: 'session-of-nobody' })
    await gate.revoke('another-token')
    await settled()
    pass(1)
    expect(asked).toEqual([])
    await Promise.all([gate.revoke({ subject: 'user7' }), gate.revoke({ sessionId: 'session-of-user7' })])
    await settled()
    expect(asked).toEqual(['user7'])
    expect(signals.filter(({ aborted }) => aborted)).toEqual([signals[7]])
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['a text', 'revoked'],
    ['an event', new Event('revoked')],
    ['a number as subject', { subject: 42 }],
    ['null as issuer', { subject: 'another', issuer: null }],
    ['a name of its own', { tenant: 'acme' }],
  ])('checks all streams if the store passes %s to the listener', async (_, passed) => {
    const { store, asked, notify } = countingStore(memoryRevocations())
    const gate = gateOf({ revocations: store })
    const [emma, otto] = [
      gate.signal(await allowed(gate, 'emma-600')),
      gate.signal(await allowed(gate, 'otto-600')),
    ]
    await eventually(() => asked.length === 4)
    asked.length = 0
    store.revoke({ subject: 'emma' })
    notify(passed)
    await settled()
    pass(0.1)
    expect(asked).toEqual(['emma', 'otto'])
    expect([codeOf(emma), codeOf(otto)]).toEqual(['ERR_TOKEN_REVOKED', 'running'])
  })

  it('checks many streams in slices, once for all revocations without an entry of a tenth of a second', async () => {
    const { store, asked, notify } = countingStore(memoryRevocations())
    const gate = gateOf({ revocations: store })
    const request = await allowed(gate, 'otto-600')
    for (let index = 0; index < 2500; index += 1) gate.signal(request)
    const last = gate.signal(await allowed(gate, 'emma-600'))
    await eventually(() => asked.length === 2503)
    asked.length = 0
    for (let index = 0; index < 400; index += 1) notify(undefined)
    pass(0.099)
    expect(asked.length).toBe(0)
    pass(0.002)
    expect(asked.length).toBe(1000)
    store.revoke({ subject: 'emma' })
    notify(undefined)
    pass(0.02)
    expect(asked.length).toBe(2501)
    expect(codeOf(last)).toBe('ERR_TOKEN_REVOKED')
    // The first streams were checked before the last revocation.
    pass(1)
    expect(asked.length).toBe(5001)
    pass(10)
    expect(asked.length).toBe(5001)
  })

  it('ends a slice after 3 ms if the store is slow', async () => {
    const { store, asked, notify } = countingStore({
      ...silent,
      isRevoked() {
        freeze(0.002)
        return false
      },
    })
    const gate = gateOf({ revocations: store })
    const request = await allowed(gate, 'emma-600')
    for (let index = 0; index < 10; index += 1) gate.signal(request)
    await eventually(() => asked.length === 11)
    asked.length = 0
    notify(undefined)
    pass(0.1)
    expect(asked.length).toBe(2)
    pass(1)
    expect(asked.length).toBe(10)
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('down')
      },
    ],
    ['rejects', () => Promise.reject(new Error('down'))],
  ])('misses no revocation if the store %s at first, and asks it once per second', async (_, fail) => {
    const local = memoryRevocations()
    let isBroken = false
    const failing: RevocationStore = {
      revoke: (entry) => local.revoke(entry),
      isRevoked: (identity, hash) => (isBroken ? fail() : local.isRevoked(identity, hash)),
      onRevoked: (listener) => local.onRevoked?.(listener),
      needsHash: true,
      size: 0,
    }
    const { store, asked } = countingStore(failing, { reports: true })
    const gate = gateOf({ revocations: store })
    const [emma, otto] = [
      gate.signal(await allowed(gate, 'emma-600')),
      gate.signal(await allowed(gate, 'otto-600')),
    ]
    await eventually(() => asked.length === 4)
    asked.length = 0
    isBroken = true
    await gate.revoke({ subject: 'emma' })
    await settled()
    for (let second = 0; second < 3; second += 1) {
      pass(1)
      await settled()
    }
    expect([codeOf(emma), asked]).toEqual(['running', Array(4).fill('emma')])
    isBroken = false
    pass(1)
    await settled()
    expect([codeOf(emma), codeOf(otto)]).toEqual(['ERR_TOKEN_REVOKED', 'running'])
    pass(10)
    expect(asked.length).toBe(5)
  })

  it('has one listener for all streams with the same `ended`, and none when all of them have ended', async () => {
    const gate = gateOf()
    const shutdown = new AbortController().signal
    let listeners = 0
    const { addEventListener, removeEventListener } = shutdown
    shutdown.addEventListener = (...given: Parameters<typeof addEventListener>) => {
      listeners += 1
      addEventListener.apply(shutdown, given)
    }
    shutdown.removeEventListener = (...given: Parameters<typeof removeEventListener>) => {
      listeners -= 1
      removeEventListener.apply(shutdown, given)
    }
    for (let round = 0; round < 2; round += 1) {
      for (let index = 0; index < 20; index += 1)
        gate.signal(await allowed(gate, `emma-${index + 60}`), shutdown)
      for (let index = 0; index < 20; index += 1)
        gate.signal(await allowed(gate, `otto${round}-3600-${index}`), shutdown)
      await settled()
      expect(listeners).toBe(1)
      pass(80)
      expect(listeners).toBe(1)
      await gate.revoke({ subject: `otto${round}` })
      await settled()
      expect(listeners).toBe(0)
      setWallClock(START * 1000)
    }
  })

  it('keeps no stream that has ended in its index', async () => {
    const find = vi.spyOn(StreamIndex.prototype, 'find')
    try {
      const gate = gateOf()
      const ended = new AbortController()
      gate.signal(await allowed(gate, 'emma-600'), ended.signal)
      gate.signal(await allowed(gate, 'emma-60'))
      await gate.revoke({ subject: 'emma', issuedBefore: START - 100 })
      ended.abort()
      pass(60)
      await gate.revoke({ subject: 'emma' })
      expect(find.mock.results.map(({ value }) => value?.length)).toEqual([2, 0])
    } finally {
      find.mockRestore()
    }
  })

  it('forgets all streams with the same `ended` when it aborts, and no other stream', async () => {
    const gate = gateOf()
    const shutdown = new AbortController()
    const signals: AbortSignal[] = []
    for (const token of ['emma-60', 'otto-60', 'ida-60'])
      signals.push(gate.signal(await allowed(gate, token), shutdown.signal))
    signals.push(gate.signal(await allowed(gate, 'max-60')))
    shutdown.abort()
    pass(60)
    expect(signals.map(codeOf)).toEqual(['running', 'running', 'running', 'ERR_TOKEN_EXPIRED'])
  })

  it('throws a TypeError for a request that this gate did not allow, or that has no token', async () => {
    const gate = gateOf()
    expect(() => gateOf().signal({})).toThrow(TypeError)
    const request = await allowed(gate, 'emma-60')
    expect(() => gateOf().signal(request)).toThrow(TypeError)
    const open = gateOf({ optional: true } as never)
    const anonymous = new Request('https://api.example.com/')
    const decision = await open.authenticate(anonymous)
    if (decision.ok) setDecision(anonymous, open, decision, anonymous)
    expect(() => open.signal(anonymous)).toThrow(/without a token/)
  })
})
