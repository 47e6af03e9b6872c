/** Token buckets: what they allow at once, and over time. */

import { expect, it } from 'vitest'
import { TokenBucket, TokenBuckets } from '#core/net/token-bucket.ts'
import { pass, stopClock } from '../../support/clock.ts'

stopClock()

/** How many of so many attempts succeed. */
const taken = (bucket: TokenBucket, attempts: number) =>
  Array.from({ length: attempts }, () => bucket.tryAcquire()).filter(Boolean).length

it('allows as many at once as its capacity', () => {
  expect(taken(new TokenBucket(2, 30), 100)).toBe(2)
  expect(taken(new TokenBucket(128, 1 / 32), 1000)).toBe(128)
})

it('regains one per refill time, up to its capacity', () => {
  const bucket = new TokenBucket(2, 30)
  expect(taken(bucket, 10)).toBe(2)
  pass(29)
  expect(taken(bucket, 10)).toBe(0)
  pass(1)
  expect(taken(bucket, 10)).toBe(1)
  pass(60)
  expect(taken(bucket, 10)).toBe(2)
  pass(100_000)
  expect(taken(bucket, 10)).toBe(2)
})

it('refills by one after the refill time, independent of attempts before', () => {
  const bucket = new TokenBucket(2, 30)
  taken(bucket, 2)
  for (let step = 0; step < 300; step += 1) {
    expect(bucket.tryAcquire()).toBe(false)
    pass(0.1)
  }
  expect(taken(bucket, 10)).toBe(1)
})

it('returns in how many seconds the next one can be taken', () => {
  const bucket = new TokenBucket(2, 30)
  expect(bucket.wait).toBe(0)
  taken(bucket, 1)
  expect(bucket.wait).toBe(0)
  taken(bucket, 1)
  expect(bucket.wait).toBeCloseTo(30)
  pass(12)
  expect(bucket.wait).toBeCloseTo(18)
  pass(18)
  expect(bucket.wait).toBe(0)
})

it('release() puts back what was not used, up to the capacity', () => {
  const bucket = new TokenBucket(4, 30)
  taken(bucket, 4)
  bucket.release(3)
  expect(taken(bucket, 10)).toBe(3)
  pass(120)
  bucket.release(4)
  expect(taken(bucket, 10)).toBe(4)
})

it('several buckets together give what each of them has, or nothing', () => {
  const [shared, own] = [new TokenBucket(4, 1), new TokenBucket(2, 10)]
  const both = new TokenBuckets(shared, own)
  expect([both.tryAcquire(2), both.tryAcquire(1), both.waitFor(1)]).toEqual([true, false, 10])
  expect(shared.waitFor(2)).toBe(0)
  both.release(2)
  expect([shared.waitFor(4), own.waitFor(2)]).toEqual([0, 0])
})
