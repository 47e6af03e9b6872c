/** A token bucket: allows bursts up to its capacity, and one more each time the refill time has passed. */

import { monotonic } from '../lib/clock.ts'
import type { Seconds } from '../model/units.ts'

/** Sums of times are exact to far less than this, in seconds. */
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

  /** In how many seconds the next one can be taken: 0 if one can be taken now. */
  get wait(): Seconds {
    return this.waitFor(1)
  }

  /** In how many seconds so many can be taken at once. More than the capacity can be taken when the bucket is full. */
  waitFor(count: number): Seconds {
    const left = this.#capacity - Math.min(count, this.#capacity)
    const wait = this.#fullAt - left * this.#refill - monotonic()
    return wait > ROUNDING ? wait : 0
  }

  /** Takes so many and returns `true`, or takes none and returns `false` if there are fewer. */
  tryAcquire(count = 1): boolean {
    if (this.waitFor(count) > 0) return false
    this.#fullAt = Math.max(this.#fullAt, monotonic()) + count * this.#refill
    return true
  }

  /** Puts back what was taken. */
  release(count: number): void {
    this.#fullAt -= count * this.#refill
  }
}
