/** An issuer's key set: its whole life cycle (RFC 7517 §5). */

import { own } from '../identity.ts'
import { count, number, type Seconds } from '../options.ts'
import { raceAbort, UnusableAnswer } from '../outbound.ts'
import { Unavailable } from '../rejection.ts'
import type { LoadKeys } from './issuer.ts'
import { type Algorithm, importKey, type VerificationKey, verificationKey } from './jwk.ts'

export interface KeySetOptions {
  /** How long fetched keys are fresh, in seconds, 60 to 86,400, where the issuer's `Cache-Control: max-age` does not say. Default 600. */
  freshFor?: Seconds
  /** How long the last known good keys serve after the last success, in seconds, up to 604,800; then 503. Default 3,600. */
  staleFor?: Seconds
  /** In how many seconds the budget of refreshes for unknown keys regains one of its two, 1 to 3,600. Default 30. */
  cooldown?: Seconds
  /** The deadline of one refresh, all of its requests together, in seconds, up to 60. Default 5. */
  timeout?: Seconds
}

export interface KeySet {
  /**
   * The keys that may have made a signature with this algorithm, at once where the set is at hand.
   * @throws Unavailable where there is no set to look in
   */
  find(
    alg: Algorithm,
    kid: string | undefined,
  ): readonly VerificationKey[] | Promise<readonly VerificationKey[]>
  /** Fetches the set again if the budget allows it. Whether there is a newer one now. */
  renew(): Promise<boolean>
  /** Whether what was verified with this key still holds. */
  holds(key: VerificationKey): boolean
}

/** Keys that are given and never change. */
export class FixedKeySet implements KeySet {
  readonly #keys: readonly VerificationKey[]

  constructor(keys: readonly VerificationKey[]) {
    this.#keys = keys
  }

  find(alg: Algorithm, kid: string | undefined): readonly VerificationKey[] {
    return candidates(this.#keys, alg, kid)
  }

  async renew(): Promise<boolean> {
    return false
  }

  holds(): boolean {
    return true
  }
}

function candidates(
  keys: readonly VerificationKey[],
  alg: Algorithm,
  kid: string | undefined,
): readonly VerificationKey[] {
  return keys.filter((key) => key.algorithms.includes(alg) && (kid === undefined || key.kid === kid))
}

const MINUTE = 60
const DAY = 86_400
const MAX_KEYS = 64
const BUDGET = 2
const MAX_BACKOFF = 60

export interface KeyLifetimes {
  readonly freshFor: Seconds
  readonly staleFor: Seconds
  readonly cooldown: Seconds
  readonly timeout: Seconds
}

export function keyLifetimes(options: KeySetOptions): KeyLifetimes {
  const freshFor = number('freshFor', options.freshFor, { preset: 600, min: MINUTE, max: DAY })
  return {
    freshFor,
    staleFor: number('staleFor', options.staleFor, {
      preset: Math.max(3600, freshFor),
      min: freshFor,
      max: 7 * DAY,
    }),
    cooldown: count('cooldown', options.cooldown, { preset: 30, min: 1, max: 3600 }),
    timeout: number('timeout', options.timeout, { preset: 5, min: 0.001, max: 60 }),
  }
}

/**
 * The keys that an issuer publishes. Fetched when they are first needed, refreshed ahead of their time in the
 * background, kept through an outage up to a bound, and never fetched twice at once. There are no timers: requests
 * drive it. Lifetimes are measured by the monotonic clock.
 */
export class IssuerKeySet implements KeySet {
  readonly #load: LoadKeys
  readonly #allowed: readonly Algorithm[]
  readonly #lifetimes: KeyLifetimes
  #keys: readonly VerificationKey[] = []
  #refreshAt = 0
  #staleAt = 0
  #refreshing: Promise<void> | undefined
  #failures = 0
  #lastFailure: Unavailable | undefined
  #retryAt = 0
  #budget = BUDGET
  #budgetFrom = 0

  constructor(load: LoadKeys, allowed: readonly Algorithm[], lifetimes: KeyLifetimes) {
    this.#load = load
    this.#allowed = allowed
    this.#lifetimes = lifetimes
  }

