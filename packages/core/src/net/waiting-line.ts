/** Keeps callers that wait for their turn, in order of arrival. */

import type { Seconds } from '../model/units.ts'

/** One caller that waits. `T` is what it waits for, such as a place of a semaphore. */
export interface Waiting<T> {
  /** By the monotonic clock: when the caller gives up. */
  readonly until: Seconds
  /** Ends the wait with what the caller waited for. */
  readonly start: (value: T) => void
  /** Ends the wait with an error. */
  readonly drop: (reason: unknown) => void
}

interface Link<T> {
  before: Link<T> | undefined
  behind: Link<T> | undefined
  readonly waiting: Waiting<T>
}

/**
 * Implements a queue as a linked list. Callers may leave from the middle, because their signals abort. In an array of 50,000
 * callers each of them would cost a scan, and thousands may give up in the same moment.
 */
export class WaitingLine<T> {
  #first: Link<T> | undefined
  #last: Link<T> | undefined
  #length = 0

  get length(): number {
    return this.#length
  }

  /** The caller that has waited longest. */
  get first(): Waiting<T> | undefined {
    return this.#first?.waiting
  }

  /** The caller that arrived last. */
  get last(): Waiting<T> | undefined {
    return this.#last?.waiting
  }

  /** Resolves when it is this caller's turn. Rejects if the caller is dropped or its signal aborts. */
  wait(signal: AbortSignal, until: Seconds): Promise<T> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        signal.removeEventListener('abort', abort)
        this.#remove(link)
      }
      const drop = (reason: unknown) => {
        leave()
        reject(reason)
      }
      const abort = () => drop(signal.reason)
      const start = (value: T) => {
        leave()
        resolve(value)
      }
      const link: Link<T> = { before: this.#last, behind: undefined, waiting: { until, start, drop } }
      if (this.#last === undefined) this.#first = link
      else this.#last.behind = link
      this.#last = link
      this.#length += 1
      if (signal.aborted) abort()
      else signal.addEventListener('abort', abort)
    })
  }

  #remove({ before, behind }: Link<T>): void {
    if (before === undefined) this.#first = behind
    else before.behind = behind
    if (behind === undefined) this.#last = before
    else behind.before = before
    this.#length -= 1
  }
}
