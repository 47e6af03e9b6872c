/** How often and how many at once a server may be asked: a bound on calls, a queue, and a circuit breaker. */

import { monotonic } from '../lib/clock.ts'
import type { Seconds } from '../options.ts'
import { raceAbort } from '../outbound.ts'
import { Unavailable } from '../rejection.ts'

const MAX_FAILURES = 5
/** How long a broken circuit stays open before one call tries again. */
const OPEN_FOR: Seconds = 5
const MAX_OPEN: Seconds = 60

export type CircuitState = 'closed' | 'open'

export class Breaker {
  readonly #concurrency: number
  readonly #queue: number
  readonly #waiting: (() => void)[] = []
  #running = 0
  #failures = 0
  #openUntil = 0

  /** @param queue how many calls wait at most while `concurrency` of them are under way */
  constructor(concurrency: number, queue: number) {
    this.#concurrency = concurrency
    this.#queue = queue
  }

  get state(): CircuitState {
    return this.#failures < MAX_FAILURES && this.#openUntil <= monotonic() ? 'closed' : 'open'
  }

  get running(): number {
    return this.#running
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** How long until the next attempt may be made, in seconds. */
  get wait(): Seconds {
    return Math.max(0, this.#openUntil - monotonic())
  }

  /**
   * Calls, when it is its turn.
   * @param signal the deadline, waiting included
   * @throws Unavailable where the circuit is open, or too many wait
   */
  async run<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const isTrial = this.#admit()
    await this.#turn(signal, isTrial)
    try {
      return await call()
    } finally {
      this.#leave()
    }
  }

  succeeded(): void {
    this.#failures = 0
    this.#openUntil = 0
  }

  /** @param retryAfter how long the server asked to be left alone, in seconds */
  failed(retryAfter: Seconds): void {
    this.#failures += 1
    const pause = this.#failures < MAX_FAILURES ? retryAfter : Math.max(OPEN_FOR, retryAfter)
    if (pause > 1) this.#openUntil = Math.max(this.#openUntil, monotonic() + Math.min(pause, MAX_OPEN))
  }

  /** While the circuit is open, one call each five seconds passes, to try. */
  #admit(): boolean {
    if (this.wait > 0) throw this.#open()
    if (this.#failures < MAX_FAILURES) return false
    this.#openUntil = monotonic() + OPEN_FOR
    return true
  }

  #open(): Unavailable {
    return new Unavailable('The authorization server failed and is left alone', { retryAfter: this.wait })
  }

  async #turn(signal: AbortSignal, isTrial: boolean): Promise<void> {
    if (this.#running < this.#concurrency) {
      this.#running += 1
      return
    }
    if (this.#waiting.length >= this.#queue) throw new Unavailable('Too many introspection calls are waiting')
    const { promise, resolve } = withResolver()
    const turn = () => {
      this.#running += 1
      resolve()
    }
    this.#waiting.push(turn)
    try {
      await raceAbort(promise, signal)
    } catch (cause) {
      const place = this.#waiting.indexOf(turn)
      if (place !== -1) this.#waiting.splice(place, 1)
      else this.#leave()
      throw cause
    }
    if (isTrial || this.wait === 0) return
    this.#leave()
    throw this.#open()
  }

  #leave(): void {
    this.#running -= 1
    this.#waiting.shift()?.()
  }
}

function withResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
