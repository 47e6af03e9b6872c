/** How often tokens with unknown keys may have a key set fetched again, so that strangers delay nobody else. */

import { monotonic } from '../../lib/clock.ts'
import { lru } from '../../lib/lru.ts'
import type { Seconds } from '../../model/units.ts'
import { TokenBucket } from '../../net/token-bucket.ts'
import type { CallerKind } from './known-callers.ts'

const CAPACITY = 2
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

export class RefreshBudget {
  readonly #byCaller: Readonly<Record<CallerKind, TokenBucket>>
  readonly #forFormerKids: TokenBucket
  readonly #formerKids = lru<FormerKid>({ max: MAX_FORMER_KIDS })
  #replacedAt: Seconds = 0

  /** @param cooldown in how many seconds each bucket regains one refresh */
  constructor(cooldown: Seconds) {
    this.#byCaller = {
      known: new TokenBucket(CAPACITY, cooldown),
      unknown: new TokenBucket(CAPACITY, cooldown),
    }
    this.#forFormerKids = new TokenBucket(CAPACITY, cooldown)
  }

  /**
   * Returns the bucket for a token. Tokens of earlier keys have their own, whoever sends them. They are many after a
   * rotation without overlap, and must not delay the next one.
   */
  bucketFor(kid: string | undefined, caller: CallerKind): TokenBucket {
    return kid !== undefined && this.#formerKids.has(kid) ? this.#forFormerKids : this.#byCaller[caller]
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
