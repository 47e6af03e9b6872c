/** When an issuer may be asked for its keys again after a failure. */

import { monotonic } from '../../lib/clock.ts'
import type { Seconds } from '../../model/units.ts'

const MAX_WAIT: Seconds = 60
/** By how much of its length a wait varies, so that the processes that saw a failure together do not ask again together. */
const JITTER = 1 / 4

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

  /**
   * Doubles the wait, from 1 s to 48 s, plus or minus a quarter. If the issuer asks for a longer one, waits up to a quarter
   * longer than that. No wait exceeds 60 s.
   * @param asked how long the issuer asks to wait. In seconds, at most 60. 0 if it does not ask
   */
  failed(asked: Seconds): void {
    const random = Math.random()
    const base = Math.min(2 ** this.#failures, MAX_WAIT / (1 + JITTER))
    const backoff = base * (1 - JITTER + 2 * JITTER * random)
    const spread = Math.min(asked * JITTER, MAX_WAIT - asked)
    this.#failures += 1
    this.#retryAt = monotonic() + Math.max(backoff, asked + spread * random)
  }
}
