/** What is under way and may be joined, for a while: what does not end keeps nobody from trying anew. */

import { monotonic } from '../lib/clock.ts'
import type { Seconds } from '../model/units.ts'

/** How long others may join, in seconds of the monotonic clock. */
export const SHARED_FOR: Seconds = 5

interface Entry<T> {
  readonly promise: Promise<T>
  readonly until: number
}

/** A Map, for its order is that of age; an LRU would clear all of its room each time that the last entry leaves. */
export class InFlight<T> {
  readonly #max: number
  readonly #entries = new Map<string, Entry<T>>()

  /** @param max how many are remembered; beyond that the oldest is not joined any more */
  constructor(max: number) {
    this.#max = max
  }

  get(key: string): Promise<T> | undefined {
    const entry = this.#entries.get(key)
    return entry !== undefined && monotonic() < entry.until ? entry.promise : undefined
  }

  /** Remembers it until it settles. The same promise, for the caller to await. */
  add(key: string, promise: Promise<T>): Promise<T> {
    const entry: Entry<T> = { promise, until: monotonic() + SHARED_FOR }
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
