/** A circuit breaker: makes calls to a server, records their results, and rejects calls while the server is down. */

import { raceAbort } from '../lib/abort.ts'
import { monotonic } from '../lib/clock.ts'
import { UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'
import { askedWait } from './fetch-json.ts'

/** How many distinct tokens must fail within the window before a probe is made. Its token is the fifth. */
const MIN_FAILURES = 4
/** How long a failure counts, and how long the circuit stays closed after proof that the server is up. */
const WINDOW: Seconds = 10
/** The time between two trials while the circuit is open. */
const TRIAL_INTERVAL: Seconds = 5

/**
 * - `closed`: calls pass.
 * - `half-open`: a trial call runs, which decides whether calls pass again.
 * - `open`: calls are rejected until the next trial is due.
 */
export type CircuitState = 'closed' | 'half-open' | 'open'

/**
 * The conclusion from a failed call. `up` if the token caused it, `unclear` if the server was not asked. `limited` if
 * it is up, but rejected the call because of its load, which says nothing to the other lanes.
 */
export type Verdict = 'up' | 'limited' | 'down' | 'unclear'

export interface LaneOptions {
  /**
   * Whether a result proves to the other lanes as well that the server is up. Default: each result proves it, and so does each
   * failure that the token caused. With this function, a failure that the token caused proves it to this lane only.
   */
  readonly provesAll?: (result: unknown) => boolean
  /**
   * Whether a successful probe proves that the server is up for the callers of this lane, so that the circuit stays closed for
   * the whole window of 10 s. Default `true`. With `false`, the circuit closes, but five new failures open it again at once: a
   * probe sends a random token, and a server may answer random tokens while it hangs for real ones.
   */
  readonly trustsProbes?: boolean
}

export interface Call<T> {
  /** The hash of the token that the call is about. */
  readonly hash: string
  /** Ends the wait for a probe. */
  readonly signal: AbortSignal
  readonly call: () => Promise<T>
  /** The same call about a random token, with a deadline of its own. */
  readonly probe: () => Promise<unknown>
}

/**
 * The error for a call that the open circuit rejected. The server was not asked. `retryAfter` is the time until the next
 * trial.
 */
export class CircuitOpenError extends UnavailableError {}

/** `retryAt` is when the next trial may start. It also replaces a trial that a runtime dropped, which never ends. */
type State = { readonly name: 'closed' } | { readonly name: 'half-open' | 'open'; readonly retryAt: Seconds }

const CLOSED: State = { name: 'closed' }

/**
 * Stops calls to a server that is down, so that requests get their 503 at once instead of after a timeout.
 *
 * Opening: the circuit opens if five distinct tokens failed within 10 s and nothing proves that the server is up. The last
 * of them is a trial, whose result the other callers wait for. If the lane trusts probes, the trial is a probe: a random
 * token that no client sent. A server may fail for forged tokens and be up for all others, so forged tokens alone cannot
 * open it. Distinct tokens count, because a client may repeat the one token that the server cannot handle.
 *
 * Closing: while the circuit is open, one trial runs every 5 s. Trials alternate between a caller's own token and a probe.
 * Only the callers' tokens would not do, because forged ones could win every turn. Only probes would not do either, because a
 * server may fail for every token that it did not issue.
 *
 * Lanes: known and unknown callers have a circuit each. A server may be up for one kind and down for the other, for example
 * if it limits the rate of unknown tokens. A result that proves the server up for all callers closes all lanes.
 */
export class CircuitBreaker {
  readonly #verdictOf: (cause: unknown) => Verdict
  readonly #lanes: Set<CircuitBreaker>
  readonly #provesAll: ((result: unknown) => boolean) | undefined
  readonly #trustsProbes: boolean
  /** The hashes of the tokens that failed last, oldest first, and when. */
  readonly #failures = new Map<string, Seconds>()
  /** When the last call proved that the server is up, by the monotonic clock. */
  #upAt = Number.NEGATIVE_INFINITY
  #state: State = CLOSED
  /** The kind of the last trial. */
  #kind: 'call' | 'probe' = 'call'
  /** The running trial, if other callers wait for its result. */
  #awaited: Promise<unknown> | undefined

  /**
   * @param verdictOf classifies the error of a failed call. A call that succeeds always proves that the server is up for this
   *   lane
   * @param lanes the circuits to the same server. A proof for all lanes closes all of them
   */
  constructor(
    verdictOf: (cause: unknown) => Verdict,
    lanes: Set<CircuitBreaker> = new Set(),
    { provesAll, trustsProbes = true }: LaneOptions = {},
  ) {
    this.#verdictOf = verdictOf
    this.#lanes = lanes.add(this)
    this.#provesAll = provesAll
    this.#trustsProbes = trustsProbes
  }

  /** The state for operators. An open circuit stays `open` after `wait` is over, until a call starts the next trial. */
  get state(): CircuitState {
    return this.#state.name
  }

  /** Returns in how many seconds the next trial may start. */
  get wait(): Seconds {
    return this.#state.name === 'closed' ? 0 : Math.max(0, this.#state.retryAt - monotonic())
  }

  /**
   * Makes a call, unless the circuit is open.
   * @throws CircuitOpenError if it is open. A caller whose call started a failing probe gets the error of the probe.
   */
  async run<T>({ hash, signal, call, probe }: Call<T>): Promise<T> {
    const state = this.#state
    const isClosed = state.name === 'closed'
    if (isClosed ? this.#isSuspicious : monotonic() >= state.retryAt) {
      const isProbe = isClosed ? this.#trustsProbes : this.#kind === 'call'
      this.#kind = isProbe ? 'probe' : 'call'
      if (!isProbe) {
        const trial = this.#trial(() => this.#record(call, hash))
        if (isClosed) this.#awaited = trial
        return trial
      }
      const probing = this.#trial(() => this.#recordProbe(probe))
      this.#awaited = probing
      const probed = probing.catch((cause) => this.#rejectUnlessClosed(cause))
      await raceAbort(probed, signal)
    } else if (!isClosed) {
      const tried = Promise.resolve(this.#awaited).catch(() => {})
      await raceAbort(tried, signal)
      this.#rejectUnlessClosed()
    }
    return this.#record(call, hash)
  }

  /** Whether enough distinct tokens failed within the window, and nothing showed in it that the server is up. */
  get #isSuspicious(): boolean {
    const since = monotonic() - WINDOW
    const [oldest = since] = this.#failures.values()
    return this.#failures.size === MIN_FAILURES && oldest > since && this.#upAt <= since
  }

  /** Rejects a caller that waited for a trial, if the trial did not close the circuit. */
  #rejectUnlessClosed(cause: unknown = this.#rejection): void {
    if (this.#state.name !== 'closed') throw cause
  }

  get #rejection(): CircuitOpenError {
    const retryAfter = this.wait
    return new CircuitOpenError(`Circuit open; next attempt in ${Math.ceil(retryAfter)} s`, { retryAfter })
  }

  /**
   * Opens the circuit again if the call fails. Only a probe may extend that by its `Retry-After`: the response to the token
   * of one caller must not lock out the others.
   */
  async #trial<T>(call: () => Promise<T>): Promise<T> {
    const before = this.#state
    const isProbe = this.#kind === 'probe'
    const trial: State = { name: 'half-open', retryAt: monotonic() + TRIAL_INTERVAL }
    this.#state = trial
    this.#awaited = undefined
    try {
      return await call()
    } catch (cause) {
      if (this.#state !== trial) throw cause
      const asked = isProbe ? askedWait(cause) : 0
      const opened: State = { name: 'open', retryAt: Math.max(trial.retryAt, monotonic() + asked) }
      this.#state = this.#verdictOf(cause) === 'unclear' ? before : opened
      throw cause
    }
  }

  /** Makes a call, and records what its result says about the server. */
  async #record<T>(call: () => Promise<T>, hash: string): Promise<T> {
    try {
      const result = await call()
      this.#isUp(this.#provesAll?.(result) ?? true)
      return result
    } catch (cause) {
      const verdict = this.#verdictOf(cause)
      if (isUp(verdict)) this.#isUp(verdict === 'up' && this.#provesAll === undefined)
      if (verdict === 'down') this.#failed(hash)
      throw cause
    }
  }

  /**
   * Makes a probe. A lane that does not trust probes forgets its failures, and waits for calls to prove that the server is up.
   */
  async #recordProbe(probe: () => Promise<unknown>): Promise<void> {
    try {
      await probe()
    } catch (cause) {
      if (!isUp(this.#verdictOf(cause))) throw cause
    }
    if (this.#trustsProbes) return this.#isUp(false)
    this.#state = CLOSED
    this.#failures.clear()
  }

  /** Closes this circuit, or those of all lanes. */
  #isUp(forAll: boolean): void {
    for (const lane of forAll ? this.#lanes : [this]) {
      lane.#state = CLOSED
      lane.#upAt = monotonic()
    }
  }

  /** Remembers a failure. The token moves to the end if it failed before, and the oldest one is forgotten. */
  #failed(hash: string): void {
    this.#failures.delete(hash)
    this.#failures.set(hash, monotonic())
    const [oldest] = this.#failures.size > MIN_FAILURES ? this.#failures.keys() : []
    if (oldest !== undefined) this.#failures.delete(oldest)
  }
}

function isUp(verdict: Verdict): boolean {
  return verdict === 'up' || verdict === 'limited'
}
