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
import { describe, expect, it } from 'vitest'
import { pass, pendingDeadlines, stopClock } from '../../support/clock.ts'

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

  it('never waits for more than a day, because timers cannot wait for a month', async () => {
    const gate = gateOf()
    const signal = gate.signal(await allowed(gate, `emma-${60 * 86_400}`))
    expect(Math.max(...pendingDeadlines())).toBe(86_400)
    for (let day = 1; day <= 59; day += 1) pass(86_400)
    expect(codeOf(signal)).toBe('running')
    pass(86_400)
    expect(codeOf(signal)).toBe('ERR_TOKEN_EXPIRED')
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
    await settled()
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
    await settled()
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
    const silent: RevocationStore = { revoke() {}, isRevoked: () => false, needsHash: false, size: 0 }
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
