/**
 * Decides when the keys of an issuer are fetched again, and how long they may be used (RFC 5861 §4, RFC 9111 §5.2.2.1).
 *
 * A loaded set has two dates. From the first date on, requests start a refresh in the background and still use the set. From
 * the second date on, the set must not be used. Users do not notice an outage of the issuer that ends between the two dates.
 */

import { monotonic } from '../../lib/clock.ts'
import type { UnavailableError } from '../../model/unavailable.ts'
import type { Seconds } from '../../model/units.ts'
import { Backoff } from '../../net/backoff.ts'

export const MINUTE: Seconds = 60
export const DAY: Seconds = 86_400
/** How long keys are fresh if neither `cacheMaxAge` nor the issuer's `max-age` is set. */
const DEFAULT_FRESH: Seconds = 600
/** How long keys are usable at least, unless `staleIfError` is set. */
const DEFAULT_USABLE: Seconds = 3600
/** The part of its fresh time after which a set is refreshed. Random, so that processes do not fetch together. */
const REFRESH_AHEAD = { from: 0.7, spread: 0.2 } as const

/** How long the user allows keys to be fresh and usable. In seconds. `undefined` if the user did not set it. */
export interface KeyLifetimes {
  readonly cacheMaxAge: Seconds | undefined
  readonly staleIfError: Seconds | undefined
}

/** The dates of a loaded set, by the monotonic clock. In seconds. */
export interface KeyDates {
  readonly fetchedAt: Seconds
  /** When it is refreshed in the background. */
  readonly refreshAt: Seconds
  /** The end of stale-if-error: without another success it is not used from here on. */
  readonly usableUntil: Seconds
}

/** A set that was fetched some time ago. */
export interface Aged {
  /** Time since the set was fetched. In seconds. */
  readonly age: Seconds
  /** `Cache-Control: max-age` of the issuer's response, less its `Age`. In seconds. */
  readonly maxAge: Seconds | undefined
}

/** Computes the dates of one key set. Remembers failures, for the backoff. */
export class RefreshPolicy {
  readonly #lifetimes: KeyLifetimes
  readonly #backoff = new Backoff()
  #failure: UnavailableError | undefined

  constructor(lifetimes: KeyLifetimes) {
    this.#lifetimes = lifetimes
  }

  /** Whether a set of this age may be used at all. */
  isUsable({ age, maxAge }: Aged): boolean {
    return age < this.#lifetimeOf(maxAge).usable
  }

  /** Returns the dates of a set. The moment of its refresh is random. */
  datesOf({ age, maxAge }: Aged): KeyDates {
    const fetchedAt = monotonic() - age
    const { fresh, usable } = this.#lifetimeOf(maxAge)
    const ahead = REFRESH_AHEAD.from + REFRESH_AHEAD.spread * Math.random()
    return { fetchedAt, refreshAt: fetchedAt + fresh * ahead, usableUntil: fetchedAt + usable }
  }

  /** Returns how long keys are fresh and usable after their fetch. `max-age` never exceeds what the user set. */
  #lifetimeOf(maxAge: Seconds | undefined): { readonly fresh: Seconds; readonly usable: Seconds } {
    const { cacheMaxAge, staleIfError } = this.#lifetimes
    const wanted = maxAge === undefined ? (cacheMaxAge ?? DEFAULT_FRESH) : Math.max(maxAge, MINUTE)
    const fresh = Math.min(wanted, cacheMaxAge ?? DAY, staleIfError ?? DAY)
    return { fresh, usable: staleIfError ?? Math.max(DEFAULT_USABLE, cacheMaxAge ?? fresh) }
  }

  /** The number of attempts that have failed since the last success. */
  get failures(): number {
    return this.#backoff.failures
  }

  /** Why the last attempt failed. `undefined` if it succeeded. */
  get failure(): UnavailableError | undefined {
    return this.#failure
  }

  /** Time until the issuer may be asked again. In seconds. 0 if it may be asked now. */
  get wait(): Seconds {
    return this.#backoff.wait
  }

  /** Ends the backoff. */
  succeeded(): void {
    this.#failure = undefined
    this.#backoff.succeeded()
  }

  /** Begins or extends the backoff. */
  failed(cause: UnavailableError): void {
    this.#failure = cause
    this.#backoff.failed(cause)
  }
}
