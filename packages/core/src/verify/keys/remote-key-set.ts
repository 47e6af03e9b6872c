/** An issuer's key set: its whole life cycle (RFC 7517 §5). */

import { raceAbort } from '../../lib/abort.ts'
import { assertInteger, assertNumber } from '../../lib/assert.ts'
import { monotonic, now, timeout } from '../../lib/clock.ts'
import { getOwn } from '../../lib/json.ts'
import { UnavailableError } from '../../model/unavailable.ts'
import type { Seconds } from '../../model/units.ts'
import { askedWait } from '../../net/fetch-json.ts'
import type { JwksListener } from '../../observe/events.ts'
import { notify } from '../../observe/notify.ts'
import { type JwksStore, StoredJwksOfIssuer } from '../../state/jwks-store.ts'
import type { LoadKeys } from './discovery.ts'
import type { Algorithm, VerificationKey } from './jwk.ts'
import {
  candidates,
  described,
  type KeySet,
  type KeySetDescription,
  type UsableKeys,
  usableKeys,
} from './jwks.ts'
import { type TryBudgets, tryBudgets } from './key-tries.ts'
import { type KnownCaller, KnownCallers } from './known-callers.ts'
import { type RefreshAllowance, RefreshBudget } from './refresh-budget.ts'
import { RefreshPolicy } from './refresh-policy.ts'

export interface KeySetOptions {
  /**
   * How long fetched keys are fresh. They are fetched again, in the background, when 70 to 90 % of that has passed. In
   * seconds, 60 to 86,400. The issuer's `Cache-Control: max-age` can shorten it to 60 s, but never extend it.
   * Default: what `max-age` says, from 60 s to 24 h, or 600 without one, and never more than `staleIfError`.
   */
  cacheMaxAge?: Seconds | undefined
  /**
   * How long keys are used after they were fetched, if the issuer is unavailable. After that the answer is 503. In seconds,
   * from 60 or `cacheMaxAge` to 604,800. No `max-age` extends it. Default 3,600, or as long as keys are fresh if that is longer.
   */
  staleIfError?: Seconds | undefined
  /**
   * How fast the budgets for unknown keys refill. A whole number of seconds, 1 to 3,600. Default 30. If less, new keys are
   * found sooner while somebody forges tokens, and the issuer can be asked more often.
   *
   * A token whose key is not in the set has the set fetched again. For that there are three budgets.
   * - Known callers, of whom a token was verified before (by `sub` and `client_id`): each may cause one fetch per `cooldown`,
   *   and all of them together two, and one more per 5 s, or per `cooldown` if that is shorter.
   * - Tokens with a `kid` that an earlier set had: two fetches, and one more per `cooldown`.
   * - All other tokens: two fetches, and one more per `cooldown`.
   *
   * A fetch that brings a new key is paid back, once per `cooldown`. So tokens with made-up key ids cause at most 2 fetches
   * and one more per `cooldown`, and delay no new key of a known caller. An attacker who knows subjects of yours can name
   * them in forged tokens. That delays a new key by up to 5 s, or by up to `cooldown` if no other caller sends a token. By
   * default, an attacker who knows many subjects and an old key id causes at most 6 fetches at once, and 16 a minute more.
   *
   * While its budget is used up, such a token is answered 503 with `Retry-After`. The exceptions are 401: a wrong signature
   * under a `kid` of the set, and a `kid` that the issuer's sets have lacked for a minute.
   */
  cooldown?: Seconds | undefined
  /** The deadline of one refresh, all of its requests together, in seconds, up to 60. Default 5. */
  timeout?: Seconds | undefined
  /**
   * Where key sets are kept between processes, such as the isolates of a Worker or the instances of a function, so that a new
   * one need not fetch them. Whoever can write there decides which tokens are good. Default: nowhere.
   */
  jwksStore?: JwksStore | undefined
  /**
   * Told of each attempt to fetch the keys: what came of it, and which entries of the set are not used, and why. And of each
   * set that came from the `jwksStore`, and each time that this failed.
   */
  onJwks?: JwksListener | undefined
}

const MINUTE = 60
const DAY = 86_400
const MAX_PROBLEMS = 16
/** How much longer than its deadline a refresh may take to end, in seconds. */
const GRACE: Seconds = 1
/** How much later than its deadline an attempt ends where the process stood still meanwhile, in seconds. */
const LATE: Seconds = 0.25
/** How long a newer set is waited for: by a token with an unknown key, and where a store has a set that is getting old. */
const MAX_WAIT: Seconds = 1.5
/**
 * How many requests may wait for one refresh: if there are no keys yet, and if there are, but not the right one. Strangers
 * leave room for known callers.
 */
