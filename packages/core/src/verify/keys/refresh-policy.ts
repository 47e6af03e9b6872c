/** When an issuer may be asked for its keys again after a failure. */

import { monotonic } from '../../lib/clock.ts'
import type { Seconds } from '../../model/units.ts'

const MAX_BACKOFF = 60

export class RefreshPolicy {
  #failures = 0
  #retryAt = 0

  /** How many attempts have failed since the last one that did not. */
  get failures(): number {
    return this.#failures
  }

  /** How long the issuer is to be left alone, in seconds. */
  get wait(): Seconds {
    return Math.max(0, this.#retryAt - monotonic())
  }

  succeeded(): void {
    this.#failures = 0
    this.#retryAt = 0
  }

  /** Doubles the wait, from one second to sixty, give or take a quarter; longer where the issuer asks for it. */
  failed(retryAfter: Seconds): void {
    const backoff = Math.min(2 ** this.#failures, MAX_BACKOFF) * (0.75 + 0.5 * Math.random())
    this.#failures += 1
    this.#retryAt = monotonic() + Math.min(Math.max(backoff, retryAfter), MAX_BACKOFF)
  }
}
