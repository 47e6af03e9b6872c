/** Turns at work that must not all be done at once. */

import { monotonic } from '../../lib/clock.ts'
import type { Seconds } from '../../model/units.ts'
import { Semaphore, type SemaphoreLimits, type Turn } from '../../net/semaphore.ts'

/** After how long without progress the calls that run are given up, in seconds. */
const STUCK_AFTER: Seconds = 5

/**
 * A semaphore that recovers from calls that never end. A runtime such as Workers may end a request together with its pending
 * work, and the place of such a call would never be free again.
 */
export class Turns {
  readonly #limits: SemaphoreLimits
  #semaphore: Semaphore
  #progressAt: Seconds = 0

  constructor(limits: SemaphoreLimits) {
    this.#limits = limits
    this.#semaphore = new Semaphore(limits)
  }

  /** As `Semaphore.run`. */
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