const MAX_WAITING = { cold: 20_000, known: 20_000, unknown: 1_000 } as const

export interface KeyLifetimes {
  /** Of these two, what the user did not set is `undefined`. */
  readonly cacheMaxAge: Seconds | undefined
  readonly staleIfError: Seconds | undefined
  readonly cooldown: Seconds
  readonly timeout: Seconds
}

export function keyLifetimes(options: KeySetOptions): KeyLifetimes {
  const { cacheMaxAge, staleIfError } = options
  assertNumber('cacheMaxAge', cacheMaxAge, { preset: 600, min: MINUTE, max: DAY })
  assertNumber('staleIfError', staleIfError, { preset: 3600, min: cacheMaxAge ?? MINUTE, max: 7 * DAY })
  return {
    cacheMaxAge,
    staleIfError,
    cooldown: assertInteger('cooldown', options.cooldown, { preset: 30, min: 1, max: 3600 }),
    timeout: assertNumber('timeout', options.timeout, { preset: 5, min: 0.001, max: 60 }),
  }
}

/** How long keys are fresh and usable after their fetch. The issuer's `max-age` never exceeds what the user set. */
function lifetimeOf(
  { cacheMaxAge, staleIfError }: KeyLifetimes,
  maxAge: Seconds | undefined,
): { readonly fresh: Seconds; readonly usable: Seconds } {
  const said = maxAge === undefined ? (cacheMaxAge ?? 600) : Math.max(maxAge, MINUTE)
  const fresh = Math.min(said, cacheMaxAge ?? DAY, staleIfError ?? DAY)
  return { fresh, usable: staleIfError ?? Math.max(3600, cacheMaxAge ?? fresh) }
}

function kidsOf(keys: readonly VerificationKey[]): ReadonlySet<string> {
  return new Set(keys.map(({ kid }) => kid).filter((kid) => kid !== undefined))
}

/**
 * The keys that an issuer publishes. Fetched when they are first needed, refreshed ahead of their time in the
 * background, kept through an outage up to a bound, and never fetched twice at once. There are no timers: requests
 * drive it. Lifetimes are measured by the monotonic clock.
 */
export class IssuerKeySet implements KeySet {
  readonly callers: KnownCallers = new KnownCallers()
  readonly tries: TryBudgets = tryBudgets()
  readonly #issuer: string
  readonly #load: LoadKeys
  readonly #allowed: readonly Algorithm[]
  readonly #lifetimes: KeyLifetimes
  readonly #listener: JwksListener | undefined
  readonly #stored: StoredJwksOfIssuer
  readonly #pacing = new RefreshPolicy()
  readonly #budget: RefreshBudget
  #closed: UnavailableError | undefined
  #abort: AbortController | undefined
  #keys: readonly VerificationKey[] = []
  #fetchedAt: Seconds | undefined
  #refreshAt = 0
  #staleAt = 0
  #refreshing: Promise<void> | undefined
  #waiting = 0
  /** Why the last attempt failed, if it did. */
  #failure: UnavailableError | undefined
  /** By then the refresh that is under way has ended, unless the runtime ended the request that it belonged to. */
  #refreshingUntil = 0

