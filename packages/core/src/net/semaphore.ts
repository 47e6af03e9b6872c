/**
 * Limits how many calls run at once and how many wait, so that unknown callers never take what known ones need.
 *
 * Any client can send a token that has to be checked, so an attacker can cause any number of calls. Without a limit these
 * would exhaust sockets and memory here, and the server would slow down for everyone. With one common limit, the attacker's
 * calls would fill it. So there are two lanes. Known callers are those whose tokens were verified before.
 */

import { monotonic } from '../lib/clock.ts'
import { isPromiseLike } from '../lib/promise.ts'
import { atLimit, type UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'
import { Latency } from './latency.ts'
import { WaitingLine } from './waiting-line.ts'

/** The share of all places that unknown callers may take. The rest is reserved for known callers. */
const UNKNOWN_SHARE = 3 / 4
/** How long a place is kept beyond twice the timeout. A runtime may drop a call, which never ends then. */
const GRACE: Seconds = 10

export interface SemaphoreLimits {
  /** How many calls run at once. With 1 no place is reserved for known callers. */
  readonly concurrency: number
  /** How many more calls may wait. */
  readonly queue: number
  /**
   * How long a call may take, its wait included, in seconds. A call that would probably not end in time does not wait, and
   * is not started. Default: no limit.
   */
  readonly timeout?: Seconds
  /** The message of the error if the queue is full, or too long to be served in time. */
  readonly full: string
}

/** A caller that asks for a place. */
export interface Turn {
  /** Whether a token of the caller was verified before. Known callers go first, and have places of their own. */
  readonly known: boolean
  /** Ends the wait for a place. A call that runs must end by itself when this aborts, because it keeps its place until then. */
  readonly signal: AbortSignal
}

/** The place that a running call takes. */
export interface Place {
  readonly known: boolean
  /**
   * Keeps the place until this promise settles, even if the call ends before. Returns the promise. A cancelled request may
   * still be work for the server, so its place is not free yet.
   */
  hold<T>(work: Promise<T>): Promise<T>
  /** Takes one more place for the same caller if one is free. */
  beside(): ExtraPlace | undefined
}

/** A further place of a running call, for a hedged request. */
export interface ExtraPlace extends Place {
  /** Gives the place back as soon as everything that it holds has settled. */
  release(): void
}

/**
 * Gives places to calls, in two lanes.
 *
 * - Places: known callers may take all of them, unknown ones three quarters.
 * - Queue: one limit for both lanes. A known caller that finds it full displaces the newest unknown one.
 * - Time: a call that would probably not end before its timeout is rejected when it arrives, or when its place becomes free.
 *   Otherwise an overloaded server would spend its time on calls whose clients have given up.
 * - Lost calls: a runtime may drop a call together with the request that made it. Its place is taken back after twice the
 *   timeout plus 10 s.
 */
export class Semaphore {
  readonly #limits: SemaphoreLimits
  readonly #timeout: Seconds
  readonly #known: Lane
  readonly #unknown: Lane
  /** The places that are taken, those first that were taken first. */
  readonly #taken = new Set<TakenPlace>()
  #unknownTaken = 0

  constructor(limits: SemaphoreLimits) {
    const { concurrency, timeout = Number.POSITIVE_INFINITY } = limits
    this.#limits = limits
    this.#timeout = timeout
    this.#known = new Lane(concurrency)
    this.#unknown = new Lane(Math.max(1, Math.floor(concurrency * UNKNOWN_SHARE)))
  }

  /** How many places are taken now. */
  get running(): number {
    this.#reclaim()
    return this.#taken.size
  }

  /** How many calls wait now. */
  get waiting(): number {
    return this.#known.line.length + this.#unknown.line.length
  }

  /**
   * Runs a call as soon as a place is free. Stays synchronous if one is free now and the call returns no promise.
   *
   * Waiting calls run in order of arrival, known callers first. If the queue is full, a known caller takes the place of
   * the unknown one that arrived last.
   * @throws UnavailableError if the queue is full, or too long for the call to end in time. Rejects with the signal's reason
   * if the signal aborts during the wait.
   */
  run<T>(call: (place: Place) => T | PromiseLike<T>, turn: Turn): T | Promise<T> {
    this.#reclaim()
    if (this.#mayRun(turn.known)) return this.#call(call, turn, this.#take(turn.known))
    this.#makeRoom(turn.known)
    const { line } = this.#lane(turn.known)
    return line.wait(turn.signal, monotonic() + this.#timeout).then((place) => this.#call(call, turn, place))
  }

  /** Runs a call in its place, measures it, and gives the place back when it ends. */
  #call<T>(
    call: (place: Place) => T | PromiseLike<T>,
    { known, signal }: Turn,
    place: TakenPlace,
  ): T | Promise<T> {
    let result: T | PromiseLike<T>
    try {
      signal.throwIfAborted()
      result = call(place)
    } catch (cause) {
      place.release()
      throw cause
    }
    if (!isPromiseLike(result)) {
      place.release()
      return result
    }
    const began = monotonic()
    const { latency } = this.#lane(known)
    const ended = Promise.resolve(result).then(
      (value) => {
        latency.add(monotonic() - began)
        return value
      },
      (cause) => {
        if (signal.aborted) latency.addCancelled(monotonic() - began, this.#timeout)
        throw cause
      },
    )
    return ended.finally(() => place.release())
  }

  #lane(known: boolean): Lane {
    return known ? this.#known : this.#unknown
  }

  #mayRun(known: boolean): boolean {
    return this.#taken.size < this.#limits.concurrency && (known || this.#unknownTaken < this.#unknown.places)
  }

  /** Takes a free place. The caller has checked that there is one. */
  #take(known: boolean): TakenPlace {
    const place: TakenPlace = new TakenPlace(known, monotonic() + 2 * this.#timeout + GRACE, {
      leave: () => this.#leave(place),
      beside: () => (this.#mayRun(known) ? this.#take(known) : undefined),
    })
    this.#taken.add(place)
    if (!known) this.#unknownTaken += 1
    return place
  }

  /** Frees a place, and gives it to the next waiting call. A place that was taken back already is not freed twice. */
  #leave(place: TakenPlace): void {
    if (!this.#taken.delete(place)) return
    if (!place.known) this.#unknownTaken -= 1
    this.#next(true)
    this.#next(false)
  }

  /** Takes back the places of calls that a runtime dropped. All places are kept equally long, so the oldest ones come first. */
  #reclaim(): void {
    const now = monotonic()
    for (const place of this.#taken) {
      if (place.until > now) return
      this.#leave(place)
    }
  }

  /** Gives free places to the calls that wait. This is synchronous, so that a new arrival cannot take a place in between. */
  #next(known: boolean): void {
    this.#dropLate(known)
    const { line } = this.#lane(known)
    while (line.length > 0 && this.#mayRun(known)) line.first?.start(this.#take(known))
  }

  /** Rejects the waiting calls that would probably not end in time. The server would work for them in vain. */
  #dropLate(known: boolean): void {
    const { line, latency } = this.#lane(known)
    const latest = monotonic() + latency.needed
    while (line.first !== undefined && line.first.until < latest) line.first.drop(this.#error)
  }

  /** Ensures that the queue has room for one more call. Throws if it has none, or if the call would wait for too long. */
  #makeRoom(known: boolean): void {
    this.#dropLate(known)
    const lane = this.#lane(known)
    const ahead = known ? lane.line.length : this.waiting
    if (lane.expectedTime(ahead) > this.#timeout) throw this.#error
    if (this.waiting < this.#limits.queue) return
    const newest = known ? this.#unknown.line.last : undefined
    if (newest === undefined) throw this.#error
    newest.drop(this.#error)
  }

  get #error(): UnavailableError {
    return atLimit(this.#limits.full)
  }
}

/** The callers of one kind. */
class Lane {
  /** How many calls they run at once. */
  readonly places: number
  readonly line = new WaitingLine<TakenPlace>()
  readonly latency = new Latency()

  constructor(places: number) {
    this.places = places
  }

  /** Returns how long a call takes that arrives now, its wait included. All places may become free at the same moment. */
  expectedTime(ahead: number): Seconds {
    return Math.ceil((ahead + 1) / this.places) * this.latency.mean + this.latency.needed
  }
}

/** A place that a call has taken. It is free when the call and everything that it holds have ended. */
class TakenPlace implements ExtraPlace {
  readonly known: boolean
  /** By the monotonic clock: when it is taken back. */
  readonly until: Seconds
  readonly beside: () => TakenPlace | undefined
  readonly #leave: () => void
  #holders = 1

  constructor(
    known: boolean,
    until: Seconds,
    { leave, beside }: { leave: () => void; beside: () => TakenPlace | undefined },
  ) {
    this.known = known
    this.until = until
    this.beside = beside
    this.#leave = leave
  }

  readonly hold = <T>(work: Promise<T>): Promise<T> => {
    this.#holders += 1
    // The `fetch` of an application may return any thenable.
    Promise.resolve(work).then(this.release, this.release)
    return work
  }

  readonly release = (): void => {
    this.#holders -= 1
    if (this.#holders === 0) this.#leave()
  }
}
