/** A clock that moves only when it is told to. It needs no test runner, so that a process of its own can have one. */

import type { Clock } from '../../packages/core/src/lib/clock.ts'

interface Deadline {
  readonly due: number
  readonly abort: AbortController
}

export class StoppedClock implements Clock {
  /** A start time of 0 would pass for none. */
  #passed = 1
  #deadlines: Deadline[] = []
  readonly #wallTime: (time: number) => number

  /** @param wallTime the wall time in milliseconds, after so many seconds */
  constructor(wallTime: (time: number) => number) {
    this.#wallTime = wallTime
  }

  /** How many seconds have passed. */
  get time(): number {
    return this.#passed - 1
  }

  /** In how many seconds the pending deadlines are due, the soonest first. */
  get pendingDeadlines(): readonly number[] {
    return this.#deadlines.map(({ due }) => due - this.#passed).sort((one, other) => one - other)
  }

  now(): number {
    return this.#wallTime(this.time)
  }

  monotonic(): number {
    return this.#passed
  }

  timeout(seconds: number): AbortSignal {
    const abort = new AbortController()
    if (seconds <= 0) abort.abort(timedOut())
    else this.#deadlines.push({ due: this.#passed + seconds, abort })
    return abort.signal
  }

  /**
   * Advances the clock. Deadlines on the way abort in their order, each at its own time.
   * @param onPassed called with the seconds of each step, before the deadline that is due then
   */
  pass(seconds: number, onPassed: (seconds: number) => void = () => {}): void {
    const until = this.#passed + seconds
    const moveTo = (next: number) => {
      onPassed(next - this.#passed)
      this.#passed = next
    }
    for (let next = this.#next(until); next !== undefined; next = this.#next(until)) {
      this.#deadlines = this.#deadlines.filter((deadline) => deadline !== next)
      moveTo(Math.max(this.#passed, next.due))
      next.abort.abort(timedOut())
    }
    moveTo(until)
  }

  /** Lets time pass without a deadline that aborts, as in a process that stands still. The next `pass` aborts those that are overdue. */
  freeze(seconds: number, onPassed: (seconds: number) => void = () => {}): void {
    onPassed(seconds)
    this.#passed += seconds
  }

  /** Forgets the pending deadlines: they never abort. */
  drop(): void {
    this.#deadlines = []
  }

  #next(until: number): Deadline | undefined {
    return this.#deadlines
      .filter(({ due }) => due <= until)
      .sort((one, other) => one.due - other.due)
      .at(0)
  }
}

function timedOut(): DOMException {
  return new DOMException('The operation was aborted due to timeout', 'TimeoutError')
}
