/** Limits how many keys tokens try by what that costs: each try is a signature check. */

import { timeout } from '../../lib/clock.ts'
import { lru } from '../../lib/lru.ts'
import { UnavailableError } from '../../model/unavailable.ts'
import type { Seconds } from '../../model/units.ts'
import { TokenBucket } from '../../net/token-bucket.ts'
import type { VerificationKey } from './jwk.ts'
import type { CallerKind } from './known-callers.ts'
import { Turns } from './turns.ts'

/** How many keys each token may try for free, and how many of them may be those that verified a token most recently. */
const FREE = 8
const RECENT = 6
/** How many more tries a key set allows at once, and per second. */
const CAPACITY = 128
const PER_SECOND = 32
/** How many tokens may wait for a search beyond the free tries, and for how long. */
const QUEUE = 1_000
const MAX_WAIT: Seconds = 5
/** Of how many callers it is remembered which keys their tokens have tried. */
const MAX_CALLERS = 1_000

/** Checks the signature of a token by one key. */
export type Verifies = (key: VerificationKey) => boolean | Promise<boolean>

/** The tries beyond the free ones. One pair per key set. */
export type TryBudgets = Readonly<Record<CallerKind, TryBudget>>

/** Creates the budgets of a key set. Strangers cannot use up that of known callers, who also take their turns first. */
export function tryBudgets(): TryBudgets {
  const turns = new Turns({
    concurrency: 1,
    queue: QUEUE,
    full: 'Failed to try all keys that fit a token: too many other tokens wait for that',
  })
  return { known: new TryBudget(turns, true), unknown: new TryBudget(turns, false) }
}

/** Orders keys by their last success. A clock would not do: on some runtimes it stands still during a request. */
let successes = 0

function succeeded(key: VerificationKey): VerificationKey {
  successes += 1
  key.lastSuccess = successes
  return key
}

/** Sorts keys so that those that verified a token most recently come first. The others keep their order. */
export function byLastSuccess(keys: readonly VerificationKey[]): readonly VerificationKey[] {
  if (keys.length < 2) return keys
  return [...keys].sort((one, other) => (other.lastSuccess ?? 0) - (one.lastSuccess ?? 0))
}

/** The tries of one kind of callers. */
export class TryBudget {
  readonly #bucket = new TokenBucket(CAPACITY, 1 / PER_SECOND)
  readonly #turns: Turns
  readonly #isKnown: boolean
  readonly #starts = lru<{ readonly index: number }>({ max: MAX_CALLERS })

  constructor(turns: Turns, isKnown: boolean) {
    this.#turns = turns
    this.#isKnown = isKnown
  }

  /**
   * Returns where the free tries of a caller begin. Its next token begins where this one ends, so a caller finds each key
   * after some tokens even while the budget is used up. The first token of a caller begins at a place that its name decides.
   */
  startOf(caller: string, count: number): number {
    const index = this.#starts.get(caller)?.index ?? numberOf(caller)
    this.#starts.set(caller, { index: index + count })
    return index
  }

  /**
   * Tries keys until one verifies the token.
   *
   * The searches of a key set run one after another: the first good token shows the others which key to try first. Each
   * takes the tries for all of its keys from the budget, or none. A success pays them back, so good tokens cost the others
   * nothing, however many come at once.
   * @throws UnavailableError if the budget does not cover all keys: the right one may be among those not tried
   */
  async search(keys: readonly VerificationKey[], verifies: Verifies): Promise<VerificationKey | undefined> {
    const signal = timeout(MAX_WAIT)
    try {
      return await this.#turns.run(() => this.#tryAll(keys, verifies), { known: this.#isKnown, signal })
    } catch (cause) {
      if (cause !== signal.reason) throw cause
      throw new UnavailableError('Failed to try all keys that fit a token: it waited too long', { cause })
    }
  }

  async #tryAll(keys: readonly VerificationKey[], verifies: Verifies): Promise<VerificationKey | undefined> {
    if (!this.#bucket.tryAcquire(keys.length))
      throw new UnavailableError('Failed to try all keys that fit a token: the budget for tries is used up', {
        retryAfter: this.#bucket.waitFor(keys.length),
      })
    for (const key of byLastSuccess(keys))
      if (await verifies(key)) {
        this.#bucket.release(keys.length)
        return succeeded(key)
      }
    return undefined
  }
}

/** Turns the name of a caller, which is a hash, into a number. */
function numberOf(caller: string): number {
  return caller === '' ? 0 : caller.charCodeAt(0) * 64 + caller.charCodeAt(1)
}

/** What is known of a token before its key is searched. */
export interface TokenToTry {
  /** Names the caller. Default: all without a name are one caller. */
  readonly caller?: string | undefined
  /** The key that verified the last token of the caller. It is tried first. */
  readonly lastKey?: VerificationKey | undefined
  /** Called before the token may have to wait for its turn. */
  readonly onWait?: (() => void) | undefined
}

/** The tries of one token. */
export class KeyTries {
  readonly #budget: TryBudget
  readonly #token: TokenToTry
  #free = FREE

  constructor(budget: TryBudget, token: TokenToTry = {}) {
    this.#budget = budget
    this.#token = token
  }

  /**
   * Tries keys until one verifies the token. Resolves with `undefined` if none does.
   * @throws UnavailableError if not all of them may be tried now
   */
  async findKey(keys: readonly VerificationKey[], verifies: Verifies): Promise<VerificationKey | undefined> {
    const free = keys.length <= this.#free ? keys : this.#chooseFree(keys)
    this.#free -= free.length
    for (const key of free) if (await verifies(key)) return succeeded(key)
    if (free.length === keys.length) return undefined
    this.#token.onWait?.()
    return this.#budget.search(
      keys.filter((key) => !free.includes(key)),
      verifies,
    )
  }

  /** Chooses the caller's last key, the keys that verified a token most recently, and others in turn. */
  #chooseFree(keys: readonly VerificationKey[]): readonly VerificationKey[] {
    const { caller = '', lastKey } = this.#token
    const first = [lastKey, ...byLastSuccess(keys).filter((key) => key.lastSuccess !== undefined)]
    const known = first.filter((key) => key !== undefined && keys.includes(key)) as VerificationKey[]
    const recent = [...new Set(known)].slice(0, Math.min(RECENT, this.#free))
    const others = keys.filter((key) => !recent.includes(key))
    const count = this.#free - recent.length
    if (count === 0) return recent
    const start = this.#budget.startOf(caller, count)
    const turn = Array.from({ length: count }, (_, index) => others[(start + index) % others.length])
    return [...recent, ...(turn as VerificationKey[])]
  }
}
