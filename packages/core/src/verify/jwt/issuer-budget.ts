/** Limits how many issuers without a verified token are added, because anybody can make up their names. */

import { monotonic } from '../../lib/clock.ts'
import { lru } from '../../lib/lru.ts'
import { UnavailableError } from '../../model/unavailable.ts'
import type { Seconds } from '../../model/units.ts'
import { TokenBucket } from '../../net/token-bucket.ts'

const MINUTE: Seconds = 60
/** The part of `max` that is kept for issuers that come again. */
const RETURNING_SHARE = 1 / 4
/** How long after it was deferred an issuer counts as one that comes again. */
const RETURNS_AFTER: Seconds = 1
/** How many deferred issuers are remembered. */
const MAX_DEFERRED = 1_000

export class IssuerBudget {
  readonly #allowance: TokenBucket
  /** For issuers that were deferred and come again. `undefined` if it would be less than one a minute. */
  readonly #returning: TokenBucket | undefined
  readonly #deferred = lru<{ readonly since: Seconds }>({ max: MAX_DEFERRED })

  /** @param max how many issuers may be added at once, and again per minute */
  constructor(max: number) {
    this.#allowance = new TokenBucket(max, MINUTE / max)
    const returning = Math.floor(max * RETURNING_SHARE)
    this.#returning = returning === 0 ? undefined : new TokenBucket(returning, MINUTE / returning)
  }

  /**
   * Takes an allowance for a new issuer. An issuer that is deferred comes again. Made-up ones usually do not, so some of the
   * allowance is kept for those that do.
   * @returns the bucket that the allowance came from. The first verified token of the issuer pays it back.
   * @throws UnavailableError if the allowance is used up
   */
  acquire(issuer: string): TokenBucket {
    const deferred = this.#deferred.peek(issuer)
    const isBack = deferred !== undefined && monotonic() >= deferred.since + RETURNS_AFTER
    if (this.#allowance.tryAcquire()) return this.#allowance
    if (isBack && this.#returning?.tryAcquire() === true) return this.#returning
    if (deferred === undefined) this.#deferred.set(issuer, { since: monotonic() })
    const wait = Math.min(this.#allowance.wait, this.#returning?.wait ?? MINUTE)
    throw new UnavailableError(
      'Failed to add a tenant: "max" of "multiIssuerJwt" must be larger than the number of tenants, and limits how many new ones are added in a minute',
      { retryAfter: Math.max(RETURNS_AFTER, wait) },
    )
  }

  /** Forgets that an issuer was deferred, because a token of it was verified. */
  proved(issuer: string): void {
    this.#deferred.delete(issuer)
  }
}
