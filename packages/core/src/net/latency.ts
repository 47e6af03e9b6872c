/** Estimates how long a call takes, from those that ended lately. */

import { monotonic } from '../lib/clock.ts'
import type { Seconds } from '../model/units.ts'

/** For how long the last sample counts. A server may have recovered since. */
const WINDOW: Seconds = 10
/** How much a sample changes the mean and the deviation (RFC 6298 §2). */
const MEAN_GAIN = 1 / 8
const DEVIATION_GAIN = 1 / 4
/** The margin over the mean: so many deviations, and at least this share of the mean. */
const DEVIATIONS = 4
const MIN_MARGIN = 1 / 8

export class Latency {
  #mean: Seconds = 0
  #deviation: Seconds = 0
  #sampledAt = Number.NEGATIVE_INFINITY

  /** The smoothed duration. 0 if no call ended lately. */
  get mean(): Seconds {
    return this.#isRecent ? this.#mean : 0
  }

  /** How much time a call needs so that it very probably ends. 0 if no call ended lately. */
  get needed(): Seconds {
    if (!this.#isRecent) return 0
    return this.#mean + Math.max(DEVIATIONS * this.#deviation, MIN_MARGIN * this.#mean)
  }

  get #isRecent(): boolean {
    return monotonic() - this.#sampledAt < WINDOW
  }

  /** Counts a call that ended. */
  add(duration: Seconds): void {
    if (this.#isRecent) {
      const difference = duration - this.#mean
      this.#deviation += DEVIATION_GAIN * (Math.abs(difference) - this.#deviation)
      this.#mean += MEAN_GAIN * difference
    } else {
      this.#deviation = 0
      this.#mean = duration
    }
    this.#sampledAt = monotonic()
  }

  /** Counts a call that was cancelled. It would have taken longer, nobody knows by how much. So the estimate grows quickly. */
  addCancelled(duration: Seconds, max: Seconds): void {
    if (duration >= this.mean) this.add(Math.min(2 * duration, max))
  }
}
