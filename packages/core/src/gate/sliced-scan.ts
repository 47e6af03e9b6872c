/** Calls a function for many items in slices, so that other requests need not wait for all of them. */

import { Alarm } from '../lib/alarm.ts'
import { monotonic } from '../lib/clock.ts'
import type { Seconds } from '../model/units.ts'

/** How many items a slice has, and how long it may take. */
const SLICE: { readonly items: number; readonly time: Seconds } = { items: 1000, time: 0.003 }
/** How long other work has the event loop between two slices. */
const PAUSE: Seconds = 0.005

export class SlicedScan<T> {
  readonly #begin: () => Iterable<T>
  readonly #visit: (item: T) => void
  readonly #delay: Seconds
  readonly #alarm = new Alarm(() => this.#runSlice())
  /** The rest of the scan that is running. */
  #rest: Iterator<T> | undefined
  #isRequested = false

  /**
   * @param begin returns the items when a scan begins
   * @param visit must not throw
   * @param delay how long requests are collected before the scan for all of them begins
   */
  constructor(begin: () => Iterable<T>, visit: (item: T) => void, delay: Seconds) {
    this.#begin = begin
    this.#visit = visit
    this.#delay = delay
  }

  /** Visits all items soon. If a scan is running, another one follows, because the first items may have changed since. */
  request(): void {
    this.#isRequested = true
    this.#alarm.set(this.#delay) // Keeps an earlier timer: that of the next slice.
  }

  #runSlice(): void {
    const rest = this.#rest ?? this.#start()
    const until = monotonic() + SLICE.time
    for (let count = 0; count < SLICE.items && monotonic() < until; count += 1) {
      const next = rest.next()
      if (next.done === true) {
        this.#rest = undefined
        if (this.#isRequested) this.#alarm.set(this.#delay)
        return
      }
      this.#visit(next.value)
    }
    this.#alarm.set(PAUSE)
  }

  #start(): Iterator<T> {
    this.#isRequested = false
    this.#rest = this.#begin()[Symbol.iterator]()
    return this.#rest
  }
}
