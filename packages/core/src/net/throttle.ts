/** Slows requests for unknown callers down while the server answers 429, so that strangers do not spend what known callers need. */

import { monotonic } from '../lib/clock.ts'
import type { Seconds } from '../model/units.ts'

/** How many distinct tokens must be answered 429 within the window before a probe is made. A single token says little. */
const MIN_TOKENS = 5
/** How many distinct known tokens need no probe. */
const MIN_KNOWN = 3
const WINDOW: Seconds = 10
/** How often a probe is made, and the limit reduced, at most. */
const INTERVAL: Seconds = 1
/** The lowest limit, in requests per second. */
const MIN_LIMIT = 1
/** The limit grows by one each second, and by what it was at first in this time. */
const GROWTH: Seconds = 30
/** When the limit ends without another 429. */
const LIMITED_FOR: Seconds = 60
/** How many requests may be made at once: those of this time. */
const BURST: Seconds = 0.25

/** A response with status 429. */
export interface Rejected {
  /** The hash of the token. */
  readonly hash: string
  readonly known: boolean
  /** Asks about a random token. Returns the `Retry-After` of a 429, and `undefined` for anything else. */
  readonly probe: () => Promise<Seconds | undefined>
}

/**
 * The limit is half of what the server answered in a second before its 429. It grows with time, until the next 429.
 *
 * A 429 counts only if the server rejects random tokens, too: otherwise a forged token could lock out new callers.
 */
export class Throttle {
  /** The limit in requests per second at first, and when it was set. */
  #limit = Number.POSITIVE_INFINITY
  #limitedAt = Number.NEGATIVE_INFINITY
  #limitedUntil = Number.NEGATIVE_INFINITY
  #pausedUntil: Seconds = 0
  /** How many requests may be made now, as of then. */
  #allowance = 0
  #allowanceAt: Seconds = 0
  /** The tokens that were answered 429. */
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

  /** Counts an answer about an unknown token that is no 429. */
  answered(): void {
    this.#answers.add()
  }

  /** Counts a 429. Makes a probe if it may be a limit for all requests. */
  async rejected({ hash, known, probe }: Rejected): Promise<void> {
    const now = monotonic()
    if (now < this.#pausedUntil || now - this.#limitedAt < INTERVAL) return
    // Nobody forges known tokens. If there is a limit already, one of them is enough.
    if (known && (this.#rejectedKnown.isFullWith(hash) || this.limit !== undefined)) return this.#reduce(0)
    if (!this.#rejected.isFullWith(hash) || now - this.#probedAt < INTERVAL) return
    this.#probedAt = now
    this.#rejected.clear()
    const retryAfter = await probe()
    if (retryAfter !== undefined) this.#reduce(retryAfter)
  }

  #reduce(pause: Seconds): void {
    const now = monotonic()
    this.#limit = Math.max(MIN_LIMIT, (this.limit ?? this.#answers.rate) / 2)
    this.#limitedAt = now
    this.#pausedUntil = now + pause
    this.#limitedUntil = now + pause + LIMITED_FOR
    this.#allowance = 0
    this.#allowanceAt = now
  }

  #allowanceOf(limit: number): number {
    const grown = this.#allowance + (monotonic() - this.#allowanceAt) * limit
    return Math.min(grown, Math.max(1, limit * BURST))
  }
}

/** The tokens of the last seconds, oldest first. */
class RecentTokens {
  readonly #max: number
  readonly #hashes = new Map<string, Seconds>()

  constructor(max: number) {
    this.#max = max
  }

  /** Adds a token, and returns whether there are as many as this may be. */
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

/** Counts answers in this second and in the one before. */
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
