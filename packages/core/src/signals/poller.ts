/** Polls a transmitter, applies the tokens that it sends, and acknowledges them once their revocations are stored. */

import { raceAbort } from '../lib/abort.ts'
import { monotonic, pause } from '../lib/clock.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { received } from '../lib/received.ts'
import type { Seconds } from '../model/units.ts'
import { Backoff } from '../net/backoff.ts'
import { UnusableAnswer } from '../net/fetch-json.ts'
import { PendingCalls } from '../net/pending-calls.ts'
import { Acknowledgements, type Report } from './acknowledgements.ts'
import type { EventHandler, Outcome } from './event-handler.ts'
import { invalid } from './event-token.ts'
import { type Delivery, TooManyTokensError, type Transmitter } from './transmitter.ts'

/** The result of `poll`. */
export interface PollSummary {
  /** How many tokens were accepted, those that were received before included. */
  readonly accepted: number
  /** How many tokens were not valid. `onRejected` has the reasons. */
  readonly rejected: number
  /** How many tokens could not be checked or stored. The transmitter will send them again. */
  readonly unavailable: number
  /** Whether the transmitter had more tokens when `poll` ended. */
  readonly moreAvailable: boolean
  /** The error of a request to the transmitter. `undefined` if all succeeded. */
  readonly failure: unknown
}

/** Polls the transmitter of one stream of security events. */
export interface SecurityEventPoller {
  /**
   * Polls until the transmitter has no more tokens now, and acknowledges them. It sends at most 25 polls, and starts none after 60 s.
   * It never waits between them, so it is enough for a cron job. Never rejects: see `failure` of the summary.
   */
  poll(): Promise<PollSummary>
  /**
   * Polls until the signal aborts, with long polling: the transmitter answers as soon as it has tokens. After a failure, it waits
   * for 1 to 60 s. After a response without new tokens that are accepted, it polls again 5 s after the last poll, or at once if that
   * is longer ago. When the signal aborts, it acknowledges the tokens that are stored, and resolves.
   *
   * Its waits do not keep the process alive. Do not use it on runtimes that freeze between requests: call `poll` there.
   * @throws TypeError if it gets no signal. Otherwise it never rejects
   */
  run(signal: AbortSignal): Promise<void>
}

export interface PollerSettings {
  readonly transmitter: Transmitter
  readonly handler: EventHandler
  readonly timeout: Seconds
  readonly longPollTimeout: Seconds
}

/** How often one `poll` asks, and how long after its start it may ask again. */
const MAX_POLLS = 25
const MAX_TIME: Seconds = 60
/**
 * The least time from a poll of `run` without new tokens to the next, for transmitters that do not support long polling. A token
 * that is rejected is not a new one: anyone can make up such tokens, without an end.
 */
const MIN_INTERVAL: Seconds = 5

const LATE = 'The transmitter did not answer in time'
const LATE_TOKEN = 'The event token was not checked and stored in time'

/** The outcomes of the tokens of one response. */
interface Batch {
  readonly accepted: number
  readonly rejected: number
  readonly unavailable: number
  readonly moreAvailable: boolean
  /** The names of the tokens whose outcome the next request reports. */
  readonly settled: readonly string[]
  /** Whether a token was accepted that was not received before. */
  readonly hasNew: boolean
  /** Whether the response was too long, so that the next poll asks for fewer tokens. */
  readonly isTooLong: boolean
  /** Why the first of the tokens that are not settled could not be. */
  readonly cause: unknown
}

const TOO_LONG: Delivery = { sets: [], moreAvailable: true, isTooLong: true }

export class Poller implements SecurityEventPoller {
  readonly #transmitter: Transmitter
  readonly #handler: EventHandler
  readonly #longPollTimeout: Seconds
  /** Limits the requests that are answered at once. */
  readonly #calls: PendingCalls
  /** Limits the handling of each token. */
  readonly #handling: PendingCalls
  readonly #acknowledgements = new Acknowledgements()

  constructor({ transmitter, handler, timeout, longPollTimeout }: PollerSettings) {
    this.#transmitter = transmitter
    this.#handler = handler
    this.#longPollTimeout = longPollTimeout
    this.#calls = new PendingCalls(timeout, LATE)
    this.#handling = new PendingCalls(timeout, LATE_TOKEN)
  }

  async poll(): Promise<PollSummary> {
    const until = monotonic() + MAX_TIME
    // Of this call only: together, its responses cannot be longer than 25 times 256 KiB.
    const settled = new Set<string>()
    const total = { accepted: 0, rejected: 0, unavailable: 0, moreAvailable: false }
    let failure: unknown
    try {
      for (let polls = 1; ; polls += 1) {
        const batch = await this.#receive(true, this.#calls)
        total.accepted += batch.accepted
        total.rejected += batch.rejected
        total.unavailable += batch.unavailable
        total.moreAvailable = batch.moreAvailable
        const before = settled.size
        for (const name of batch.settled) settled.add(name)
        // Without progress, the next response may be the same one.
        const isProgress = batch.isTooLong || settled.size > before
        if (!batch.moreAvailable || !isProgress || polls === MAX_POLLS || monotonic() >= until) break
      }
      await this.#acknowledge()
    } catch (cause) {
      failure = cause
      this.#handler.fail(cause)
    }
    return { ...total, failure }
  }

