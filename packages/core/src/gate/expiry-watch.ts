/** Ends what expires, with one timer at the earliest expiry (RFC 7519 §4.1.4). */

import { Alarm } from '../lib/alarm.ts'
import { secondsOf } from '../lib/clock.ts'
import type { Seconds } from '../model/units.ts'

/**
 * The longest wait between two looks at the expiries. The timer follows the monotonic clock, and expiries the wall clock. So if
 * the wall clock is set forward, or the machine was suspended, an expiry is noticed this much later at most.
 */
const MAX_WAIT: Seconds = 60
/** The shortest one, so that thousands of different expiries do not cause as many looks. */
const MIN_WAIT: Seconds = 1
/** The shortest wait after a look that ended nothing. The timer came some milliseconds early, or the wall clock was set back. */
const EARLY_WAIT: Seconds = 0.01

export interface Expiring {
  /** In seconds since the epoch. `Infinity` if it never expires. */
  readonly expiresAt: Seconds
}

export class ExpiryWatch<T extends Expiring> {
  readonly #now: () => number
  readonly #all: Iterable<T>
  readonly #end: (item: T) => void
  readonly #alarm = new Alarm(() => this.#look())
  #wasEarly = false

  /**
   * @param now in milliseconds since the epoch
   * @param all what has not ended yet
   */
  constructor(now: () => number, all: Iterable<T>, end: (item: T) => void) {
    this.#now = now
    this.#all = all
    this.#end = end
  }

  /** Makes sure that the timer wakes for an item. Returns whether it has expired already: then the caller has to end it. */
  watch({ expiresAt }: T): boolean {
    const wait = expiresAt - secondsOf(this.#now)
    if (wait > 0) this.#wakeAfter(wait, MIN_WAIT)
    return wait <= 0
  }

  /** Ends what has expired, and sets the timer again if anything can still expire, no matter when it rang. */
  #look(): void {
    let now: Seconds
    try {
      now = secondsOf(this.#now)
    } catch {
      this.#alarm.set(MIN_WAIT) // The clock of the application failed. Thrown from a timer, its error would end the process.
      return
    }
    let next = Number.POSITIVE_INFINITY
    let hasEnded = false
    for (const item of this.#all)
      if (now >= item.expiresAt) {
        this.#end(item)
        hasEnded = true
      } else next = Math.min(next, item.expiresAt)
    // Not twice in succession: items that leave before they expire must not cause more and more looks.
    const isEarly = !hasEnded && !this.#wasEarly
    this.#wasEarly = isEarly
    this.#wakeAfter(next - now, isEarly ? EARLY_WAIT : MIN_WAIT)
  }

  #wakeAfter(wait: Seconds, shortest: Seconds): void {
    if (wait !== Number.POSITIVE_INFINITY) this.#alarm.set(Math.min(Math.max(wait, shortest), MAX_WAIT))
  }
}
