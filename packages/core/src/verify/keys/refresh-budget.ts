/**
 * Limits how often tokens with unknown keys cause a fetch of the key set.
 *
 * An issuer may sign with a new key at any time, so a token with an unknown key is a reason to fetch the set again. But any
 * client can send tokens with made-up key ids, and must not be able to send the issuer one request for each of them. With one
 * common limit, the attacker would use it up, and good tokens with a new key would be rejected. So there are three budgets:
 * for known callers, for keys that the issuer published before, and for all other tokens. See `cooldown` in `KeySetOptions`.
 */

import { monotonic } from '../../lib/clock.ts'
import { lru } from '../../lib/lru.ts'
import type { Seconds } from '../../model/units.ts'
import { TokenBucket, TokenBuckets } from '../../net/token-bucket.ts'
import type { KnownCaller } from './known-callers.ts'

/**
 * The number of refreshes that each budget allows at once. Two, because a set can be fetched just before its new key appears.
 */
const CAPACITY = 2
/** After how many seconds known callers together regain one refresh, if the cooldown is not shorter. */
const KNOWN_REFILL: Seconds = 5
/** The number of withdrawn key ids that are remembered. */
const MAX_FORMER_KIDS = 256
/** The longest `kid` of a token (see `parseJws`). No token can name a longer one, so it is not remembered. */
const MAX_KID_LENGTH = 256
/** How long sets must lack a kid until it counts as withdrawn. In seconds. */
const WITHDRAWN_AFTER: Seconds = 60
/** How long a missing kid may come back, if it did so before. In seconds. */
const DISPUTED_FOR: Seconds = 600

/** A key id that an earlier set had. */
interface FormerKid {
  /** When the first set without it was fetched, by the monotonic clock. */
  readonly leftAt: Seconds
  /**
   * Whether it was missing before and came back. The issuer's responses then disagree, as those of a CDN with two versions do.
   */
  readonly cameBack: boolean
}

/**
 * The refreshes that one token may cause. A refresh for a token of a known caller counts twice: in the bucket of all known
 * callers, and in the bucket of that caller.
 */
export class RefreshAllowance {
  readonly #buckets: TokenBuckets
  readonly #own: TokenBucket | undefined

  /**
   * @param shared the refreshes of all tokens of this kind together
   * @param own the refreshes of the caller, if it is known
   */
  constructor(shared: TokenBucket, own?: TokenBucket) {
    this.#buckets = own === undefined ? new TokenBuckets(shared) : new TokenBuckets(shared, own)
    this.#own = own
  }

  /** The time until the token may cause a refresh. In seconds. 0 if it may now. */
  get wait(): Seconds {
    return this.#buckets.waitFor(1)
  }

  /** Takes one refresh and returns `true`, or returns `false` if there is none. */
  tryAcquire(): boolean {
    return this.#buckets.tryAcquire(1)
  }

  /** Returns one refresh to the buckets. */
  release(): void {
    this.#buckets.release(1)
  }

  /**
   * Returns one refresh to the bucket of the caller after a failed refresh. The backoff already makes the caller wait, and the
   * caller did not cause the failure. Nothing returns to the bucket of all callers, so that failed refreshes are limited as
   * well.
   */
  failed(): void {
    this.#own?.release(1)
  }
}

/** Keeps the budgets of one key set, and the key ids that it had. */
export class RefreshBudget {
  readonly #cooldown: Seconds
  readonly #ofKnown: TokenBucket
  readonly #ofUnknown: TokenBucket
  readonly #ofFormerKids: TokenBucket
  readonly #formerKids = lru<FormerKid>({ max: MAX_FORMER_KIDS })
  #replacedAt: Seconds = 0
  #paysBackFrom: Seconds = 0

  /** @param cooldown in how many seconds each bucket regains one refresh */
  constructor(cooldown: Seconds) {
    this.#cooldown = cooldown
    this.#ofKnown = new TokenBucket(CAPACITY, Math.min(KNOWN_REFILL, cooldown))
    this.#ofUnknown = new TokenBucket(CAPACITY, cooldown)
    this.#ofFormerKids = new TokenBucket(CAPACITY, cooldown)
  }

  /**
   * Returns the allowance of a token.
   *
   * Tokens of earlier keys have a budget of their own, for known and unknown callers alike. After a rotation without overlap
   * there are many of them, and they must not delay the next new key.
   *
   * Any client can name a known caller in a forged token. So each known caller has one refresh per cooldown, and forged tokens
   * delay only the callers that they name.
   */
  allowanceOf(kid: string | undefined, caller: KnownCaller | undefined): RefreshAllowance {
    if (kid !== undefined && this.#formerKids.has(kid)) return new RefreshAllowance(this.#ofFormerKids)
    if (caller === undefined) return new RefreshAllowance(this.#ofUnknown)
    caller.refreshes ??= new TokenBucket(1, this.#cooldown)
    return new RefreshAllowance(this.#ofKnown, caller.refreshes)
  }

  /**
   * Returns a refresh that brought a new key to the budget, because the token was a good reason for the refresh. This happens
   * at most once per cooldown. A CDN with two versions of a set would bring a new key each time, and the refreshes would have
   * no limit.
   */
  payBack(allowance: RefreshAllowance): void {
    if (monotonic() < this.#paysBackFrom) return
    this.#paysBackFrom = monotonic() + this.#cooldown
    allowance.release()
  }

  /** Compares a new set with the one before: remembers the kids that are gone, and those that came back. */
  replaced(before: ReadonlySet<string>, after: ReadonlySet<string>): void {
    this.#replacedAt = monotonic()
    for (const kid of after) {
      const former = before.has(kid) ? undefined : this.#formerKids.peek(kid)
      if (former !== undefined) this.#formerKids.set(kid, { ...former, cameBack: true })
    }
    for (const kid of before) {
      if (after.has(kid) || kid.length > MAX_KID_LENGTH) continue
      const cameBack = this.#formerKids.peek(kid)?.cameBack ?? false
      this.#formerKids.set(kid, { leftAt: this.#replacedAt, cameBack })
    }
  }

  /**
   * Whether a missing kid may be back in the next set, because it came back before. The answer to its tokens is then 503, not
   * 401.
   */
  isDisputed(kid: string | undefined): boolean {
    const former = kid === undefined ? undefined : this.#formerKids.peek(kid)
    return former?.cameBack === true && monotonic() < former.leftAt + DISPUTED_FOR
  }

  /**
   * Whether the issuer has certainly withdrawn a missing kid: sets have lacked it for a minute. The answer to its tokens is
   * then 401, even if the budget is used up. A 503 would make their clients repeat them instead of getting new ones.
   */
  isWithdrawn(kid: string | undefined): boolean {
    const former = kid === undefined ? undefined : this.#formerKids.peek(kid)
    return (
      former !== undefined && !this.isDisputed(kid) && this.#replacedAt >= former.leftAt + WITHDRAWN_AFTER
    )
  }
}
