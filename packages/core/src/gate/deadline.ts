/** Nobody waits for a decision without end: what was asked may never answer. */

import { monotonic, timeout } from '../lib/clock.ts'
import { UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'

/** Requests that begin together share a timer, for so long a part of the deadline; but on Workers a timer ends with its request. */
const SHARE = globalThis.navigator?.userAgent === 'Cloudflare-Workers' ? 0 : 0.1

export class Deadline {
  readonly #seconds: Seconds
  #waiting = new Set<() => void>()
  #joinableUntil = 0

  constructor(seconds: Seconds) {
    this.#seconds = seconds
  }

  /** The same as the promise, or `UnavailableError` where it does not settle in time, at nine tenths of the deadline or later. */
  within<T>(promise: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting = this.#together()
      const expire = () => reject(new UnavailableError(`There was no verification within ${this.#seconds} s`))
      waiting.add(expire)
      Promise.resolve(promise)
        .finally(() => waiting.delete(expire))
        .then(resolve, reject)
    })
  }

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
