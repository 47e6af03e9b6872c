/** Keeps the keys of one issuer up to date: one attempt at a time, each with a deadline. Requests start it, not timers. */

import { monotonic } from '../../lib/clock.ts'
import { UnavailableError } from '../../model/unavailable.ts'
import type { Seconds } from '../../model/units.ts'
import type { JwksListener } from '../../observe/events.ts'
import { notify } from '../../observe/notify.ts'
import type { VerificationKey } from './jwk.ts'
import type { KeyLoader, LoadedKeys } from './key-loader.ts'
import { EMPTY, isRefreshDue, type KeySetState, usableFor } from './key-set-state.ts'
import { RefreshAttempt } from './refresh-attempt.ts'
import type { RefreshAllowance, RefreshBudget } from './refresh-budget.ts'
import type { RefreshPolicy } from './refresh-policy.ts'

/** The largest number of problems that an event contains. */
const MAX_PROBLEMS = 16
/** How long an attempt waits for a newer set after it loaded an old one. */
const MAX_WAIT: Seconds = 1.5

export interface KeyRefreshOptions {
  readonly issuer: string
  readonly loader: KeyLoader
  readonly policy: RefreshPolicy
  readonly budget: RefreshBudget
  /** The deadline of one attempt. In seconds. */
  readonly timeout: Seconds
  readonly onJwks: JwksListener | undefined
}

/**
 * Holds the keys, and replaces them with those that its loader returns. Requests call `start`. There is no timer, because
 * serverless platforms freeze processes between requests, and a process without requests needs no keys.
 *
 * A refresh that fails changes nothing: the former keys stay in use until `usableUntil` (stale-if-error, RFC 5861 §4).
 *
 * Three things can happen to an attempt besides success and failure:
 * - The runtime drops it with the request that started it, so it never ends. 1 s after its deadline the next request starts
 *   another one. Should the first still end, its sequence number shows that it is superseded, and its result is dropped.
 * - The process stands still, as a frozen function does. The deadline then says nothing about the issuer, so the attempt is
 *   repeated once before it counts as a failure.
 * - It loads a set that is due for a refresh, such as one of a store. That set is used at once, and the attempt goes on.
 */
export class KeyRefresh {
  readonly #options: KeyRefreshOptions
  #state: KeySetState = EMPTY
  /** The sequence number of the latest attempt. The result of an earlier one is dropped. */
  #latest = 0
  /** The latest attempt. It stays here after its end. */
  #attempt: RefreshAttempt | undefined
  #pending: Promise<void> | undefined
  #closed: UnavailableError | undefined

  constructor(options: KeyRefreshOptions) {
    this.#options = options
  }

  /** The keys that are used now. */
  get state(): KeySetState {
    return this.#state
  }

  /** The pending refresh. `undefined` if there is none, or if it must have ended, because the runtime dropped it. */
  get pending(): Promise<void> | undefined {
    return this.#attempt?.isRunning === true ? this.#pending : undefined
  }

  /** Why no refresh can start any more. `undefined` if it is not closed. */
  get closed(): UnavailableError | undefined {
    return this.#closed
  }

  /** Whether a refresh may start: not during the backoff after a failure, and not once it is closed. */
  get mayStart(): boolean {
    return this.#closed === undefined && this.#options.policy.wait === 0
  }

