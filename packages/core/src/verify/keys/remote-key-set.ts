/**
 * Finds keys among those that an issuer publishes, and decides which tokens cause another fetch (RFC 7517 §5).
 *
 * The parts: `KeyRefresh` holds the keys and runs one attempt at a time. `RefreshPolicy` says when keys are due, and how long
 * to wait after failures. `RefreshBudget` says which tokens with unknown keys may cause a refresh. The loader fetches the set,
 * from the issuer or from a store.
 */

import { raceAbort } from '../../lib/abort.ts'
import { monotonic, timeout } from '../../lib/clock.ts'
import { MAX_SHOWN, quoted } from '../../lib/received.ts'
import { atLimit, UnavailableError } from '../../model/unavailable.ts'
import type { Seconds } from '../../model/units.ts'
import type { JwksListener } from '../../observe/events.ts'
import type { JwksStore } from '../../state/jwks-store.ts'
import type { LoadKeys } from './discovery.ts'
import type { Algorithm, VerificationKey } from './jwk.ts'
import { IssuerKeyLoader, type KeyLoader } from './key-loader.ts'
import { KeyRefresh } from './key-refresh.ts'
import { candidates, type KeySet, type KeySetDescription } from './key-set.ts'
import { describeState, isRefreshDue, isUsable } from './key-set-state.ts'
import { type TryBudgets, tryBudgets } from './key-tries.ts'
import { type KnownCaller, KnownCallers } from './known-callers.ts'
import type { KeySetLimits } from './options.ts'
import { type RefreshAllowance, RefreshBudget } from './refresh-budget.ts'
import { RefreshPolicy } from './refresh-policy.ts'
import { StoredKeyLoader } from './stored-key-loader.ts'

/** How long a token with an unknown key waits for a newer set. */
const MAX_WAIT: Seconds = 1.5
/**
 * How many requests may wait for one refresh. `cold`: there are no keys yet. `known` and `unknown`: there are keys, but not
 * the right one for a token of such a caller. Unknown callers leave room for known ones.
 */
const MAX_WAITING = { cold: 20_000, known: 20_000, unknown: 1_000 } as const

/** The options of a fetched key set. */
export interface RemoteKeySetOptions {
  /** Names the issuer in events and errors. */
  readonly issuer: string
  /** Fetches the document with the keys. */
  readonly fetchKeys: LoadKeys
  readonly algorithms: readonly Algorithm[]
  readonly limits: KeySetLimits
  readonly onJwks?: JwksListener | undefined
  readonly jwksStore?: JwksStore | undefined
  /** The name of the set in the store. Default: the issuer. */
  readonly storedAs?: string | undefined
}

/**
 * Fetches the keys when they are first needed, and refreshes them in the background before they expire. During an outage it
 * uses the last good keys (stale-if-error). Requests start its refreshes, not timers.
 */
export class RemoteKeySet implements KeySet {
  readonly callers: KnownCallers = new KnownCallers()
  readonly tries: TryBudgets = tryBudgets()
  readonly #issuer: string
  readonly #loader: KeyLoader
  readonly #policy: RefreshPolicy
  readonly #budget: RefreshBudget
  readonly #refresh: KeyRefresh
  /** The number of requests that wait for a refresh. */
  #waiting = 0

