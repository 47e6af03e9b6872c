/** Takes turns at work that must not all be done at the same time, and recovers from work that never ends. */

import { monotonic } from '../../lib/clock.ts'
import type { Seconds } from '../../model/units.ts'
import { Semaphore, type SemaphoreLimits, type Turn } from '../../net/semaphore.ts'

/** The time without progress after which the running calls are given up. In seconds. */
const STUCK_AFTER: Seconds = 5

/**
 * Wraps a semaphore that recovers from calls that never end. A runtime such as Workers may end a request together with its
 * pending work, and the place of such a call would never be free again. If no call has started or ended for 5 s, a new
 * semaphore replaces the old one. Calls that still run in the old one keep their places there, and no new call waits for them.
 */
export class Turns {
  readonly #limits: SemaphoreLimits
  #semaphore: Semaphore
  #progressAt: Seconds = 0

  constructor(limits: SemaphoreLimits) {
    this.#limits = limits
    this.#semaphore = new Semaphore(limits)
  }

  /** Runs a call when its turn comes, like `Semaphore.run`. */
  async run<T>(call: () => Promise<T>, turn: Turn): Promise<T> {
    if (this.#semaphore.running > 0 && monotonic() >= this.#progressAt + STUCK_AFTER)
      this.#semaphore = new Semaphore(this.#limits)
    const semaphore = this.#semaphore
    return semaphore.run(async () => {
      this.#progressAt = monotonic()
      try {
        return await call()
      } finally {
        if (semaphore === this.#semaphore) this.#progressAt = monotonic()
      }
    }, turn)
  }
}
