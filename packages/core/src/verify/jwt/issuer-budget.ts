/**
 * Limits how many issuers without a verified token are added to the cache, because any client can make up their names.
 *
 * The resolver may accept every issuer of a pattern, such as `https://<tenant>.example.com`. Each new issuer costs a key set,
 * and its first token costs a fetch. Made-up issuers must not cause any number of fetches, and must not keep new tenants out.
 */

import { monotonic } from '../../lib/clock.ts'
import { lru } from '../../lib/lru.ts'
import { atLimit } from '../../model/unavailable.ts'
import type { Seconds } from '../../model/units.ts'
import { TokenBucket } from '../../net/token-bucket.ts'

const MINUTE: Seconds = 60
/** The part of `max` that is reserved for deferred issuers whose next token arrives later. */
const RETURNING_SHARE = 1 / 4
/** The time after which the next token of a deferred issuer may use that reserve. In seconds. */
const RETURNS_AFTER: Seconds = 1
/** The number of deferred issuers that are remembered. */
const MAX_DEFERRED = 1_000

/**
 * Grants allowances for new issuers. One bucket is for all of them. A smaller one is for deferred issuers (the answer to an
 * earlier token was 503) of which another token arrives.
 */
export class IssuerBudget {
  readonly #allowance: TokenBucket
  /** For deferred issuers of which another token arrives. `undefined` if it would allow less than one issuer per minute. */
  readonly #returning: TokenBucket | undefined
  readonly #deferred = lru<{ readonly since: Seconds }>({ max: MAX_DEFERRED })

  /** @param max how many issuers may be added at once, and again per minute */
  constructor(max: number) {
    this.#allowance = new TokenBucket(max, MINUTE / max)
    const returning = Math.floor(max * RETURNING_SHARE)
    this.#returning = returning === 0 ? undefined : new TokenBucket(returning, MINUTE / returning)
  }

  /**
   * Takes an allowance for a new issuer. The client of a real tenant repeats its request after a 503. An attacker usually makes
   * up the next name instead. So a part of the allowance is reserved for deferred issuers.
   * @returns the bucket that the allowance came from. The allowance returns to it when a token of the issuer is verified for
   *   the first time.
   * @throws UnavailableError if the allowance is used up
   */
  acquire(issuer: string): TokenBucket {
    const deferred = this.#deferred.peek(issuer)
    const isBack = deferred !== undefined && monotonic() >= deferred.since + RETURNS_AFTER
    if (this.#allowance.tryAcquire()) return this.#allowance
    if (isBack && this.#returning?.tryAcquire() === true) return this.#returning
    if (deferred === undefined) this.#deferred.set(issuer, { since: monotonic() })
    const wait = Math.min(this.#allowance.wait, this.#returning?.wait ?? MINUTE)
    throw atLimit(
      'Failed to add a tenant: too many new tenants in the last minute. The option "max" of "multiIssuerJwt" is the limit, and must be larger than the number of your tenants',
      { retryAfter: Math.max(RETURNS_AFTER, wait) },
    )
  }

  /** Forgets that an issuer was deferred, because a token of it was verified. */
  proved(issuer: string): void {
    this.#deferred.delete(issuer)
  }
}
