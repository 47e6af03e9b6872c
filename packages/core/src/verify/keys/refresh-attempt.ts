/** Tracks one attempt to load a key set: its deadline, and whether it can still be running. */

import { monotonic, timeout } from '../../lib/clock.ts'
import { UnavailableError } from '../../model/unavailable.ts'
import type { Seconds } from '../../model/units.ts'

/** How long after its deadline an attempt may take to end. After that the runtime has dropped it. In seconds. */
const GRACE: Seconds = 1
/** An attempt that ends later than this after its deadline did so because the process stood still. In seconds. */
const LATE: Seconds = 0.25

/** The options of an attempt. */
export interface RefreshAttemptOptions {
  /** Its sequence number. */
  readonly number: number
  readonly issuer: string
  /** Its deadline. In seconds. */
  readonly timeout: Seconds
}

/**
 * Aborts an attempt at its deadline. It also measures the attempt by the monotonic clock, because the signal is not enough: a
 * frozen process receives the abort late, and a runtime that drops a request, such as Workers, drops the timer of its deadline
 * with it.
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

  /**
   * Whether the deadline passed some time ago. An attempt that ends so late says nothing about the issuer: the process was
   * frozen.
   */
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

  /**
   * Ends the attempt. The listener is removed, because the signal lives until the deadline and would keep the attempt in
   * memory.
   */
  end(): void {
    this.#deadline.removeEventListener('abort', this.#expire)
  }

  /** Ends the attempt at its deadline. A property, because the same function is added and removed as a listener. */
  readonly #expire = (): void => {
    this.cancel(new UnavailableError(`Failed to fetch the JWKS of ${this.#issuer}: no response in time`))
  }
}
