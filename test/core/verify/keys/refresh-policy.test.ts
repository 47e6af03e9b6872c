/** The dates of a key set, and the waits after failures. */

import { UnavailableError } from '@bearergate/core'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { UnusableAnswer } from '#core/net/fetch-json.ts'
import { type KeyLifetimes, RefreshPolicy } from '#core/verify/keys/refresh-policy.ts'
import { pass, stopClock } from '../../../support/clock.ts'

stopClock()
afterEach(() => {
  vi.restoreAllMocks()
})

const ALMOST_ONE = 1 - 2 ** -53
const setRandom = (value: number) => vi.spyOn(Math, 'random').mockReturnValue(value)
const policyOf = (lifetimes: Partial<KeyLifetimes> = {}) =>
  new RefreshPolicy({ cacheMaxAge: undefined, staleIfError: undefined, ...lifetimes })

describe('the dates of a set', () => {
  it.each([
    [0, 420],
    [0.5, 480],
    [ALMOST_ONE, 540],
  ])('at the random value %d have it refreshed %d s after its fetch', (random, ahead) => {
    setRandom(random)
    const { fetchedAt, refreshAt } = policyOf().datesOf({ age: 100, maxAge: undefined })
    expect(refreshAt - fetchedAt).toBeCloseTo(ahead, 6)
  })

  it('the dates of a set start at its fetch, and not when it was loaded', () => {
    const policy = policyOf()
    const fresh = policy.datesOf({ age: 0, maxAge: undefined })
    const old = policy.datesOf({ age: 1000, maxAge: undefined })
    expect(old.fetchedAt).toBe(fresh.fetchedAt - 1000)
    expect(old.usableUntil).toBe(fresh.usableUntil - 1000)
    expect(fresh.usableUntil - fresh.fetchedAt).toBe(3600)
  })

  it.each<[Partial<KeyLifetimes>, number | undefined, number]>([
    [{}, undefined, 3_600],
    [{}, 7_200, 7_200],
    [{ staleIfError: 60 }, 86_400, 60],
    [{ cacheMaxAge: 7_200 }, 60, 7_200],
  ])('with %j and max-age %s end its use at %d s, and not a moment later', (lifetimes, maxAge, usable) => {
    const policy = policyOf(lifetimes)
    expect(policy.isUsable({ age: usable - 0.001, maxAge })).toBe(true)
    expect(policy.isUsable({ age: usable, maxAge })).toBe(false)
  })
})

describe('the wait after a failure', () => {
  const down = new UnavailableError('down')

  it('doubles from 1 s to 48 s, and ends with a success', () => {
    setRandom(0.5)
    const policy = policyOf()
    const waits = Array.from({ length: 8 }, () => {
      policy.failed(down)
      return policy.wait
    })
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 48, 48])
    expect([policy.failures, policy.failure]).toEqual([8, down])
    policy.succeeded()
    expect([policy.wait, policy.failures, policy.failure]).toEqual([0, 0, undefined])
    policy.failed(down)
    expect(policy.wait).toBe(1)
  })

  it('the wait after a failure ends', () => {
    setRandom(0.5)
    const policy = policyOf()
    policy.failed(down)
    pass(0.75)
    expect(policy.wait).toBeCloseTo(0.25, 6)
    pass(0.25)
    expect(policy.wait).toBe(0)
  })

  it.each<[string, UnavailableError, number]>([
    ['a response with Retry-After: 20', new UnusableAnswer('busy', { retryAfter: 20 }), 20],
    ['a response with Retry-After: 1', new UnusableAnswer('busy', { retryAfter: 1 }), 1],
    ['a response without Retry-After', new UnusableAnswer('busy'), 0.75],
    [
      'an error of the application by its default wait only',
      new UnavailableError('busy', { retryAfter: 20 }),
      0.75,
    ],
    ['a wait of a minute', new UnusableAnswer('busy', { retryAfter: 60 }), 60],
  ])('respects %s', (_, failure, wait) => {
    setRandom(0)
    const policy = policyOf()
    policy.failed(failure)
    expect(policy.wait).toBe(wait)
  })
})
