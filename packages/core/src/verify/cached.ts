/** Caches the results of any verifier in an LRU, with a single flight for each token. */

import { readOptions } from '../lib/assert.ts'
import { assertClock, monotonic, secondsOf } from '../lib/clock.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { SizedLru } from '../lib/lru.ts'
import { isPromiseLike, mapMaybe } from '../lib/promise.ts'
import { sizeOf } from '../lib/size.ts'
import type { Identity } from '../model/identity.ts'
import type { Seconds } from '../model/units.ts'
import { InFlight, SHARED_FOR } from '../net/single-flight.ts'
import { type CacheLimits, type CacheOptions, cacheLimits } from './cache-limits.ts'
import { checked, markBuiltIn } from './checked.ts'
import { PresentedToken } from './presented.ts'
import type { Active, Inactive, Verification } from './verification.ts'
import type { TokenVerifier } from './verifier.ts'
import { WrappingVerifier } from './wrapping.ts'

/** A cached result. */
interface Kept<V> {
  readonly verification: V
  /** When the entry expires, by the monotonic clock. In seconds. `undefined` without `ttl`. */
  readonly until: Seconds | undefined
  /** When the token expires, by the wall clock. In seconds since the epoch. */
  readonly expiresAt?: Seconds | undefined
}

/** Describes the cache of a verifier, for operators. */
export interface CacheDescription {
  readonly maxBytes: number
  /** The memory that the entries take, by an estimate. In bytes. */
  readonly bytes: number
  readonly max: number
  readonly entries: number
  /** The number of tokens whose result came from the cache. */
  readonly hits: number
  /** The number of tokens that were verified because the cache had no result. Requests that shared a verification count once. */
  readonly misses: number
  /** The number of results that were not cached because each is larger than `maxBytes`, or too large to be measured. */
  readonly tooLarge: number
}

/**
 * Caches the results of a verifier, but never beyond the `expiresAt` of a result or of its identity. Failures of the verifier
 * are not cached.
 *
 * The key is the SHA-256 of the token. Identities are frozen, because requests share them. Concurrent requests with the same
 * token wait for one verification.
 *
 * @example
 * const verifier = cached(sessions, { ttl: 60 })
 * @throws TypeError if an option is unknown, missing or invalid
 */
export function cached<I extends Identity<unknown> = Identity>(
  verifier: TokenVerifier<I>,
  options: CacheOptions,
): TokenVerifier<I> {
  const read = readOptions('cached', options, ['ttl', 'negativeTtl', 'maxBytes', 'max', 'now'])
  if (read.ttl === undefined)
    throw configurationError(
      'MISSING_OPTION',
      '"ttl" must be given in seconds, such as cached(verifier, { ttl: 60 })',
    )
  const now = assertClock(read.now)
  return markBuiltIn(new Cache(checked('verifier', verifier, now), cacheLimits(read), now))
}

/** How many pending verifications other requests can join. Beyond that, requests with the same token verify it again. */
const MAX_IN_FLIGHT = 20_000

/**
 * The memory of an entry without its identity. In bytes: the key, the result, and its places in the tables of the map. Measured,
 * less what is counted of each identity although all of them share it.
 */
const ENTRY = 224
/** The memory of the detail of a rejection. In bytes. It is not measured, because it may be an expensive getter. */
const DETAIL = 256

/**
 * Puts a cache in front of a verifier. The results of the verifier must be checked.
 *
 * A request uses the first of these that exists: a cached result, a pending verification of the same token, a new verification.
 * A cached result is checked again each time: its `ttl`, its `expiresAt`, and whether the verifier still vouches for it, for
 * example because its key is still published. Its lifetime begins when the verification began, because a token may have been
 * revoked while the verification ran. If the verifier got the result from a shared store, it began when that one was stored.
 */
export class Cache<I extends Identity<unknown>> extends WrappingVerifier<I> {
  readonly #limits: CacheLimits
  readonly #now: () => number
  readonly #active: SizedLru<Kept<Active<I>>>
  readonly #inactive: SizedLru<Kept<Inactive>>
  readonly #inFlight = new InFlight<Verification<I>>(MAX_IN_FLIGHT)
  readonly #counts = { hits: 0, misses: 0, tooLarge: 0 }

