/** The options of caches in front of verifiers, and their bounds. */

import { assertInteger, assertSeconds, readOptions } from '../lib/assert.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { getOwn, isObject } from '../lib/json.ts'
import { received } from '../lib/received.ts'
import type { Seconds } from '../model/units.ts'
import type { ResultStore } from '../state/result-store.ts'

/** The options of `cached`, and of the option `cache` of `opaque` and `introspection`. */
export interface CacheOptions {
  /**
   * How long a result is used. In seconds, 0.001–86,400. Required. In this time, a token is accepted even if it was revoked
   * elsewhere.
   */
  ttl: Seconds
  /**
   * How long a rejection is used. In seconds, 0–86,400. Default 0: rejections are not cached. In this time, a token is rejected
   * even if it has become valid.
   */
  negativeTtl?: Seconds | undefined
  /**
   * How much memory the results may take, by an estimate. In bytes, 65,536–17,179,869,184 (16 GiB). Default 67,108,864 (64
   * MiB). If the cache is full, the least recently used result is removed. Rejections have a separate cache, a tenth as large,
   * so that made-up tokens displace no valid token.
   */
  maxBytes?: number | undefined
  /** The maximum number of results, 1–10,000,000. Default 100,000. For rejections, the maximum is a tenth of this number. */
  max?: number | undefined
  /** The clock, in milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
}

/** The option `cache` of verifiers whose results processes can share. */
export interface SharedCacheOptions extends Omit<CacheOptions, 'now'> {
  /**
   * A store in which processes share results, such as `redisResults` of `@bearergate/redis`. The `ttl` of a result begins when
   * the first process obtained it. A process keeps at most a tenth of `max` rejections in it, so that made-up tokens do not fill
   * it. Default: none, so each process obtains its own results.
   */
  store?: ResultStore | undefined
}

/** The numbers of `CacheOptions`, checked and with defaults. */
export interface CacheLimits {
  /** In seconds. Infinite if only their `expiresAt` ends the results of a cache. */
  readonly ttl: number
  readonly negativeTtl: number
  readonly maxBytes: number
  readonly max: number
}

/**
 * Returns the option `store` of a `cache`.
 * @throws TypeError if it is no store
 */
export function resultStoreOf(cache: SharedCacheOptions | undefined): ResultStore | undefined {
  const store = cache === undefined ? undefined : (getOwn(cache, 'store') as ResultStore | undefined)
  if (store === undefined || (isObject(store) && typeof store.find === 'function')) return store
  throw configurationError(
    'INVALID_OPTION',
    `"cache.store" must be a store of results, such as redisResults(client, { name, secret }), but is ${received(store)}`,
  )
}

/** The limits of a verifier that caches nothing. */
export const UNCACHED: CacheLimits = { ttl: 0, negativeTtl: 0, maxBytes: 1, max: 1 }

const DAY = 86_400
const MEBIBYTE = 1_048_576

/** Checks the limits of a cache. Without `ttl` a result is used until it expires. */
export function cacheLimits(options: Partial<CacheOptions>): CacheLimits {
  return {
    ttl:
      options.ttl === undefined
        ? Number.POSITIVE_INFINITY
        : assertSeconds('ttl', options.ttl, { preset: 0, min: 0.001, max: DAY }),
    negativeTtl: assertSeconds('negativeTtl', options.negativeTtl, { preset: 0, min: 0, max: DAY }),
    maxBytes: assertInteger('maxBytes', options.maxBytes, {
      preset: 64 * MEBIBYTE,
      min: MEBIBYTE / 16,
      max: 16_384 * MEBIBYTE,
    }),
    max: assertInteger('max', options.max, { preset: 100_000, min: 1, max: 10_000_000 }),
  }
}

/**
 * Checks an option `cache` that needs no member.
 * @throws TypeError if an option is unknown or invalid
 */
export function presetLimits(
  cache: Partial<Pick<CacheOptions, 'ttl' | 'maxBytes' | 'max'>> = {},
): CacheLimits {
  return cacheLimits(readOptions('cache', cache, ['ttl', 'maxBytes', 'max']))
}

/**
 * Checks an option `cache` that must have a `ttl`: no default can say how long a revocation elsewhere may go unnoticed.
 * @throws TypeError if an option is unknown, missing or invalid
 */
export function givenLimits(cache: SharedCacheOptions): CacheLimits {
  const read = readOptions('cache', cache, ['ttl', 'negativeTtl', 'maxBytes', 'max', 'store'])
  if (read.ttl === undefined)
    throw configurationError(
      'MISSING_OPTION',
      '"cache" must have a "ttl" in seconds, such as cache: { ttl: 60 }',
    )
  return cacheLimits(read)
}
