/** Limits how many keys tokens try by what that costs: each try is a signature check. */

import { UnavailableError } from '../../model/unavailable.ts'
import { TokenBucket } from '../../net/token-bucket.ts'
import type { VerificationKey } from './jwk.ts'
import type { CallerKind } from './known-callers.ts'

/** How many keys each token may try for free. */
const FREE = 8
/** How many more tries a key set allows at once, and per second. */
const CAPACITY = 128
const PER_SECOND = 32

/** The tries beyond the free ones. One per key set. */
export type TryBudgets = Readonly<Record<CallerKind, TokenBucket>>

/** Creates the budgets of a key set. Strangers cannot use up that of known callers. */
export function tryBudgets(): TryBudgets {
  return {
    known: new TokenBucket(CAPACITY, 1 / PER_SECOND),
    unknown: new TokenBucket(CAPACITY, 1 / PER_SECOND),
  }
}

/** Orders keys by their last success. A clock would not do: on some runtimes it stands still during a request. */
let successes = 0

/** The tries of one token. */
export class KeyTries {
  readonly #budget: TokenBucket
  #made = 0

  constructor(budget: TokenBucket) {
    this.#budget = budget
  }

  /**
   * Counts one more try.
   * @throws UnavailableError if it is not free and the budget is used up: the right key may be among those not tried
   */
  begin(): void {
    if (this.#made >= FREE && !this.#budget.tryAcquire())
      throw new UnavailableError('Failed to try all keys that fit a token: the budget for tries is used up', {
        retryAfter: this.#budget.wait,
      })
    this.#made += 1
  }

  /** Notes that the key verified the token. Its tries are paid back: a good token costs the others nothing. */
  succeeded(key: VerificationKey): void {
    this.#budget.release(Math.max(0, this.#made - FREE))
    successes += 1
    key.lastSuccess = successes
  }
}