  constructor(verifier: TokenVerifier<I>, limits: CacheLimits, now: () => number) {
    super(verifier)
    const { maxBytes, max } = limits
    this.#limits = limits
    this.#now = now
    this.#active = new SizedLru(maxBytes, max)
    this.#inactive = new SizedLru(Math.ceil(maxBytes / 10), Math.ceil(max / 10))
  }

  verify(
    token: string,
    presented: PresentedToken = new PresentedToken(token),
  ): Verification<I> | Promise<Verification<I>> {
    return mapMaybe(presented.hash, (hash) => this.#verify(hash, presented))
  }

  override getCached(hash: string): Active<I> | undefined {
    const kept = this.#active.get(hash)
    if (kept === undefined) return undefined
    if (this.#isUsable(kept)) {
      this.#counts.hits += 1
      return kept.verification
    }
    this.#active.delete(hash)
    return undefined
  }

  override describe(): object {
    const { maxBytes, max } = this.#limits
    const [active, inactive] = [this.#active, this.#inactive]
    const cache: CacheDescription = {
      maxBytes,
      bytes: active.bytes + inactive.bytes,
      max,
      entries: active.size + inactive.size,
      ...this.#counts,
    }
    return { ...super.describe(), cache }
  }

  /** Verifies a token by its hash, through the cache. */
  #verify(key: string, presented: PresentedToken): Verification<I> | Promise<Verification<I>> {
    const kept = this.#find(key)
    if (presented.cacheUse !== undefined) presented.cacheUse.isHit = kept !== undefined
    const known = kept ?? this.#inFlight.get(key)
    if (known !== undefined) return known
    this.#counts.misses += 1
    const began = monotonic()
    presented.age = 0
    const result = this.inner.verify(presented.text, presented)
    if (!isPromiseLike(result)) return this.#keep(key, result, began - presented.age)
    const settle = (settled: Verification<I>) =>
      // After SHARED_FOR another verification may have begun and ended. This result may be the older one: do not cache it.
      monotonic() - began < SHARED_FOR ? this.#keep(key, settled, began - presented.age) : settled
    return this.#inFlight.add(key, Promise.resolve(result).then(settle))
  }

  #find(key: string): Verification<I> | undefined {
    const active = this.getCached(key)
    if (active !== undefined) return active
    const rejected = this.#limits.negativeTtl > 0 ? this.#inactive.get(key) : undefined
    if (rejected === undefined || isOver(rejected.until)) return undefined
    this.#counts.hits += 1
    return rejected.verification
  }

  #isUsable({ verification, until, expiresAt }: Kept<Active<I>>): boolean {
    if (isOver(until)) return false
    if (expiresAt !== undefined && secondsOf(this.#now) >= expiresAt) return false
    return this.isStillValid(verification)
  }

  #keep(key: string, verification: Verification<I>, began: Seconds): Verification<I> {
    const { ttl, negativeTtl } = this.#limits
    const kept = verification.active ? ttl : negativeTtl
    if (kept === 0) return verification
    const until = kept === Number.POSITIVE_INFINITY ? undefined : began + kept
    const isKept = verification.active
      ? this.#active.set(
          key,
          { verification, until, expiresAt: earlier(verification) },
          ENTRY + sizeOf(verification.identity),
        )
      : this.#inactive.set(key, { verification, until }, sizeOfRejection(verification))
    if (!isKept) this.#counts.tooLarge += 1
    return verification
  }
}

/** Whether a point in time has passed, by the monotonic clock. */
function isOver(until: Seconds | undefined): boolean {
  return until !== undefined && monotonic() >= until
}

/**
 * Returns when a result or its identity expires, whichever is earlier. The `expiresAt` of the result can include the clock
 * tolerance of its verifier, and the `expiresAt` of the identity does not. Between the two dates, each request verifies the
 * token again.
 */
function earlier({ expiresAt, identity }: Active<Identity<unknown>>): Seconds | undefined {
  if (expiresAt === undefined || identity.expiresAt === undefined) return expiresAt
  return Math.min(expiresAt, identity.expiresAt)
}

function sizeOfRejection({ scopes, acrValues }: Inactive): number {
  return ENTRY + DETAIL + sizeOf([scopes, acrValues])
}
