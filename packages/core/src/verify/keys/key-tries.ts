/**
 * Limits how many keys a token may try, because each try is a signature check.
 *
 * A token without a `kid` may have been signed by any key of the set. With 64 keys, a forged token would cost 64 checks, and
 * an attacker needs no valid signature to send thousands of them. So each token has eight free tries, and each key set has a
 * budget for more. The difficulty is that good tokens must be verified all the same:
 *
 * - The free tries begin with the key of the caller's last token and the keys that succeeded most recently. Nearly all good
 *   tokens are verified by these, because an issuer signs with one or two keys at a time.
 * - The other free tries move through the set from token to token. A caller whose key is elsewhere finds it after some tokens,
 *   even while attackers use up the budget.
 * - Beyond the free tries, known and unknown callers have separate budgets. Any client can name a known caller in a forged
 *   token, so each known caller also has a budget of its own. Forged tokens delay only the callers that they name.
 */

import { timeout } from '../../lib/clock.ts'
import { lru } from '../../lib/lru.ts'
import { atLimit, UnavailableError } from '../../model/unavailable.ts'
import type { Seconds } from '../../model/units.ts'
import { TokenBucket, TokenBuckets } from '../../net/token-bucket.ts'
import type { VerificationKey } from './jwk.ts'
import type { CallerKind, KnownCaller } from './known-callers.ts'
import { Turns } from './turns.ts'

/** The number of free tries of each token, and how many of them are for the keys that verified a token most recently. */
export const FREE_TRIES = 8
const RECENT = 6
/** The budget of each kind of callers: this number of tries at once, and this number more per second. */
const CAPACITY = 128
const PER_SECOND = 32
/**
 * The budget of each known caller: one search of a full set, and an eighth of the common rate. So forged tokens must name eight
 * known callers to use up the common budget.
 */
const CAPACITY_OF_CALLER = 64
const PER_SECOND_OF_CALLER = PER_SECOND / 8
/** How many tokens may wait for a search beyond the free tries, and for how long. */
const QUEUE = 1_000
const MAX_WAIT: Seconds = 5
/** The number of callers for which the place of the next free tries is remembered. */
const MAX_CALLERS = 1_000

/** Checks the signature of a token by one key. */
export type Verifies = (key: VerificationKey) => boolean | Promise<boolean>

/** The tries beyond the free ones. One pair per key set. */
export type TryBudgets = Readonly<Record<CallerKind, TryBudget>>

/**
 * Creates the budgets of a key set. Unknown callers cannot use up the budget of known callers, whose tokens are also tried
 * first.
 */
export function tryBudgets(): TryBudgets {
  const turns = new Turns({
    concurrency: 1,
    queue: QUEUE,
    full: 'This token was not checked: several keys have to be tried for it, and too many such tokens are waiting',
  })
  return { known: new TryBudget(turns, true), unknown: new TryBudget(turns, false) }
}

/** Orders keys by their last success. A counter, because on some runtimes the clock stands still during a request. */
let successes = 0

/** Marks a key as the one that verified a token most recently. */
function succeeded(key: VerificationKey): VerificationKey {
  successes += 1
  key.lastSuccess = successes
  return key
}

/**
 * Tries keys one after the other until one verifies the token. Resolves with `undefined` if none does.
 * @throws UnavailableError if none does, but one of them cannot be used
 */
async function tryInOrder(
  keys: readonly VerificationKey[],
  verifies: Verifies,
): Promise<VerificationKey | undefined> {
  let failure: { readonly cause: unknown } | undefined
  for (const key of keys)
    try {
      if (await verifies(key)) return succeeded(key)
    } catch (cause) {
      failure ??= { cause }
    }
  if (failure === undefined) return undefined
  throw new UnavailableError(
    'Failed to verify the signature: the runtime rejects a key of the issuer',
    failure,
  )
}

/** Sorts keys so that those that verified a token most recently come first. The others keep their order. */
export function byLastSuccess(keys: readonly VerificationKey[]): readonly VerificationKey[] {
  if (keys.length < 2) return keys
  return [...keys].sort((one, other) => (other.lastSuccess ?? 0) - (one.lastSuccess ?? 0))
}