  async run(signal: AbortSignal): Promise<void> {
    if (typeof signal?.addEventListener !== 'function')
      throw configurationError(
        'INVALID_ARGUMENT',
        `"run" needs an AbortSignal, which ends it, such as new AbortController().signal, but received ${received(signal)}`,
      )
    // Closed by the signal, so it cannot be shared with other runs.
    const calls = new PendingCalls(this.#longPollTimeout, LATE)
    const close = () => calls.close()
    signal.addEventListener('abort', close, { once: true })
    const backoff = new Backoff()
    while (!signal.aborted) {
      const wait = await this.#turn(calls, backoff)
      if (wait > 0) await raceAbort(pause(wait), signal).catch(() => {})
    }
    signal.removeEventListener('abort', close)
    await this.#acknowledge().catch((cause) => this.#handler.fail(cause))
  }

  /** Makes one long poll. Returns how long to wait before the next one. Never rejects. */
  async #turn(calls: PendingCalls, backoff: Backoff): Promise<Seconds> {
    const began = monotonic()
    try {
      const batch = await this.#receive(false, calls)
      if (batch.unavailable === 0) backoff.succeeded()
      else backoff.failed(batch.cause)
      if (batch.hasNew || batch.isTooLong) return 0
      return Math.max(backoff.wait, began + MIN_INTERVAL - monotonic())
    } catch (cause) {
      if (calls.isClosed) return 0
      this.#handler.fail(cause)
      backoff.failed(cause)
      return backoff.wait
    }
  }

  /** Makes one poll, and handles the tokens of its response. */
  async #receive(returnImmediately: boolean, calls: PendingCalls): Promise<Batch> {
    const { sets, moreAvailable, isTooLong = false } = await this.#deliver(returnImmediately, calls)
    // At the same time, so that one token that cannot be stored does not delay the others.
    const outcomes = await Promise.all(sets.map((set) => this.#handle(set)))
    const count = (status: Outcome['status']) =>
      outcomes.filter((outcome) => outcome.status === status).length
    const unavailable = outcomes.find((outcome) => outcome.status === 'unavailable')
    return {
      accepted: count('accepted'),
      rejected: count('rejected'),
      unavailable: count('unavailable'),
      moreAvailable,
      settled: this.#settle(sets, outcomes),
      hasNew: outcomes.some((outcome) => outcome.status === 'accepted' && !outcome.isRepeated),
      isTooLong,
      cause: unavailable?.cause,
    }
  }

  /** Makes one poll. */
  async #deliver(returnImmediately: boolean, calls: PendingCalls): Promise<Delivery> {
    try {
      return await this.#reporting((report) =>
        calls.run((signal) => this.#transmitter.poll({ report, returnImmediately, signal })),
      )
    } catch (cause) {
      if (cause instanceof TooManyTokensError) return TOO_LONG
      throw cause
    }
  }

  /** Handles one token within the deadline: a store may never answer. */
  async #handle([name, text]: Delivery['sets'][number]): Promise<Outcome> {
    if (typeof text !== 'string') return this.#handler.reject(NO_TEXT)
    try {
      return await this.#handling.run((signal) => raceAbort(this.#handler.handle(text, name), signal))
    } catch (cause) {
      return this.#handler.fail(cause)
    }
  }

  /** Notes the outcomes for the next request. Returns the names of those that it reports. */
  #settle(sets: Delivery['sets'], outcomes: readonly Outcome[]): readonly string[] {
    const names = sets.map(([name]) => name)
    return names.filter((name, index) => this.#acknowledgements.add(name, outcomes[index] as Outcome))
  }

  /** Acknowledges what no poll has acknowledged. */
  async #acknowledge(): Promise<void> {
    if (this.#acknowledgements.isEmpty) return
    await this.#reporting((report) =>
      this.#calls.run((signal) => this.#transmitter.acknowledge(report, signal)),
    )
  }

  /**
   * Makes a request with all outcomes. If it fails, the next one has them again. But not if the transmitter rejected it: maybe
   * it does not accept them, and would reject all later ones. Then it sends the tokens again, and they are acknowledged again.
   */
  async #reporting<T>(request: (report: Report) => Promise<T>): Promise<T> {
    const report = this.#acknowledgements.take()
    try {
      return await request(report)
    } catch (cause) {
      if (!(cause instanceof UnusableAnswer) || !cause.isLasting) this.#acknowledgements.restore(report)
      throw cause
    }
  }
}

const NO_TEXT = invalid('it is no string')
