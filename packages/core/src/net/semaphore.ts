/** Limits how many calls run at once and how many wait, so that unknown callers never take what known ones need. */

import { isPromiseLike } from '../lib/promise.ts'
import { UnavailableError } from '../model/unavailable.ts'

/** The share of all places that unknown callers may take. The rest is reserved for known callers. */
const UNKNOWN_SHARE = 3 / 4

export interface SemaphoreLimits {
  /** How many calls run at once. With 1 no place is reserved for known callers. */
  readonly concurrency: number
  /** How many more calls may wait. */
  readonly queue: number
  /** The message of the error if the queue is full. */
  readonly full: string
}

export interface Turn {
  /** Whether the caller was seen good before. Known callers go first, and have places of their own. */
  readonly known: boolean
  /** Ends the wait for a place. A call that runs must end by itself when this aborts, because it keeps its place until then. */
  readonly signal: AbortSignal
}

export class Semaphore {
  readonly #limits: SemaphoreLimits
  readonly #maxUnknown: number
  readonly #known = new Line()
  readonly #unknown = new Line()
  #running = 0
  #unknownRunning = 0

  constructor(limits: SemaphoreLimits) {
    this.#limits = limits
    this.#maxUnknown = Math.max(1, Math.floor(limits.concurrency * UNKNOWN_SHARE))
  }

  /** How many calls run now. */
  get running(): number {
    return this.#running
  }

  /** How many calls wait now. */
  get waiting(): number {
    return this.#known.length + this.#unknown.length
  }

  /**
   * Runs a call as soon as a place is free. Stays synchronous if one is free now and the call returns no promise.
   *
   * Waiting calls run in order of arrival, known callers first. If the queue is full, a known caller takes the place of
   * the unknown one that arrived last.
   * @throws UnavailableError if the queue is full. Rejects with the signal's reason if the signal aborts during the wait.
   */
  run<T>(call: () => T | PromiseLike<T>, turn: Turn): T | Promise<T> {
    if (this.#mayRun(turn.known)) {
      this.#enter(turn.known)
      return this.#hold(call, turn)
    }
    this.#makeRoom(turn.known)
    const line = turn.known ? this.#known : this.#unknown
    return line.wait(turn.signal).then(() => this.#hold(call, turn))
  }

  #mayRun(known: boolean): boolean {
    return this.#running < this.#limits.concurrency && (known || this.#unknownRunning < this.#maxUnknown)
  }

  #enter(known: boolean): void {
    this.#running += 1
    if (!known) this.#unknownRunning += 1
  }

  #hold<T>(call: () => T | PromiseLike<T>, { known, signal }: Turn): T | Promise<T> {
    let result: T | PromiseLike<T>
    try {
      signal.throwIfAborted()
      result = call()
    } catch (cause) {
      this.#leave(known)
      throw cause
    }
    if (isPromiseLike(result)) return Promise.resolve(result).finally(() => this.#leave(known))
    this.#leave(known)
    return result
  }

  #leave(known: boolean): void {
    this.#running -= 1
    if (!known) this.#unknownRunning -= 1
    this.#next(this.#known, true)
    this.#next(this.#unknown, false)
  }

  /** A place passes to whoever waits at once: a new arrival cannot take it in between. */
  #next(line: Line, known: boolean): void {
    while (line.length > 0 && this.#mayRun(known)) {
      this.#enter(known)
      line.first?.start()
    }
  }

  #makeRoom(known: boolean): void {
    if (this.waiting < this.#limits.queue) return
    const error = new UnavailableError(this.#limits.full)
    const newest = known ? this.#unknown.last : undefined
    if (newest === undefined) throw error
    newest.drop(error)
  }
}

interface Waiting {
  before: Waiting | undefined
  behind: Waiting | undefined
  readonly start: () => void
  readonly drop: (reason: unknown) => void
}

/** A linked list: arrivals, departures at either end and callers that give up all cost the same, however long it is. */
class Line {
  first: Waiting | undefined
  last: Waiting | undefined
  length = 0

  /** Resolves when it is this caller's turn. Rejects if the caller is dropped or its signal aborts. */
  wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        signal.removeEventListener('abort', abort)
        this.#remove(waiting)
      }
      const drop = (reason: unknown) => {
        leave()
        reject(reason)
      }
      const abort = () => drop(signal.reason)
      const start = () => {
        leave()
        resolve()
      }
      const waiting: Waiting = { before: this.last, behind: undefined, start, drop }
      if (this.last === undefined) this.first = waiting
      else this.last.behind = waiting
      this.last = waiting
      this.length += 1
      if (signal.aborted) abort()
      else signal.addEventListener('abort', abort)
    })
  }

  #remove({ before, behind }: Waiting): void {
    if (before === undefined) this.first = behind
    else before.behind = behind
    if (behind === undefined) this.last = before
    else behind.before = before
    this.length -= 1
  }
}