/** Grants the tries of one kind of callers beyond the free ones. */
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
   * The searches of a key set run one after another: the first good token shows the others which key to try first. Each takes
   * the tries for all of its keys from the budget, or none. If a key verifies the token, the tries return to the budget. So any
   * number of good tokens leaves the budget as it was.
   * @param known the caller that the token names, if it is known
   * @throws UnavailableError if the budget does not cover all keys: the right one may be among those not tried
   */
  async search(
    keys: readonly VerificationKey[],
    verifies: Verifies,
    known: KnownCaller | undefined,
  ): Promise<VerificationKey | undefined> {
    const buckets = this.#bucketsOf(known)
    const signal = timeout(MAX_WAIT)
    try {
      return await this.#turns.run(() => this.#tryAll(keys, verifies, buckets), {
        known: this.#isKnown,
        signal,
      })
    } catch (cause) {
      if (cause !== signal.reason) throw cause
      throw new UnavailableError(
        `This token was not checked: several keys have to be tried for it, and it waited for ${MAX_WAIT} s behind other tokens`,
        { cause },
      )
    }
  }

  /** Tries all keys, the most recent success first. The order is computed here, because a search before may have changed it. */
  async #tryAll(
    keys: readonly VerificationKey[],
    verifies: Verifies,
    buckets: TokenBuckets,
  ): Promise<VerificationKey | undefined> {
    if (!buckets.tryAcquire(keys.length))
      throw atLimit(
        'This token was not checked with all keys that may fit: the limit of such checks is reached',
        {
          retryAfter: buckets.waitFor(keys.length),
        },
      )
    const key = await tryInOrder(byLastSuccess(keys), verifies)
    if (key !== undefined) buckets.release(keys.length)
    return key
  }

  /** Returns the buckets that a search draws from: the one of all callers of this kind, and the one of a known caller. */
  #bucketsOf(known: KnownCaller | undefined): TokenBuckets {
    if (known === undefined) return new TokenBuckets(this.#bucket)
    known.tries ??= new TokenBucket(CAPACITY_OF_CALLER, 1 / PER_SECOND_OF_CALLER)
    return new TokenBuckets(this.#bucket, known.tries)
  }
}

/** Turns the name of a caller, which is a hash in base64url, into a number, so that callers begin at different keys. */
function numberOf(caller: string): number {
  return caller === '' ? 0 : caller.charCodeAt(0) * 64 + caller.charCodeAt(1)
}

/** The facts about a token that decide which keys it tries first. */
export interface TokenToTry {
  /** Names the caller. Default: all without a name are one caller. */
  readonly caller?: string | undefined
  /** The caller, if one of its tokens was verified before. The key that verified its last token is tried first. */
  readonly known?: KnownCaller | undefined
  /** Called before the token may have to wait for its turn. */
  readonly onWait?: (() => void) | undefined
}

/** Spends the tries of one token. Its free tries are for the known keys and the keys of a newer set together. */
export class KeyTries {
  readonly #budget: TryBudget
  readonly #token: TokenToTry
  #free = FREE_TRIES

  constructor(budget: TryBudget, token: TokenToTry = {}) {
    this.#budget = budget
    this.#token = token
  }

  /**
   * Tries keys until one verifies the token. Resolves with `undefined` if none does.
   * @throws UnavailableError if none does but one of them cannot be used, or not all of them may be tried now
   */
  findKey(keys: readonly VerificationKey[], verifies: Verifies): Promise<VerificationKey | undefined> {
    if (keys.length > this.#free) return this.#search(keys, verifies)
    this.#free -= keys.length
    return tryInOrder(keys, verifies)
  }

  async #search(keys: readonly VerificationKey[], verifies: Verifies): Promise<VerificationKey | undefined> {
    const free = this.#chooseFree(keys)
    this.#free -= free.length
    let failure: unknown
    const key = await tryInOrder(free, verifies).catch((cause) => {
      failure = cause
    })
    if (key !== undefined) return key
    this.#token.onWait?.()
    const rest = keys.filter((one) => !free.includes(one))
    const found = await this.#budget.search(rest, verifies, this.#token.known)
    if (found === undefined && failure !== undefined) throw failure
    return found
  }

  /** Chooses the caller's last key, the keys that verified a token most recently, and others in turn. */
  #chooseFree(keys: readonly VerificationKey[]): readonly VerificationKey[] {
    const { caller = '', known } = this.#token
    const first = [known?.lastKey, ...byLastSuccess(keys).filter((key) => key.lastSuccess !== undefined)]
    const present = first.filter((key) => key !== undefined && keys.includes(key)) as VerificationKey[]
    const recent = [...new Set(present)].slice(0, Math.min(RECENT, this.#free))
    const others = keys.filter((key) => !recent.includes(key))
    const count = this.#free - recent.length
    if (count === 0) return recent
    const start = this.#budget.startOf(caller, count)
    const turn = Array.from({ length: count }, (_, index) => others[(start + index) % others.length])
    return [...recent, ...(turn as VerificationKey[])]
  }
}
