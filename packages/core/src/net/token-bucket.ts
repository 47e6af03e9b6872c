/**
 * Implements the token bucket: it allows bursts up to its capacity, and one more each time the refill time has passed.
 *
 * It needs no timer. The bucket stores only the time at which it is full again. Each acquisition moves that time forward by
 * one refill, so the number of missing tokens follows from the clock.
 */

import { monotonic } from '../lib/clock.ts'
import type { Seconds } from '../model/units.ts'

/** The tolerance for rounding errors of sums of times. In seconds. */
const ROUNDING: Seconds = 1e-6

export class TokenBucket {
  readonly #capacity: number
  readonly #refill: Seconds
  /** When the bucket is full again if nothing more is taken. */
  #fullAt: Seconds = Number.NEGATIVE_INFINITY

  /**
   * Creates a full bucket.
   * @param capacity how many can be taken at once
   * @param refill after how many seconds one of them is back
   */
  constructor(capacity: number, refill: Seconds) {
    this.#capacity = capacity
    this.#refill = refill
  }

  /** The time until one can be taken. In seconds. 0 if one can be taken now. */
  get wait(): Seconds {
    return this.waitFor(1)
  }

  /** Returns the time until this number can be taken at once. In seconds. More than the capacity needs a full bucket. */
  waitFor(count: number): Seconds {
    const left = this.#capacity - Math.min(count, this.#capacity)
    const wait = this.#fullAt - left * this.#refill - monotonic()
    return wait > ROUNDING ? wait : 0
  }

  /** Takes this number and returns `true`. If there are fewer, takes none and returns `false`. */
  tryAcquire(count = 1): boolean {
    if (this.waitFor(count) > 0) return false
    this.#fullAt = Math.max(this.#fullAt, monotonic()) + count * this.#refill
    return true
  }

  /** Puts this number back. */
  release(count: number): void {
    this.#fullAt -= count * this.#refill
  }
}

/** Combines buckets that must all allow the same: one that callers share, and one of a single caller. */
export class TokenBuckets {
  readonly #buckets: readonly TokenBucket[]

  constructor(...buckets: readonly TokenBucket[]) {
    this.#buckets = buckets
  }

  /** Returns the time until each bucket has this number. In seconds. */
  waitFor(count: number): Seconds {
    return Math.max(...this.#buckets.map((bucket) => bucket.waitFor(count)))
  }

  /** Takes this number from each bucket and returns `true`. If one has fewer, takes none and returns `false`. */
  tryAcquire(count: number): boolean {
    if (this.waitFor(count) > 0) return false
    for (const bucket of this.#buckets) bucket.tryAcquire(count)
    return true
  }

  /** Puts this number back into each bucket. */
  release(count: number): void {
    for (const bucket of this.#buckets) bucket.release(count)
  }
}
