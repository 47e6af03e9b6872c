/** Caches the results of any verifier in an LRU, with a single flight for each token. */

import { assertFunction, assertInteger, assertNumber, readOptions } from '../lib/assert.ts'
import { monotonic, secondsOf, now as systemNow } from '../lib/clock.ts'
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

export interface CacheOptions {
  /**
   * How long a result is used. In seconds, 0.001–86,400. A token that is revoked elsewhere is accepted until its entry expires.
   */
  ttl: Seconds
  /** How long a rejection is used. In seconds, 0–86,400. Default 0: rejections are not cached. */
  negativeTtl?: Seconds | undefined
  /** The maximum number of results, 1–1,000,000. Default 10,000. Rejections have a cache of their own, a tenth as large. */
  max?: number | undefined
  /** The clock, in milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
}

interface Kept<V> {
  readonly verification: V
  /** When the entry expires, by the monotonic clock. In seconds. */
  readonly until: Seconds
}

interface KeptActive<I extends Identity<unknown>> extends Kept<Active<I>> {
  /** When the token expires, by the wall clock. In seconds since the epoch. */
  readonly expiresAt: Seconds | undefined
}

/**
 * Caches the results of a verifier, but never beyond the `expiresAt` of a result or of its identity. Failures of the verifier are not cached.
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
  if (read.ttl === undefined) throw new TypeError('"ttl" must be given')
  const now = assertFunction('now', read.now, systemNow)
  return markBuiltIn(new Cache(checked('verifier', verifier, now), cacheLimits(read), now))
}

export interface CacheLimits {
  readonly ttl: number
  readonly negativeTtl: number
  readonly max: number
}

const DAY = 86_400
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

/** Checks an option `cache` that must have a `ttl`. */
export function givenLimits(cache: Omit<CacheOptions, 'now'>): CacheLimits {
  const read = readOptions('cache', cache, ['ttl', 'negativeTtl', 'max'])
  if (read.ttl === undefined) throw new TypeError('"cache" must have a "ttl"')
  return cacheLimits(read)
}

/** A verifier with a cache in front of it. The results of the verifier must be checked. */
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

  #verify(key: string, presented: PresentedToken): Verification<I> | Promise<Verification<I>> {
    const kept = this.#find(key)
    if (presented.cacheUse !== undefined) presented.cacheUse.isHit = kept !== undefined
    const known = kept ?? this.#inFlight.get(key)
    if (known !== undefined) return known
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

/** The `expiresAt` of a result can include the clock tolerance of its verifier, and that of its identity does not. */
function earlier({ expiresAt, identity }: Active<Identity<unknown>>): Seconds | undefined {
  if (expiresAt === undefined || identity.expiresAt === undefined) return expiresAt
  return Math.min(expiresAt, identity.expiresAt)
}
