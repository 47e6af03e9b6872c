/** Gives calls a deadline, and aborts the pending ones when their owner closes. */

import { timeout } from '../lib/clock.ts'
import { UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'

/**
 * Runs calls with a common deadline. A gate that closes must not wait for the deadlines of its calls, so `close` aborts them.
 * The answer to the requests that wait for them is 503.
 */
export class PendingCalls {
  readonly #deadline: Seconds
  readonly #late: string
  /** One controller per call. Node warns of a leak if one common signal has more than ten listeners. */
  readonly #pending = new Set<AbortController>()
  #closed: UnavailableError | undefined

  /**
   * @param deadline how long a call may take
   * @param late the message of the error for a call that takes longer
   */
  constructor(deadline: Seconds, late: string) {
    this.#deadline = deadline
    this.#late = late
  }

  /** Whether the owner has closed. */
  get isClosed(): boolean {
    return this.#closed !== undefined
  }

  /**
   * Makes a call. Its signal aborts after the deadline or at `close`, with the `UnavailableError` to reject with.
   * @throws UnavailableError after `close`
   */
  async run<T>(call: (signal: AbortSignal) => T | Promise<T>): Promise<T> {
    if (this.#closed !== undefined) throw this.#closed
    const abort = new AbortController()
    const deadline = timeout(this.#deadline)
    const late = () => abort.abort(new UnavailableError(this.#late))
    deadline.addEventListener('abort', late)
    this.#pending.add(abort)
    try {
      return await call(abort.signal)
    } finally {
      deadline.removeEventListener('abort', late)
      this.#pending.delete(abort)
    }
  }

  /** Aborts the pending calls, and allows no more. */
  close(): void {
    this.#closed = new UnavailableError('The gate is closed')
    for (const abort of this.#pending) abort.abort(this.#closed)
  }
}
