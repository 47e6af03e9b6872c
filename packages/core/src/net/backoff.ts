/** Backoff: waits longer after each failure, and as long as the server asks to by `Retry-After` (RFC 9110 §10.2.3). */

import { monotonic } from '../lib/clock.ts'
import type { Seconds } from '../model/units.ts'
import { askedWait } from './fetch-json.ts'

/** The longest wait after a failure. A server that is up again is noticed within this time. */
const MAX_WAIT: Seconds = 60
/** The part of a wait by which it varies. Otherwise all processes that saw a failure together would retry together. */
const JITTER = 1 / 4

/** Counts the failures of requests to one server, and computes when the next one may be sent. */
export class Backoff {
  #failures = 0
  #retryAt: Seconds = 0

  /** The number of failures since the last success. */
  get failures(): number {
    return this.#failures
  }

  /** Time until the server may be asked again. In seconds. 0 if it may be asked now. */
  get wait(): Seconds {
    return Math.max(0, this.#retryAt - monotonic())
  }

  /** Ends the backoff. */
  succeeded(): void {
    this.#failures = 0
    this.#retryAt = 0
  }

  /**
   * Begins or extends the backoff. Each wait is twice the one before, from 1 s to 48 s, plus or minus a quarter. If the server
   * asks for a longer one by `Retry-After`, the wait is up to a quarter longer than that. No wait exceeds 60 s.
   */
  failed(cause: unknown): void {
    const random = Math.random()
    const base = Math.min(2 ** this.#failures, MAX_WAIT / (1 + JITTER))
    const backoff = base * (1 - JITTER + 2 * JITTER * random)
    const asked = askedWait(cause)
    const spread = Math.min(asked * JITTER, MAX_WAIT - asked)
    this.#retryAt = monotonic() + Math.max(backoff, asked + spread * random)
    this.#failures += 1
  }
}
