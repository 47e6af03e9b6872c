/** Caches the results of any verifier in an LRU, with a single flight for each token. */

import { assertFunction, assertInteger, assertNumber, readOptions } from '../lib/assert.ts'
import { monotonic, secondsOf, now as systemNow } from '../lib/clock.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { type Lru, lru } from '../lib/lru.ts'
import { isPromiseLike, mapMaybe } from '../lib/promise.ts'
import type { Identity } from '../model/identity.ts'
import type { Seconds } from '../model/units.ts'
import { InFlight, SHARED_FOR } from '../net/single-flight.ts'
import { checked, markBuiltIn } from './checked.ts'
import { PresentedToken } from './presented.ts'
import type { Active, Inactive, Verification } from './verification.ts'
import type { TokenVerifier } from './verifier.ts'
import { WrappingVerifier } from './wrapping.ts'

/** The options of `cached`, and of the option `cache` of `opaque` and `introspection`. */
export interface CacheOptions {
  /**
   * How long a result is used. In seconds, 0.001–86,400. Required. A token that is revoked elsewhere is accepted until its
   * entry expires. A longer time saves calls of the verifier, and bridges longer outages of what it depends on.
   */
  ttl: Seconds
  /**
   * How long a rejection is used. In seconds, 0–86,400. Default 0: rejections are not cached. With a longer time, clients that
   * repeat a bad token cost less, but a token that becomes valid later is rejected until then.
   */
  negativeTtl?: Seconds | undefined
  /**
   * The maximum number of results, 1–1,000,000. Default 10,000. The least recently used one is evicted. Rejections have a cache
   * of their own, a tenth as large, so that made-up tokens evict no valid one.
   */
  max?: number | undefined
  /** The clock, in milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
}

/** A cached result. */
interface Kept<V> {
  readonly verification: V
  /** When the entry expires, by the monotonic clock. In seconds. */
  readonly until: Seconds
}

/** A cached result for a valid token. It has two ends, because the wall clock can be set and `expiresAt` depends on it. */
interface KeptActive<I extends Identity<unknown>> extends Kept<Active<I>> {
  /** When the token expires, by the wall clock. In seconds since the epoch. */
  readonly expiresAt: Seconds | undefined
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
  const read = readOptions('cached', options, ['ttl', 'negativeTtl', 'max', 'now'])
  if (read.ttl === undefined)
    throw configurationError(
      'MISSING_OPTION',
      '"ttl" must be given in seconds, such as cached(verifier, { ttl: 60 })',
    )
  const now = assertFunction('now', read.now, systemNow)
  return markBuiltIn(new Cache(checked('verifier', verifier, now), cacheLimits(read), now))
}

/** The numbers of `CacheOptions`, checked and with defaults. */
export interface CacheLimits {
  /** In seconds. Infinite for a cache whose results only their `expiresAt` ends. */
  readonly ttl: number
  readonly negativeTtl: number
  readonly max: number
}

const DAY = 86_400
/** How many pending verifications other requests can join. Beyond that, requests with the same token verify it again. */
const MAX_IN_FLIGHT = 20_000

/** Checks the limits of a cache. Without `ttl` a result is used until it expires. */
export function cacheLimits(options: Partial<CacheOptions>): CacheLimits {
  return {
    ttl:
      options.ttl === undefined
        ? Number.POSITIVE_INFINITY
        : assertNumber('ttl', options.ttl, { preset: 0, min: 0.001, max: DAY }),
    negativeTtl: assertNumber('negativeTtl', options.negativeTtl, { preset: 0, min: 0, max: DAY }),
    max: assertInteger('max', options.max, { preset: 10_000, min: 1, max: 1_000_000 }),
  }
}

/**
 * Checks an option `cache` that must have a `ttl`: no default can say how long a revocation elsewhere may go unnoticed.
 * @throws TypeError if an option is unknown, missing or invalid
 */
export function givenLimits(cache: Omit<CacheOptions, 'now'>): CacheLimits {
  const read = readOptions('cache', cache, ['ttl', 'negativeTtl', 'max'])
  if (read.ttl === undefined)
    throw configurationError(
      'MISSING_OPTION',
      '"cache" must have a "ttl" in seconds, such as cache: { ttl: 60 }',
    )
  return cacheLimits(read)
}

/**
 * Puts a cache in front of a verifier. The results of the verifier must be checked.
 *
 * A request takes the first of these that there is: a cached result, a pending verification of the same token, a new
 * verification. A cached result is checked again each time: its `ttl`, its `expiresAt`, and whether the verifier still vouches
 * for it, for example because its key is still published. Its lifetime begins when the verification began, because a token
 * may have been revoked while the verification ran.
 */
export class Cache<I extends Identity<unknown>> extends WrappingVerifier<I> {
  readonly #limits: CacheLimits
  readonly #now: () => number
  readonly #active: Lru<KeptActive<I>>
  readonly #inactive: Lru<Kept<Inactive>>
  readonly #inFlight = new InFlight<Verification<I>>(MAX_IN_FLIGHT)

