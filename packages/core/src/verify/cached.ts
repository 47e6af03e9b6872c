/** An LRU cache around any verifier, with one verification in flight for each token. */

import { assertFunction, assertInteger, assertNumber, readOptions } from '../lib/assert.ts'
import { monotonic, secondsOf, now as systemNow } from '../lib/clock.ts'
import { type Lru, lru } from '../lib/lru.ts'
import { isPromiseLike, mapMaybe } from '../lib/promise.ts'
import type { Identity } from '../model/identity.ts'
import type { Seconds } from '../model/units.ts'
import { InFlight, SHARED_FOR } from '../net/single-flight.ts'
import { validateResult } from './checked.ts'
import { PresentedToken } from './presented.ts'
import {
  type Active,
  type CanVerify,
  type Inactive,
  type TokenVerifier,
  tokenVerifier,
  type Verification,
} from './verifier.ts'

export interface CacheOptions {
  /** How long a result may be used, in seconds, up to 86,400: how long a revocation elsewhere may go unseen. */
  ttl: Seconds
  /** How long a refusal may be used, in seconds, up to 86,400. Default 0: refusals are not kept. */
  negativeTtl?: Seconds | undefined
  /** How many results are kept at most, 1 to 1,000,000. Default 10,000. Refusals have room of their own, a tenth of it. */
  max?: number | undefined
  /** The clock, in milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
}

interface Kept<V> {
  readonly verification: V
  /** By the monotonic clock, in seconds. */
  readonly until: number
}

/**
 * Keeps the results of a verifier, bounded in number and in time, and never past the `expiresAt` of a result.
 *
 * A result is kept under the SHA-256 of the token; identities are frozen, for requests share them. Concurrent
 * requests with the same token wait for one verification. That the verifier could not tell is never kept.
 * @throws TypeError where an option is impossible
 */
export function cached<I extends Identity<unknown> = Identity>(
  verifier: TokenVerifier<I>,
  options: CacheOptions,
): TokenVerifier<I> {
  tokenVerifier('verifier', verifier)
  const read = readOptions('cached', options, ['ttl', 'negativeTtl', 'max', 'now'])
  if (read.ttl === undefined) throw new TypeError('"ttl" must be given')
  return new Cache(verifier, cacheLimits(read), assertFunction('now', read.now, systemNow))
}

export interface CacheLimits {
  readonly ttl: number
  readonly negativeTtl: number
  readonly max: number
}

const DAY = 86_400
const MAX_IN_FLIGHT = 20_000

/** Checks the limits of a cache; without `ttl` a result is kept as long as it is good. */
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

/** The limits of a cache that is off unless it is given, and then has a `ttl`. */
export function givenLimits(cache: Omit<CacheOptions, 'now'>): CacheLimits {
  const read = readOptions('cache', cache, ['ttl', 'negativeTtl', 'max'])
  if (read.ttl === undefined) throw new TypeError('"cache" must have a "ttl"')
  return cacheLimits(read)
}

export class Cache<I extends Identity<unknown>> implements TokenVerifier<I> {
  readonly #verifier: TokenVerifier<I>
  readonly #limits: CacheLimits
  readonly #now: () => number
  readonly #active: Lru<Kept<Active<I>>>
  readonly #inactive: Lru<Kept<Inactive>>
  readonly #inFlight = new InFlight<Verification<I>>(MAX_IN_FLIGHT)

  constructor(verifier: TokenVerifier<I>, limits: CacheLimits, now: () => number) {
    this.#verifier = verifier
    this.#limits = limits
    this.#now = now
    this.#active = lru({ max: limits.max })
    this.#inactive = lru({ max: Math.ceil(limits.max / 10) })
  }

  canVerify(token: string, presented?: PresentedToken): CanVerify | Promise<CanVerify> {
    return this.#verifier.canVerify?.(token, presented)
  }

  get issuers(): readonly string[] {
    return this.#verifier.issuers ?? []
  }

  verify(token: string, presented = new PresentedToken(token)): Verification<I> | Promise<Verification<I>> {
    return mapMaybe(presented.hash, (hash) => this.#verify(hash, presented))
  }

  getCached(hash: string): Active<I> | undefined {
    const kept = this.#active.get(hash)
    if (kept === undefined) return undefined
    if (this.#isUsable(kept)) return kept.verification
    this.#active.delete(hash)
    return undefined
  }

  isStillValid(verification: Active<I>): boolean {
    return this.#verifier.isStillValid?.(verification) ?? true
  }

  get backgroundWork(): Promise<unknown> | undefined {
    return this.#verifier.backgroundWork
  }

  async ready(): Promise<void> {
    await this.#verifier.ready?.()
  }

  close(): void {
    this.#verifier.close?.()
  }

  describe(): object {
    const cache = { max: this.#limits.max, entries: this.#active.size + this.#inactive.size }
    return { ...this.#verifier.describe?.(), cache }
  }

  #verify(key: string, presented: PresentedToken): Verification<I> | Promise<Verification<I>> {
    const kept = this.#find(key) ?? this.#inFlight.get(key)
    if (kept !== undefined) return kept
    const began = monotonic()
    const result = this.#verifier.verify(presented.text, presented)
    if (!isPromiseLike(result)) return this.#keep(key, result, began)
    const settle = (settled: Verification<I>) =>
      // So late that another one may have begun since, and ended: which is newer, nobody knows.
      monotonic() - began < SHARED_FOR ? this.#keep(key, settled, began) : validateResult(settled, this.#now)
    return this.#inFlight.add(key, Promise.resolve(result).then(settle))
  }

  #find(key: string): Verification<I> | undefined {
    const active = this.getCached(key)
    if (active !== undefined) return active
    const refused = this.#limits.negativeTtl > 0 ? this.#inactive.get(key) : undefined
    return refused !== undefined && monotonic() < refused.until ? refused.verification : undefined
  }

  #isUsable({ verification, until }: Kept<Active<I>>): boolean {
    const { expiresAt } = verification
    if (until !== Number.POSITIVE_INFINITY && monotonic() >= until) return false
    if (expiresAt !== undefined && secondsOf(this.#now) >= expiresAt) return false
    return this.isStillValid(verification)
  }

  #keep(key: string, given: Verification<I>, began: number): Verification<I> {
    const { ttl, negativeTtl } = this.#limits
    const verification = validateResult(given, this.#now)
    const kept = verification.active ? ttl : negativeTtl
    if (kept === 0) return verification
    const until = began + kept
    if (verification.active) this.#active.set(key, { verification, until })
    else this.#inactive.set(key, { verification, until })
    return verification
  }
}
