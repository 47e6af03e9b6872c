/** Whatever callbacks return, throw or reject with, a gate decides, and never accepts the token for it (FX56). */

import { createGate, type Decision, UnavailableError } from '@bearergate/core'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isDenied } from '../support/denied.ts'
import { fuzz, scaled } from './run.ts'

const identity = { kind: 'opaque', audience: [], scopes: [], roles: [], claims: {} } as const

/** Anything at all, and what is nearly a verification. */
const anything = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withSet: true,
})
const REASONS = [
  'unknown_token',
  'expired',
  'insufficient_scope',
  'no_credentials',
  '',
  '__proto__',
  'toString',
  7,
  null,
]
const verification = fc.record(
  {
    active: fc.oneof(fc.constantFrom(true, false, 'true', 1, 0, null, undefined), anything),
    identity: fc.oneof(fc.constantFrom(identity, null, 'emma', undefined, []), anything),
    reason: fc.oneof(fc.constantFrom<unknown>(...REASONS), anything),
    scopes: fc.oneof(fc.constantFrom(['a'], ['a"b', 'é'], 'a', undefined), anything),
    expiresAt: anything,
  },
  { requiredKeys: [] },
)
const result = fc.oneof(verification, anything)
const thrown = fc.oneof(
  anything,
  fc.string().map((text) => new Error(text)),
  fc.constantFrom(new UnavailableError('later')),
)

const wayOut = fc.oneof(
  result.map((value) => () => value),
  result.map((value) => async () => value),
  // biome-ignore lint/suspicious/noThenProperty: a thenable of the user's own is what is tested
  result.map((value) => () => ({ then: (resolve: (value: unknown) => void) => resolve(value) })),
  thrown.map((error) => () => {
    throw error
  }),
  thrown.map((error) => () => Promise.reject(error)),
)

/** An identity is an object; an array is none, and nothing but `true` is active. */
function mayPass(value: unknown): boolean {
  const given = value as { active?: unknown; identity?: unknown } | null | undefined
  return given?.active === true && typeof given.identity === 'object' && given.identity !== null
}

function isDefinite(decision: Decision): boolean {
  return decision.ok || isDenied(decision)
}

const request = { header: () => 'Bearer good' }
const hostile = Proxy.revocable({}, {})
hostile.revoke()

describe('a gate and its callbacks', () => {
  const unhandled: unknown[] = []
  const listener = (reason: unknown) => unhandled.push(reason)
  beforeEach(() => {
    unhandled.length = 0
    process.on('unhandledRejection', listener)
  })
  afterEach(() => {
    process.off('unhandledRejection', listener)
  })
  /** Node reports an unhandled rejection before the next turn of its event loop. */
  const settled = () => new Promise((resolve) => setImmediate(resolve))

  it('returns a decision for anything that a verifier returns, throws or rejects with (FX56)', async () => {
    const property = fc.asyncProperty(wayOut, async (verify) => {
      const decision = await createGate({ verifier: { verify: verify as never } }).authenticate(request)
      if (!isDefinite(decision)) return false
      if (!decision.ok) return decision.toResponse().status === decision.status
      return mayPass(await (verify as () => unknown)())
    })
    expect(await fuzz('FX56', property, 20_000)).toBe(scaled(20_000))
    await settled()
    expect(unhandled).toEqual([])
  })

  it('returns a decision for anything that a listener or a requirement returns or throws (FX56)', async () => {
    const verifier = { verify: () => ({ active: true, identity }) as const }
    const property = fc.asyncProperty(result, thrown, async (value, error) => {
      for (const callback of [
        () => value,
        () => {
          throw error
        },
      ]) {
        const told = createGate({ verifier, onDecision: callback as () => void }).authenticate(request)
        if (!(await told).ok) return false
        const requirement = callback as () => boolean
        const decision = await createGate({ verifier, requirement }).authenticate(request)
        if (!isDefinite(decision) || (decision.ok && !value)) return false
      }
      return true
    })
    expect(await fuzz('FX56 others', property, 5_000)).toBe(scaled(5_000))
    await settled()
    expect(unhandled).toEqual([])
  })

  it('answers 503 if a verifier throws a revoked proxy (FX56)', async () => {
    const verify = () => {
      throw hostile.proxy
    }
    expect(await createGate({ verifier: { verify } }).authenticate(request)).toMatchObject({ status: 503 })
  })

  it('answers 503 if a verifier rejects with a revoked proxy (FX56)', async () => {
    const verify = () => Promise.reject(hostile.proxy)
    expect(await createGate({ verifier: { verify } }).authenticate(request)).toMatchObject({ status: 503 })
  })

  it.each([[1n], [Symbol('soon')], [{ valueOf: 7, toString: 7 }]])(
    'answers 503 if a verifier throws an UnavailableError whose retryAfter is not a number (FX56)',
    async (retryAfter) => {
      const verify = () => {
        throw new UnavailableError('later', { retryAfter: retryAfter as unknown as number })
      }
      expect(await createGate({ verifier: { verify } }).authenticate(request)).toMatchObject({ status: 503 })
    },
  )

  it('allows the request if an async listener rejects (FX56)', async () => {
    const verifier = { verify: () => ({ active: true, identity }) as const }
    const onDecision = () => Promise.reject(new Error('the log is full'))
    expect(await createGate({ verifier, onDecision }).authenticate(request)).toMatchObject({ ok: true })
    await settled()
    expect(unhandled).toEqual([])
  })

  it.each([
    ['a promise of a text', async () => 'false'],
    ['a text', () => 'false'],
    ['an object', () => ({})],
  ])('answers 503 if a requirement returns %s (FX56)', async (_, isMet) => {
    const verifier = { verify: () => ({ active: true, identity }) as const }
    const requirement = isMet as unknown as () => boolean
    expect(await createGate({ verifier, requirement }).authenticate(request)).toMatchObject({ status: 503 })
  })
})
