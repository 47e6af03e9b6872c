/** Single flight: concurrent callers share one pending operation, for a limited time. */

import { monotonic } from '../lib/clock.ts'
import type { Seconds } from '../model/units.ts'

/** How long others may join. After that a new operation begins, because the pending one may never end. In seconds. */
export const SHARED_FOR: Seconds = 5

interface Entry<T> {
  readonly promise: Promise<T>
  readonly until: number
}

/**
 * Holds pending operations by key. A token that many requests bring at the same time is verified once.
 *
 * Others may join an operation for 5 s only. A runtime may drop the request that began it, and then it never settles: every
 * later request with this token would hang. It is a `Map`, because lru-cache clears all of its memory each time that its last
 * entry leaves.
 */
export class InFlight<T> {
  readonly #max: number
  readonly #sharedFor: Seconds
  readonly #entries = new Map<string, Entry<T>>()

  /**
   * @param max how many operations others can join. Beyond that, the oldest one leaves
   * @param sharedFor how long others may join. In seconds. Default 5
   */
  constructor(max: number, sharedFor: Seconds = SHARED_FOR) {
    this.#max = max
    this.#sharedFor = sharedFor
  }

  /** Returns a pending operation that may be joined, or `undefined`. */
  get(key: string): Promise<T> | undefined {
    const entry = this.#entries.get(key)
    return entry !== undefined && monotonic() < entry.until ? entry.promise : undefined
  }

  /** Adds an operation until it settles, and returns it. */
  add(key: string, promise: Promise<T>): Promise<T> {
    const entry: Entry<T> = { promise, until: monotonic() + this.#sharedFor }
    const settled = () => {
      if (this.#entries.get(key) === entry) this.#entries.delete(key)
    }
    const [oldest] = this.#entries.size < this.#max ? [] : this.#entries.keys()
    if (oldest !== undefined) this.#entries.delete(oldest)
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    promise.then(settled, settled)
    return promise
  }
}