  constructor(verifier: TokenVerifier<I>, limits: CacheLimits, now: () => number) {
    super(verifier)
    this.#limits = limits
    this.#now = now
    this.#active = lru({ max: limits.max })
    this.#inactive = lru({ max: Math.ceil(limits.max / 10) })
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
    if (this.#isUsable(kept)) return kept.verification
    this.#active.delete(hash)
    return undefined
  }

  override describe(): object {
    const cache = { max: this.#limits.max, entries: this.#active.size + this.#inactive.size }
    return { ...super.describe(), cache }
  }

  /** Verifies a token by its hash, through the cache. */
  #verify(key: string, presented: PresentedToken): Verification<I> | Promise<Verification<I>> {
    const kept = this.#find(key) ?? this.#inFlight.get(key)
    if (kept !== undefined) return kept
    const began = monotonic()
    const result = this.inner.verify(presented.text, presented)
    if (!isPromiseLike(result)) return this.#keep(key, result, began)
    const settle = (settled: Verification<I>) =>
      // After SHARED_FOR another verification may have begun and ended. This result may be the older one: do not cache it.
      monotonic() - began < SHARED_FOR ? this.#keep(key, settled, began) : settled
    return this.#inFlight.add(key, Promise.resolve(result).then(settle))
  }

  #find(key: string): Verification<I> | undefined {
    const active = this.getCached(key)
    if (active !== undefined) return active
    const rejected = this.#limits.negativeTtl > 0 ? this.#inactive.get(key) : undefined
    return rejected !== undefined && monotonic() < rejected.until ? rejected.verification : undefined
  }

  #isUsable({ verification, until, expiresAt }: KeptActive<I>): boolean {
    if (until !== Number.POSITIVE_INFINITY && monotonic() >= until) return false
    if (expiresAt !== undefined && secondsOf(this.#now) >= expiresAt) return false
    return this.isStillValid(verification)
  }

  #keep(key: string, verification: Verification<I>, began: Seconds): Verification<I> {
    const { ttl, negativeTtl } = this.#limits
    const kept = verification.active ? ttl : negativeTtl
    if (kept === 0) return verification
    const until = began + kept
    if (verification.active) this.#active.set(key, { verification, until, expiresAt: earlier(verification) })
    else this.#inactive.set(key, { verification, until })
    return verification
  }
}

/**
 * Returns the earlier end of a result. Its own `expiresAt` can include the clock tolerance of its verifier, and that of its
 * identity does not. Between the two, each request verifies the token again.
 */
function earlier({ expiresAt, identity }: Active<Identity<unknown>>): Seconds | undefined {
  if (expiresAt === undefined || identity.expiresAt === undefined) return expiresAt
  return Math.min(expiresAt, identity.expiresAt)
}
