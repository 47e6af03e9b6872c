/**
 * Estimates how long a call takes, from those that ended recently.
 *
 * Uses the estimator of TCP (RFC 6298 §2): a smoothed mean, and a smoothed deviation from it. The semaphore needs the estimate
 * to reject calls that would not end before their deadline, instead of letting the server work for them in vain.
 */

import { monotonic } from '../lib/clock.ts'
import type { Seconds } from '../model/units.ts'

/** How long the last sample counts. In seconds. After that the server may have recovered, so calls are let through to see. */
const WINDOW: Seconds = 10
/** The weight of a sample in the mean and in the deviation (RFC 6298 §2). */
const MEAN_GAIN = 1 / 8
const DEVIATION_GAIN = 1 / 4
/** The margin over the mean: this number of deviations, and at least this share of the mean. */
const DEVIATIONS = 4
const MIN_MARGIN = 1 / 8

export class Latency {
  #mean: Seconds = 0
  #deviation: Seconds = 0
  #sampledAt = Number.NEGATIVE_INFINITY

  /** The smoothed duration. In seconds. 0 if no call ended recently, so that nothing is rejected without evidence. */
  get mean(): Seconds {
    return this.#isRecent ? this.#mean : 0
  }

  /** The time within which a call very probably ends. In seconds. 0 if no call ended recently. */
  get needed(): Seconds {
    if (!this.#isRecent) return 0
    return this.#mean + Math.max(DEVIATIONS * this.#deviation, MIN_MARGIN * this.#mean)
  }

  get #isRecent(): boolean {
    return monotonic() - this.#sampledAt < WINDOW
  }

  /** Adds the duration of a call that ended. */
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

  /**
   * Adds a call that was cancelled after this time. It would have taken longer, and it is unknown by how much. It counts as
   * twice its time, so that the estimate grows quickly while a server slows down.
   * @param max the largest duration that is assumed. In seconds
   */
  addCancelled(duration: Seconds, max: Seconds): void {
    if (duration >= this.mean) this.add(Math.min(2 * duration, max))
  }
}
