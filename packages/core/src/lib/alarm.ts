/** Calls a function after a time, with one pending timer at most. */

import { monotonic, timeout } from './clock.ts'

/** How late a timer may be before it counts as lost: some runtimes end timers together with the request that set them. In seconds. */
const LOST_AFTER: number = 10

export class Alarm {
  readonly #ring: () => void
  /** Kept, because a runtime may collect a signal that nothing refers to. */
  #timer: AbortSignal | undefined
  /** When the timer is due, by the monotonic clock. In seconds. */
  #dueAt: number = 0

  constructor(ring: () => void) {
    this.#ring = ring
  }

  /** Calls the function after this time. In seconds. If a pending timer is due earlier, it stays, and no other is set. */
  set(seconds: number): void {
    const now = monotonic()
    const isLost = now >= this.#dueAt + LOST_AFTER
    if (this.#timer !== undefined && this.#dueAt <= now + seconds && !isLost) return
    const timer = timeout(seconds)
    this.#timer = timer
    this.#dueAt = now + seconds
    timer.addEventListener('abort', () => {
      if (this.#timer !== timer) return // A timer that was due earlier has replaced it.
      this.#timer = undefined
      this.#ring()
    })
  }
}
