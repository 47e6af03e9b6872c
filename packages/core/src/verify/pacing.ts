/** When an issuer may be asked for its keys: a budget for keys that nobody knows, and room to recover after a failure. */

import { monotonic } from '../lib/clock.ts'
import type { Seconds } from '../options.ts'

const BUDGET = 2
const MAX_BACKOFF = 60

export class Pacing {
  readonly #cooldown: Seconds
  #budget = BUDGET
  #budgetFrom = 0
  #failures = 0
  #retryAt = 0

  /** @param cooldown in how many seconds the budget regains one refresh */
  constructor(cooldown: Seconds) {
    this.#cooldown = cooldown
  }

  /** How many attempts have failed since the last one that did not. */
  get failures(): number {
    return this.#failures
  }

  /** How long the issuer is to be left alone, in seconds. */
  get wait(): Seconds {
    return Math.max(0, this.#retryAt - monotonic())
  }

  /** Takes one refresh out of the budget, if there is one and the issuer need not be left alone. */
  spend(): boolean {
    const now = monotonic()
    const regained = Math.floor((now - this.#budgetFrom) / this.#cooldown)
    if (this.#budget + regained >= BUDGET) {
      this.#budget = BUDGET
      this.#budgetFrom = now
    } else {
      this.#budget += regained
      this.#budgetFrom += regained * this.#cooldown
    }
    if (this.#budget === 0 || now < this.#retryAt) return false
    this.#budget -= 1
    return true
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
