/** One attempt to load a key set: its deadline, and whether it can still be running. */

import { monotonic, timeout } from '../../lib/clock.ts'
import { UnavailableError } from '../../model/unavailable.ts'
import type { Seconds } from '../../model/units.ts'

/** How long after its deadline an attempt may take to end. After that the runtime has dropped it. In seconds. */
const GRACE: Seconds = 1
/** An attempt that ends later than this after its deadline did so because the process stood still. In seconds. */
const LATE: Seconds = 0.25

export interface RefreshAttemptOptions {
  /** Its sequence number. */
  readonly number: number
  readonly issuer: string
  /** Its deadline. In seconds. */
  readonly timeout: Seconds
}

/**
 * Measures the attempt by the monotonic clock as well, because its signal is not enough. A frozen process receives the abort
 * late, and a runtime that drops a request, such as Workers, drops the timer of its deadline with it.
 */
export class RefreshAttempt {
  readonly number: number
  readonly #issuer: string
  readonly #due: Seconds
  readonly #abort = new AbortController()
  readonly #deadline: AbortSignal

  constructor({ number, issuer, timeout }: RefreshAttemptOptions) {
    this.number = number
    this.#issuer = issuer
    this.#due = monotonic() + timeout
    this.#deadline = this.limit(timeout)
  }

  /** Aborts at the deadline, or if the attempt is cancelled. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Whether it may still end. A runtime that ends a request with all of its work leaves attempts that never do. */
  get isRunning(): boolean {
    return monotonic() < this.#due + GRACE
  }

  /** Whether the deadline has passed long ago. A process that is suspended does not notice deadlines in time. */
  get stoodStill(): boolean {
    return monotonic() > this.#due + LATE
  }

  /** Aborts the attempt after this time. In seconds. Returns the signal of that deadline. */
  limit(seconds: Seconds): AbortSignal {
    const deadline = timeout(seconds)
    deadline.addEventListener('abort', this.#expire)
    return deadline
  }

  /** Aborts the attempt now, for this reason. */
  cancel(reason: UnavailableError): void {
    this.#abort.abort(reason)
  }

  /** Frees what the deadline holds. */
  end(): void {
    this.#deadline.removeEventListener('abort', this.#expire)
  }

  readonly #expire = (): void => {
    this.cancel(new UnavailableError(`Failed to fetch the JWKS of ${this.#issuer}: no response in time`))
  }
}
