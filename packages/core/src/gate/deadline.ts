/** Limits how long a request waits for its decision, because a verifier may never answer. */

import { monotonic, timeout } from '../lib/clock.ts'
import { UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'

/** The part of the deadline in which requests share a timer. None on Workers, because a timer there ends with its request. */
const SHARE = globalThis.navigator?.userAgent === 'Cloudflare-Workers' ? 0 : 0.1

/** Limits the wait of all requests of a gate. */
export class Deadline {
  readonly #seconds: Seconds
  #waiting = new Set<() => void>()
  #joinableUntil = 0

  constructor(seconds: Seconds) {
    this.#seconds = seconds
  }

  /** Settles like the promise. Rejects with `UnavailableError` if it takes too long: between 90 % and 100 % of the deadline. */
  within<T>(promise: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting = this.#together()
      const expire = () => reject(new UnavailableError(`The decision timed out after ${this.#seconds} s`))
      waiting.add(expire)
      promise.then(
        (value) => {
          waiting.delete(expire)
          resolve(value)
        },
        (cause) => {
          waiting.delete(expire)
          reject(cause)
        },
      )
    })
  }

  /**
   * Returns the requests that wait for the current timer. Starts a new timer if the current one is too old to be joined.
   *
   * A timer for each request would cost more than the rest of a cached verification. So requests that begin within a tenth of
   * the deadline share one timer, and some of them get up to a tenth less time.
   */
  #together(): Set<() => void> {
    const now = monotonic()
    if (now < this.#joinableUntil) return this.#waiting
    const waiting = new Set<() => void>()
    this.#waiting = waiting
    this.#joinableUntil = now + this.#seconds * SHARE
    const timer = timeout(this.#seconds)
    timer.addEventListener('abort', () => {
      if (this.#waiting === waiting) this.#joinableUntil = 0
      for (const expire of waiting) expire()
    })
    return waiting
  }
}