  /**
   * Joins the pending refresh, or starts one. It rejects with `UnavailableError` if it fails.
   * @param allowance what paid for the refresh, if a token with an unknown key causes it
   * @throws UnavailableError if none may start
   */
  start(allowance?: RefreshAllowance): Promise<void> {
    if (this.pending !== undefined) return this.pending
    if (!this.mayStart) throw this.#closed ?? this.#unavailable()
    const pending = this.#run(allowance).finally(() => {
      if (this.#pending === pending) this.#pending = undefined
    })
    // Those who wait for it see the failure. In the background it must not become an unhandled rejection.
    pending.catch(() => {})
    this.#pending = pending
    return pending
  }

  /** Aborts the pending refresh, and allows no more. */
  close(): void {
    this.#closed = new UnavailableError('The gate is closed')
    this.#attempt?.cancel(this.#closed)
  }

  /** @param isRepeated whether the process stood still during the first attempt, which is repeated only once */
  async #run(allowance: RefreshAllowance | undefined, isRepeated = false): Promise<void> {
    const attempt = this.#begin()
    try {
      await this.#load(attempt, allowance)
    } catch (cause) {
      if (this.#isSuperseded(attempt)) return await this.#successor()
      if (attempt.stoodStill && !isRepeated && this.#closed === undefined)
        return await this.#run(allowance, true)
      allowance?.failed()
      throw this.#failed(cause)
    } finally {
      attempt.end()
    }
  }

  /** Begins an attempt. An earlier one that is still pending was dropped by the runtime, and is given up. */
  #begin(): RefreshAttempt {
    const { issuer, timeout } = this.#options
    this.#attempt?.cancel(
      new UnavailableError(
        `This attempt to fetch the JWKS of ${issuer} was cancelled, because a newer one has begun`,
      ),
    )
    this.#latest += 1
    this.#attempt = new RefreshAttempt({ number: this.#latest, issuer, timeout })
    return this.#attempt
  }

  /** Whether a newer attempt has begun. The result of this one may be older, so it must not replace the keys. */
  #isSuperseded({ number }: RefreshAttempt): boolean {
    return number !== this.#latest
  }

  /** Requests that wait for an attempt that was given up wait for the one that replaced it. */
  #successor(): Promise<void> {
    if (this.pending === undefined) throw this.#unavailable()
    return this.pending
  }

  /** Loads a set. If it is due for a refresh, as one of a store may be, asks once more and does not wait for long. */
  async #load(attempt: RefreshAttempt, allowance: RefreshAllowance | undefined): Promise<void> {
    await this.#loadOnce(attempt, allowance)
    if (!isRefreshDue(this.#state, monotonic())) return
    attempt.limit(MAX_WAIT)
    await this.#loadOnce(attempt, allowance)
  }

  /** Loads a set and uses it, unless a newer attempt has begun meanwhile. */
  async #loadOnce(attempt: RefreshAttempt, allowance: RefreshAllowance | undefined): Promise<void> {
    const { loader, budget } = this.#options
    const loaded = await loader.load({ signal: attempt.signal, known: this.#state.keys })
    if (this.#isSuperseded(attempt)) throw this.#unavailable()
    const added = this.#accept(loaded)
    if (added > 0 && allowance !== undefined) budget.payBack(allowance)
    loader.accepted?.(loaded)
  }

  /** Replaces the keys. Returns how many of them are new. */
  #accept(loaded: LoadedKeys): number {
    const { issuer, policy, budget, onJwks } = this.#options
    const { source, keys, problems } = loaded
    const before = this.#state.keys
    const added = keys.filter((key) => !before.includes(key)).length
    const removed = before.filter((key) => !keys.includes(key)).length
    budget.replaced(kidsOf(before), kidsOf(keys))
    policy.succeeded()
    this.#state = { status: 'loaded', keys, ...policy.datesOf(loaded) }
    notify(onJwks, {
      type: 'refreshed',
      issuer,
      source,
      keys: keys.length,
      added,
      removed,
      ignored: problems.length,
      problems: problems.slice(0, MAX_PROBLEMS),
    })
    return added
  }

  /** Reports a failure, and begins the backoff. The keys stay as they are (stale-if-error). */
  #failed(cause: unknown): UnavailableError {
    const { issuer, policy, onJwks } = this.#options
    const failure = cause instanceof UnavailableError ? cause : new UnavailableError(this.#message, { cause })
    policy.failed(failure)
    notify(onJwks, {
      type: 'failed',
      issuer,
      cause: failure,
      retryAfter: policy.wait,
      usableFor: usableFor(this.#state, monotonic()),
    })
    return this.#unavailable()
  }

  /** Creates the error for requests that need the keys. It says when to try again. */
  #unavailable(): UnavailableError {
    const { policy } = this.#options
    const cause = policy.failure
    // The first message names the URL and the status, so that operators need not search the causes.
    const why = cause === undefined || cause.message.startsWith(this.#message) ? '' : `: ${cause.message}`
    return new UnavailableError(this.#message + why, { cause, retryAfter: policy.wait })
  }

  get #message(): string {
    return `Failed to fetch the JWKS of ${this.#options.issuer}`
  }
}

/** Returns the names of keys, to find out which ones a new set adds and removes. */
function kidsOf(keys: readonly VerificationKey[]): ReadonlySet<string> {
  return new Set(keys.map(({ kid }) => kid).filter((kid) => kid !== undefined))
}
