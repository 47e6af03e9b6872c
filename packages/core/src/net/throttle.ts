/**
 * Slows requests for unknown callers down while the server answers 429, so that known callers keep their share of its limit.
 */

import { monotonic } from '../lib/clock.ts'
import type { Seconds } from '../model/units.ts'

/**
 * For how many distinct tokens the server must answer 429 within the window before a probe is made. A single token says little.
 */
const MIN_TOKENS = 5
/** How many distinct known tokens need no probe. */
const MIN_KNOWN = 3
const WINDOW: Seconds = 10
/** How often a probe is made, and the limit reduced, at most. */
const INTERVAL: Seconds = 1
/** The lowest limit, in requests per second. */
const MIN_LIMIT = 1
/** The limit grows by one each second, and by its first value in this time. */
const GROWTH: Seconds = 30
/** When the limit ends without another 429. */
const LIMITED_FOR: Seconds = 60
/** How many requests may be made at once: the number that the limit allows in this time. */
const BURST: Seconds = 0.25

/** A response with the status 429 (RFC 6585 §4). */
export interface Rejected {
  /** The hash of the token. */
  readonly hash: string
  readonly known: boolean
  /** Asks about a random token. Returns the `Retry-After` of a 429, and `undefined` for anything else. */
  readonly probe: () => Promise<Seconds | undefined>
}

/**
 * Adapts to the rate limit of a server, which is not known in advance (additive increase, multiplicative decrease).
 *
 * Start: a 429 sets the limit to half of the answers per second before it. Only unknown callers are limited. Their tokens may
 * be made up, and the server counts them against the same limit as those of known callers.
 *
 * Proof: one 429 may be about one token only. So the server must answer 429 for five distinct tokens within 10 s, or for three
 * of known callers. If the tokens are of unknown callers, the server must also answer 429 for a probe with a random token.
 * Otherwise forged tokens that the server rejects by 429 could lock out new callers.
 *
 * End: the limit grows by one request per second each second, and by its first value every 30 s. Without another 429 it ends
 * after 60 s.
 */
export class Throttle {
  /** The limit when it was set, in requests per second. `limit` adds its growth since then. */
  #limit = Number.POSITIVE_INFINITY
  #limitedAt = Number.NEGATIVE_INFINITY
  #limitedUntil = Number.NEGATIVE_INFINITY
  /** The end of the wait that the server asked for with `Retry-After`. */
  #pausedUntil: Seconds = 0
  /** How many requests could be made at `#allowanceAt`. */
  #allowance = 0
  #allowanceAt: Seconds = 0
  /** The tokens for which the server answered 429. */
  readonly #rejected = new RecentTokens(MIN_TOKENS)
  readonly #rejectedKnown = new RecentTokens(MIN_KNOWN)
  #probedAt = Number.NEGATIVE_INFINITY
  readonly #answers = new AnswersPerSecond()

  /** How many requests for unknown callers may be made per second. `undefined` if there is no limit. */
  get limit(): number | undefined {
    const now = monotonic()
    if (now >= this.#limitedUntil) return undefined
    const since = Math.max(0, now - this.#pausedUntil)
    return this.#limit * (1 + since / GROWTH) + since
  }

  /** Returns in how many seconds the next request for an unknown caller may be made. */
  get wait(): Seconds {
    const { limit } = this
    if (limit === undefined) return 0
    const missing = 1 - this.#allowanceOf(limit)
    return Math.max(0, this.#pausedUntil - monotonic(), missing / limit)
  }

  /** Takes one request for an unknown caller, or returns `false` if the limit is reached. */
  tryAcquire(): boolean {
    const { limit } = this
    if (limit === undefined) return true
    if (monotonic() < this.#pausedUntil) return false
    const allowance = this.#allowanceOf(limit)
    if (allowance < 1) return false
    this.#allowance = allowance - 1
    this.#allowanceAt = monotonic()
    return true
  }

  /** Counts an answer about an unknown token other than a 429. The rate of these answers is what the server can do. */
  answered(): void {
    this.#answers.add()
  }

  /** Counts a 429. Makes a probe if it may be a limit for all requests. */
  async rejected({ hash, known, probe }: Rejected): Promise<void> {
    const now = monotonic()
    if (now < this.#pausedUntil || now - this.#limitedAt < INTERVAL) return
    // Known tokens are not forged, so they need no probe. If there is a limit already, one of them is enough.
    if (known && (this.#rejectedKnown.isFullWith(hash) || this.limit !== undefined)) return this.#reduce(0)
    if (!this.#rejected.isFullWith(hash) || now - this.#probedAt < INTERVAL) return
    this.#probedAt = now
    this.#rejected.clear()
    const retryAfter = await probe()
    if (retryAfter !== undefined) this.#reduce(retryAfter)
  }

  /** Halves the limit, and allows no request of unknown callers until the pause is over. */
  #reduce(pause: Seconds): void {
    const now = monotonic()
    this.#limit = Math.max(MIN_LIMIT, (this.limit ?? this.#answers.rate) / 2)
    this.#limitedAt = now
    this.#pausedUntil = now + pause
    this.#limitedUntil = now + pause + LIMITED_FOR
    this.#allowance = 0
    this.#allowanceAt = now
  }

  /** Returns how many requests may be made now. Unused ones add up to a quarter of a second's worth. */
  #allowanceOf(limit: number): number {
    const grown = this.#allowance + (monotonic() - this.#allowanceAt) * limit
    return Math.min(grown, Math.max(1, limit * BURST))
  }
}

/** Counts distinct tokens of the last 10 s. Keeps their hashes, oldest first. */
class RecentTokens {
  readonly #max: number
  readonly #hashes = new Map<string, Seconds>()

  constructor(max: number) {
    this.#max = max
  }

  /** Adds a token. Returns whether the maximum number of distinct tokens is reached. */
  isFullWith(hash: string): boolean {
    const now = monotonic()
    this.#hashes.delete(hash)
    this.#hashes.set(hash, now)
    for (const [oldest, at] of this.#hashes)
      if (at <= now - WINDOW || this.#hashes.size > this.#max) this.#hashes.delete(oldest)
    return this.#hashes.size === this.#max
  }

  clear(): void {
    this.#hashes.clear()
  }
}

/** Counts answers in this second and in the one before. The larger number is the rate, because this second is not over. */
class AnswersPerSecond {
  #second = 0
  #count = 0
  #countBefore = 0

  get rate(): number {
    this.#move()
    return Math.max(this.#count, this.#countBefore)
  }

  add(): void {
    this.#move()
    this.#count += 1
  }

  #move(): void {
    const second = Math.floor(monotonic())
    if (second === this.#second) return
    this.#countBefore = second === this.#second + 1 ? this.#count : 0
    this.#count = 0
    this.#second = second
  }
}
