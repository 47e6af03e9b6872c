/** How often tokens with unknown keys may have a key set fetched again, so that strangers delay nobody else. */

import { monotonic } from '../../lib/clock.ts'
import { lru } from '../../lib/lru.ts'
import type { Seconds } from '../../model/units.ts'
import { TokenBucket } from '../../net/token-bucket.ts'
import type { KnownCaller } from './known-callers.ts'

const CAPACITY = 2
/** After how many seconds known callers together regain one refresh, if the cooldown is not shorter. */
const KNOWN_REFILL: Seconds = 5
const MAX_FORMER_KIDS = 256
/** The longest `kid` of a token (see `parseJws`). Longer ones in a key set are never asked for. */
const MAX_KID_LENGTH = 256
/** For how long sets must lack a kid until it counts as withdrawn, in seconds. */
const WITHDRAWN_AFTER: Seconds = 60
/** How long one missing kid may come back again, in seconds, if it did so before. */
const DISPUTED_FOR: Seconds = 600

interface FormerKid {
  /** When the first set without it came. */
  readonly leftAt: Seconds
  /** Whether it was gone before and came back: the issuer's answers disagree, as from a CDN with two versions. */
  readonly cameBack: boolean
}

/** The refreshes that one token may cause. */
export class RefreshAllowance {
  readonly #shared: TokenBucket
  readonly #own: TokenBucket | undefined

  /**
   * @param shared the refreshes of all tokens of this kind together
   * @param own those of the caller, if it is known
   */
  constructor(shared: TokenBucket, own?: TokenBucket) {
    this.#shared = shared
    this.#own = own
  }

  /** In how many seconds the token may cause a refresh: 0 if it may now. */
  get wait(): Seconds {
    return Math.max(this.#shared.wait, this.#own?.wait ?? 0)
  }

  /** Takes one refresh and returns `true`, or returns `false` if there is none. */
  tryAcquire(): boolean {
    if (this.wait > 0) return false
    this.#own?.tryAcquire()
    return this.#shared.tryAcquire()
  }

  release(): void {
    this.#own?.release(1)
    this.#shared.release(1)
  }

  /** Lets the caller try again after a failed refresh, for which it must wait anyway. All callers together still pay. */
  failed(): void {
    this.#own?.release(1)
  }
}

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
   * Returns the allowance of a token. Tokens of earlier keys have their own, whoever sends them: they are many after a
   * rotation without overlap, and must not delay the next one. Anybody can name a known caller in a forged token, so each
   * known caller has one refresh per cooldown: forged tokens delay only the callers that they name.
   */
  allowanceOf(kid: string | undefined, caller: KnownCaller | undefined): RefreshAllowance {
    if (kid !== undefined && this.#formerKids.has(kid)) return new RefreshAllowance(this.#ofFormerKids)
    if (caller === undefined) return new RefreshAllowance(this.#ofUnknown)
    caller.refreshes ??= new TokenBucket(1, this.#cooldown)
    return new RefreshAllowance(this.#ofKnown, caller.refreshes)
  }

  /**
   * Pays back a refresh that brought a new key, once per cooldown. More often that proves nothing: the answers of a CDN
   * with two versions of a set bring a new key each time.
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

  /** Whether a missing kid may be back with the next set, so that no set proves that it is gone. */
  isDisputed(kid: string | undefined): boolean {
    const former = kid === undefined ? undefined : this.#formerKids.peek(kid)
    return former?.cameBack === true && monotonic() < former.leftAt + DISPUTED_FOR
  }

  /**
   * Whether the issuer has withdrawn a missing kid for sure. Its tokens are then invalid even if the budget is used up:
   * their clients must get new ones, and a 503 would not tell them.
   */
  isWithdrawn(kid: string | undefined): boolean {
    const former = kid === undefined ? undefined : this.#formerKids.peek(kid)
    return (
      former !== undefined && !this.isDisputed(kid) && this.#replacedAt >= former.leftAt + WITHDRAWN_AFTER
    )
  }
}