  constructor(options: RemoteKeySetOptions) {
    const { issuer, limits, onJwks } = options
    this.#issuer = issuer
    this.#policy = new RefreshPolicy(limits)
    this.#budget = new RefreshBudget(limits.cooldown)
    this.#loader = loaderOf(options, this.#policy)
    this.#refresh = new KeyRefresh({
      issuer,
      loader: this.#loader,
      policy: this.#policy,
      budget: this.#budget,
      timeout: limits.timeout,
      onJwks,
    })
  }

  /**
   * Finds the keys that fit a token. Synchronous while the keys are usable, also if they are stale: a request with a known key
   * never waits for a refresh. Without usable keys it waits for the refresh that fetches them.
   */
  find(
    alg: Algorithm,
    kid: string | undefined,
  ): readonly VerificationKey[] | Promise<readonly VerificationKey[]> {
    if (this.#isUsable()) return candidates(this.#keys, alg, kid)
    return this.#load().then(() => candidates(this.#keys, alg, kid))
  }

  /**
   * Looks for a key that the set does not have yet.
   *
   * First it waits for the pending refresh, if there is one. If that does not bring the key, it starts one more refresh, which
   * counts in the budget of the caller. It waits 1.5 s in total.
   *
   * If no refresh is allowed now, it throws, and the answer is 503: the issuer may have the key, so the token may be good. If
   * the issuer has certainly withdrawn the key, it returns an empty list instead, and the answer is 401.
   */
  async search(
    alg: Algorithm,
    kid: string | undefined,
    tried: readonly VerificationKey[],
    caller: KnownCaller | undefined,
  ): Promise<readonly VerificationKey[]> {
    const unseen = () => candidates(this.#keys, alg, kid).filter((key) => !tried.includes(key))
    const until = monotonic() + MAX_WAIT
    const kind = caller === undefined ? 'unknown' : 'known'
    // The refresh that is pending when the token comes may bring a set older than its key. Then one more is needed.
    if (this.#refresh.pending !== undefined) await this.#wait(this.#refresh.pending, kind, until)
    if (unseen().length > 0) return unseen()
    const allowance = this.#budget.allowanceOf(kid, caller)
    const refresh = this.#refresh.pending ?? this.#refreshWithin(allowance)
    if (refresh !== undefined) await this.#wait(refresh, kind, until)
    else if (!this.#budget.isWithdrawn(kid)) throw this.#mustWait(allowance, kid)
    if (unseen().length === 0 && this.#budget.isDisputed(kid)) throw this.#mustWait(allowance, kid)
    return unseen()
  }

  isStillPublished(key: VerificationKey): boolean {
    return this.#isUsable() && this.#keys.includes(key)
  }

  get backgroundWork(): Promise<void> | undefined {
    return this.#refresh.pending?.then(() => this.#loader.backgroundWork) ?? this.#loader.backgroundWork
  }

  /** Also waits until a store has saved the set, because a function may be frozen from then on. */
  async ready(): Promise<void> {
    await this.#load()
    await this.#loader.backgroundWork
  }

  close(): void {
    this.#refresh.close()
  }

  describe(): KeySetDescription {
    const { failures, wait } = this.#policy
    const refetchIn = Math.max(wait, this.#budget.allowanceOf(undefined, undefined).wait)
    return { ...describeState(this.#refresh.state, monotonic()), failures, refetchIn }
  }

  get #keys(): readonly VerificationKey[] {
    return this.#refresh.state.keys
  }

  /** Whether the keys may be used now. If a refresh is due, starts it in the background. */
  #isUsable(): boolean {
    const now = monotonic()
    const { state } = this.#refresh
    if (!isUsable(state, now)) return false
    if (isRefreshDue(state, now) && this.#refresh.mayStart) void this.#refresh.start()
    return true
  }

  /** Waits until there are keys. They may be there although the refresh failed: old ones, from a store. */
  async #load(): Promise<void> {
    if (this.#isUsable()) return
    await this.#wait(this.#refresh.start(), 'cold').catch((cause) => {
      if (!this.#isUsable()) throw cause
    })
  }

  /** @param until by the monotonic clock: when the request gives up. Default: it waits as long as the refresh takes */
  async #wait(refresh: Promise<void>, why: keyof typeof MAX_WAITING, until?: Seconds): Promise<void> {
    if (this.#waiting >= MAX_WAITING[why])
      throw atLimit(`Too many requests are already waiting for the JWKS of ${this.#issuer}`)
    this.#waiting += 1
    try {
      await (until === undefined ? refresh : raceAbort(refresh, timeout(until - monotonic())))
    } catch (cause) {
      if (cause instanceof UnavailableError) throw cause
      throw new UnavailableError(
        `Failed to fetch the JWKS of ${this.#issuer}: no response within ${MAX_WAIT} s`,
        { cause },
      )
    } finally {
      this.#waiting -= 1
    }
  }

  /** Returns `undefined` if the allowance is used up, or the issuer must not be asked yet after a failure. */
  #refreshWithin(allowance: RefreshAllowance): Promise<void> | undefined {
    return this.#refresh.mayStart && allowance.tryAcquire() ? this.#refresh.start(allowance) : undefined
  }

  /** Creates the error for a token whose key may exist, but must not be looked for yet. It says when it may be. */
  #mustWait(allowance: RefreshAllowance, kid: string | undefined): UnavailableError {
    if (this.#refresh.closed !== undefined) return this.#refresh.closed
    const retryAfter = Math.max(this.#policy.wait, allowance.wait)
    const key = kid === undefined ? 'a key' : `the key ${quoted(kid, MAX_SHOWN)}`
    return atLimit(
      `Failed to find ${key} in the JWKS of ${this.#issuer}: no further fetch is allowed yet. The next one is allowed in ${Math.ceil(retryAfter)} s ("cooldown", or the wait after a failed fetch)`,
      { cause: this.#policy.failure, retryAfter },
    )
  }
}

/** Creates the loader: it fetches from the issuer, and asks the store first if there is one. */
function loaderOf(options: RemoteKeySetOptions, policy: RefreshPolicy): KeyLoader {
  const { issuer, fetchKeys, algorithms, limits, onJwks, jwksStore: store, storedAs: name = issuer } = options
  const loader = new IssuerKeyLoader({ fetchKeys, algorithms })
  if (store === undefined) return loader
  return new StoredKeyLoader({
    loader,
    store,
    name,
    algorithms,
    policy,
    timeout: limits.timeout,
    issuer,
    onJwks,
  })
}