  find(
    alg: Algorithm,
    kid: string | undefined,
  ): readonly VerificationKey[] | Promise<readonly VerificationKey[]> {
    if (this.#isUsable()) return candidates(this.#keys, alg, kid)
    return this.#refresh().then(() => candidates(this.#keys, alg, kid))
  }

  async renew(): Promise<boolean> {
    if (this.#refreshing === undefined && !this.#spend()) return false
    try {
      await this.#refresh()
      return true
    } catch {
      return false
    }
  }

  holds(key: VerificationKey): boolean {
    return this.#isUsable() && this.#keys.includes(key)
  }

  /** Whether the set may be used; where it is getting old, a refresh is under way in the background. */
  #isUsable(): boolean {
    const now = seconds()
    if (now >= this.#staleAt) return false
    if (now >= this.#refreshAt && now >= this.#retryAt) this.#refresh().catch(() => {})
    return true
  }

  #spend(): boolean {
    const now = seconds()
    const regained = Math.floor((now - this.#budgetFrom) / this.#lifetimes.cooldown)
    if (this.#budget + regained >= BUDGET) {
      this.#budget = BUDGET
      this.#budgetFrom = now
    } else {
      this.#budget += regained
      this.#budgetFrom += regained * this.#lifetimes.cooldown
    }
    if (this.#budget === 0 || now < this.#retryAt) return false
    this.#budget -= 1
    return true
  }

  #refresh(): Promise<void> {
    if (this.#refreshing !== undefined) return this.#refreshing
    const wait = this.#retryAt - seconds()
    if (wait > 0)
      return Promise.reject(
        new Unavailable('The issuer is given time to recover', {
          retryAfter: wait,
          cause: this.#lastFailure,
        }),
      )
    this.#refreshing = this.#fetch().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  async #fetch(): Promise<void> {
    const signal = AbortSignal.timeout(this.#lifetimes.timeout * 1000)
    try {
      const { body, maxAge } = await raceAbort(this.#load(signal), signal)
      this.#keys = await this.#usable(own(body, 'keys'))
      this.#succeeded(maxAge)
    } catch (cause) {
      throw this.#failed(cause)
    }
  }

  /** The usable keys of a set, each judged by itself. What an earlier set had too stays the same object. */
  async #usable(jwks: unknown): Promise<readonly VerificationKey[]> {
    if (!Array.isArray(jwks)) throw new UnusableAnswer('The key set has no "keys"')
    const found = jwks
      .slice(0, MAX_KEYS)
      .map((jwk) => verificationKey(jwk, this.#allowed, 'refuse-secrets'))
      .filter((key) => typeof key !== 'string')
      .map((key) => this.#keys.find(({ id }) => id === key.id) ?? key)
    const imported = await Promise.all(
      found.map((key) =>
        importKey(key).then(
          () => key,
          () => undefined,
        ),
      ),
    )
    const keys = imported.filter((key) => key !== undefined)
    if (keys.length === 0) throw new UnusableAnswer('The key set has no usable key')
    return keys
  }

  #succeeded(maxAge: Seconds | undefined): void {
    const now = seconds()
    const { freshFor, staleFor } = this.#lifetimes
    const fresh = maxAge === undefined ? freshFor : Math.min(Math.max(maxAge, MINUTE), DAY)
    this.#refreshAt = now + fresh * (0.7 + 0.2 * Math.random())
    this.#staleAt = now + Math.max(staleFor, fresh)
    this.#failures = 0
    this.#retryAt = 0
  }

  #failed(cause: unknown): Unavailable {
    const failure =
      cause instanceof Unavailable
        ? cause
        : new Unavailable('The keys of the issuer cannot be had', { cause })
    const backoff = Math.min(2 ** this.#failures, MAX_BACKOFF) * (0.75 + 0.5 * Math.random())
    const wait = Math.min(Math.max(backoff, failure.retryAfter), MAX_BACKOFF)
    this.#failures += 1
    this.#retryAt = seconds() + wait
    this.#lastFailure = failure
    return new Unavailable('The keys of the issuer cannot be had', { cause: failure, retryAfter: wait })
  }
}

function seconds(): Seconds {
  return performance.now() / 1000
}