  constructor(
    issuer: string,
    load: LoadKeys,
    allowed: readonly Algorithm[],
    lifetimes: KeyLifetimes,
    listener: JwksListener | undefined,
    store?: JwksStore,
    name: string = issuer,
  ) {
    this.#stored = new StoredJwksOfIssuer(store, name, lifetimes.timeout, (operation, cause) =>
      notify(listener, { type: 'store_failed', issuer, operation, cause }),
    )
    this.#issuer = issuer
    this.#load = load
    this.#allowed = allowed
    this.#lifetimes = lifetimes
    this.#listener = listener
    this.#budget = new RefreshBudget(lifetimes.cooldown)
  }

  find(
    alg: Algorithm,
    kid: string | undefined,
  ): readonly VerificationKey[] | Promise<readonly VerificationKey[]> {
    if (this.#isUsable()) return candidates(this.#keys, alg, kid)
    return this.#have().then(() => candidates(this.#keys, alg, kid))
  }

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
    if (this.#current !== undefined) await this.#wait(this.#current, kind, until)
    if (unseen().length > 0) return unseen()
    const allowance = this.#budget.allowanceOf(kid, caller)
    const refresh = this.#current ?? this.#refreshWithin(allowance)
    if (refresh !== undefined) await this.#wait(refresh, kind, until)
    else if (!this.#budget.isWithdrawn(kid)) throw this.#mustWait(allowance)
    if (unseen().length === 0 && this.#budget.isDisputed(kid)) throw this.#mustWait(allowance)
    return unseen()
  }

  isStillPublished(key: VerificationKey): boolean {
    return this.#isUsable() && this.#keys.includes(key)
  }

  /** And has a store kept what was fetched: a function may stand still from then on. */
  async ready(): Promise<void> {
    await this.#have()
    await this.#stored.underWay
  }

  async #have(): Promise<void> {
    if (this.#isUsable()) return
    await this.#wait(this.#refresh(), 'cold').catch((cause) => {
      if (!this.#isUsable()) throw cause
    })
  }

  close(): void {
    this.#closed = new UnavailableError('The gate is closed')
    this.#abort?.abort(this.#closed)
  }

  describe(): KeySetDescription {
    const now = monotonic()
    const aged = now >= this.#staleAt ? 'expired' : now >= this.#refreshAt ? 'stale' : 'fresh'
    return {
      state: this.#fetchedAt === undefined ? 'empty' : aged,
      keys: described(this.#keys),
      age: this.#fetchedAt === undefined ? undefined : now - this.#fetchedAt,
      usableFor: Math.max(0, this.#staleAt - now),
      failures: this.#pacing.failures,
    }
  }

  /** Whether the set may be used; where it is getting old, a refresh is under way in the background. */
  #isUsable(): boolean {
    const now = monotonic()
    if (now >= this.#staleAt) return false
    if (now >= this.#refreshAt && this.#current === undefined && this.#mayAsk) void this.#refresh()
    return true
  }

  get backgroundWork(): Promise<void> | undefined {
    return this.#current?.then(() => this.#stored.underWay) ?? this.#stored.underWay
  }

  /** The refresh that is under way, if one is. */
  get #current(): Promise<void> | undefined {
    return monotonic() < this.#refreshingUntil ? this.#refreshing : undefined
  }

  async #wait(refresh: Promise<void>, why: keyof typeof MAX_WAITING, until?: Seconds): Promise<void> {
    if (this.#waiting >= MAX_WAITING[why])
      throw new UnavailableError('Too many requests wait for the keys of the issuer')
    this.#waiting += 1
    try {
      await (until === undefined ? refresh : raceAbort(refresh, timeout(until - monotonic())))
    } catch (cause) {
      throw cause instanceof UnavailableError
        ? cause
        : new UnavailableError('The keys of the issuer did not come in time', { cause })
    } finally {
      this.#waiting -= 1
    }
  }

  get #mayAsk(): boolean {
    return this.#pacing.wait === 0 && this.#closed === undefined
  }

  /** Returns `undefined` if the allowance is used up, or the issuer must not be asked yet after a failure. */
  #refreshWithin(allowance: RefreshAllowance): Promise<void> | undefined {
    return this.#mayAsk && allowance.tryAcquire() ? this.#refresh(allowance) : undefined
  }

  #mustWait(allowance: RefreshAllowance): UnavailableError {
    if (this.#closed !== undefined) return this.#closed
    return new UnavailableError(
      `Failed to find a key in the JWKS of ${this.#issuer}: it may not be fetched again yet`,
      {
        cause: this.#failure,
        retryAfter: Math.max(this.#pacing.wait, allowance.wait),
      },
    )
  }

  /** @param allowance what paid for the refresh, if a token with an unknown key causes it */
  #refresh(allowance?: RefreshAllowance): Promise<void> {
    if (this.#current !== undefined) return this.#current
    if (!this.#mayAsk) throw this.#closed ?? this.#unavailable(this.#failure)
    // One that should have ended long ago, as in a process that was frozen, is given up.
    this.#abort?.abort(new UnavailableError('The refresh took too long'))
    const refreshing = this.#fetch(allowance).finally(() => {
      if (this.#refreshing === refreshing) this.#refreshing = undefined
    })
    // Whoever waits hears of a failure; in the background nobody does.
    refreshing.catch(() => {})
    this.#refreshing = refreshing
    return refreshing
  }

  #unavailable(cause: UnavailableError | undefined): UnavailableError {
    return new UnavailableError('The keys of the issuer cannot be had', {
      cause,
      retryAfter: this.#pacing.wait,
    })
  }

  /** @param isAgain where the process stood still during the first attempt */
  async #fetch(allowance?: RefreshAllowance, isAgain = false): Promise<void> {
    const due = monotonic() + this.#lifetimes.timeout
    this.#refreshingUntil = due + GRACE
    const abort = new AbortController()
    const deadline = timeout(this.#lifetimes.timeout)
    const late = () => abort.abort(new UnavailableError('The issuer did not answer in time'))
    deadline.addEventListener('abort', late)
    this.#abort = abort
    try {
      if (this.#fetchedAt === undefined && (await this.#recover())) {
        if (monotonic() < this.#refreshAt) return
        // What is not fresh any more is only there in case that the issuer cannot be asked, and then no request waits for long.
        timeout(MAX_WAIT).addEventListener('abort', late)
      }
      if (this.#closed !== undefined) throw this.#closed
      const { body, maxAge } = await raceAbort(this.#load(abort.signal), abort.signal)
      const published = getOwn(body, 'keys')
      const usable = await usableKeys(published, this.#allowed, this.#keys)
      if (this.#abort !== abort) throw this.#unavailable(this.#failure)
      const added = this.#succeeded('issuer', usable, maxAge)
      if (added > 0 && allowance !== undefined) this.#budget.payBack(allowance)
      this.#stored.keep({ keys: published as readonly unknown[], fetchedAt: now(), maxAge })
    } catch (cause) {
      if (this.#abort !== abort) return this.#instead()
      const stoodStill = monotonic() > due + LATE && this.#closed === undefined
      if (stoodStill && !isAgain) return await this.#fetch(allowance, true)
      allowance?.failed()
      throw this.#failed(cause)
    } finally {
      deadline.removeEventListener('abort', late)
    }
  }

  /** Who waited for an attempt that was given up waits for the one that took its place. */
  #instead(): Promise<void> {
    if (this.#current === undefined) throw this.#unavailable(this.#failure)
    return this.#current
  }

  /** Whether keys that another process fetched could be used. */
  async #recover(): Promise<boolean> {
    try {
      const kept = await this.#stored.get()
      if (kept === undefined || kept.age >= lifetimeOf(this.#lifetimes, kept.maxAge).usable) return false
      const usable = await usableKeys(kept.keys, this.#allowed, this.#keys)
      // What was fetched meanwhile is newer.
      if (this.#fetchedAt !== undefined) return false
      this.#succeeded('store', usable, kept.maxAge, kept.age)
      return true
    } catch (cause) {
      this.#stored.failed('get', cause)
      return false
    }
  }

  /** Returns how many keys are new. */
  #succeeded(
    source: 'issuer' | 'store',
    { keys, problems }: UsableKeys,
    maxAge: Seconds | undefined,
    age: Seconds = 0,
  ): number {
    const now = monotonic() - age
    const { fresh, usable } = lifetimeOf(this.#lifetimes, maxAge)
    const event = {
      issuer: this.#issuer,
      source,
      keys: keys.length,
      added: keys.filter((key) => !this.#keys.includes(key)).length,
      removed: this.#keys.filter((key) => !keys.includes(key)).length,
      ignored: problems.length,
      problems: problems.slice(0, MAX_PROBLEMS),
    }
    this.#budget.replaced(kidsOf(this.#keys), kidsOf(keys))
    this.#keys = keys
    this.#fetchedAt = now
    this.#refreshAt = now + fresh * (0.7 + 0.2 * Math.random())
    this.#staleAt = now + usable
    this.#failure = undefined
    this.#pacing.succeeded()
    notify(this.#listener, { type: 'refreshed', ...event })
    return event.added
  }

  #failed(cause: unknown): UnavailableError {
    this.#failure =
      cause instanceof UnavailableError
        ? cause
        : new UnavailableError('The keys of the issuer cannot be had', { cause })
    this.#pacing.failed(askedWait(this.#failure))
    const { wait } = this.#pacing
    const usableFor = Math.max(0, this.#staleAt - monotonic())
    notify(this.#listener, {
      type: 'failed',
      issuer: this.#issuer,
      cause: this.#failure,
      retryAfter: wait,
      usableFor,
    })
    return this.#unavailable(this.#failure)
  }
}
