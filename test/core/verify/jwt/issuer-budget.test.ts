/** How many issuers without a verified token are added, and which of them may come again. */

import { UnavailableError } from '@bearergate/core'
import { expect, it } from 'vitest'
import { IssuerBudget } from '#core/verify/jwt/issuer-budget.ts'
import { pass, stopClock } from '../../../support/clock.ts'

stopClock()

/** Tries to add issuers in turn. Returns for each whether that was allowed, or the `Retry-After`. */
function add(budget: IssuerBudget, ...issuers: string[]): (true | number)[] {
  return issuers.map((issuer) => {
    try {
      budget.acquire(issuer)
      return true
    } catch (cause) {
      expect(cause).toBeInstanceOf(UnavailableError)
      return (cause as UnavailableError).retryAfter
    }
  })
}

it('allows "max" issuers at once, and one more per minute / "max"', () => {
  const budget = new IssuerBudget(3)
  expect(add(budget, 'a', 'b', 'c', 'd')).toEqual([true, true, true, 20])
  pass(19.75)
  expect(add(budget, 'e')).toEqual([1])
  pass(0.25)
  expect(add(budget, 'f', 'g')).toEqual([true, 20])
})

it('keeps a quarter of "max" for issuers that come again 1 s later or more', () => {
  const budget = new IssuerBudget(8)
  expect(add(budget, '1', '2', '3', '4', '5', '6', '7', '8')).toEqual(Array(8).fill(true))
  expect(add(budget, 'back', 'again', 'late')).toEqual([1, 1, 1])
  pass(0.75)
  expect(add(budget, 'back')).not.toEqual([true])
  pass(0.25)
  expect(add(budget, 'back', 'again', 'late', 'new')).toEqual([true, true, 6.5, 6.5])
})

it('keeps nothing for those that come again if "max" is less than four', () => {
  const budget = new IssuerBudget(1)
  expect(add(budget, 'a', 'b')).toEqual([true, 60])
  pass(2)
  expect(add(budget, 'b')).toEqual([58])
})

it('forgets that an issuer was deferred once a token of it was verified', () => {
  const budget = new IssuerBudget(4)
  expect(add(budget, '1', '2', '3', '4', 'a', 'b')).toEqual([true, true, true, true, 1, 1])
  pass(1)
  budget.proved('a')
  expect(add(budget, 'a')).not.toEqual([true])
  expect(add(budget, 'b')).toEqual([true])
})

it('can be paid back by the bucket that it returns', () => {
  const budget = new IssuerBudget(1)
  budget.acquire('a').release(1)
  expect(add(budget, 'b', 'c')).toEqual([true, 60])
})
