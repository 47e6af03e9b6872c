/** A clock that moves only when a test says so: wall time, monotonic time and deadlines, all at once. */

import { afterEach, beforeEach, vi } from 'vitest'
import { setClock } from '#core/lib/clock.ts'

/** 2026-01-01T00:00:00Z. */
const START = Date.UTC(2026, 0, 1)

interface Deadline {
  readonly due: number
  readonly abort: AbortController
}

/** Seconds since the test began. */
let passed = 0
let deadlines: Deadline[] = []

/** Stops the clock for each test of the file. Sockets stay real, and so do the test's own timers. */
export function stopClock(): void {
  beforeEach(() => {
    passed = 1
    deadlines = []
    vi.useFakeTimers({ toFake: ['Date'], now: START })
    setClock({ now: () => Date.now(), monotonic: () => passed, timeout })
  })
  afterEach(() => {
    setClock()
    vi.useRealTimers()
  })
}

/** Advances the clock. Deadlines on the way abort in their order, each at its own time. */
export function pass(seconds: number): void {
  const until = passed + seconds
  for (let next = nextDeadline(until); next !== undefined; next = nextDeadline(until)) {
    deadlines = deadlines.filter((deadline) => deadline !== next)
    moveTo(Math.max(passed, next.due))
    next.abort.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'))
  }
  moveTo(until)
}

/**
 * Lets time pass while the process stands still, as a suspended process or a frozen function does. No deadline aborts
 * meanwhile. The next `pass`, also `pass(0)`, aborts those that are overdue.
 */
export function freeze(seconds: number): void {
  moveTo(passed + seconds)
}

/** Returns how many seconds have passed since the test began. */
export function time(): number {
  return passed - 1
}

/** Returns in how many seconds the pending deadlines are due, the soonest first. */
export function pendingDeadlines(): readonly number[] {
  return deadlines.map(({ due }) => due - passed).sort((one, other) => one - other)
}

/** Sets the wall clock alone, as an administrator or NTP would. Monotonic time and deadlines do not notice. */
export function setWallClock(milliseconds: number): void {
  vi.setSystemTime(milliseconds)
}

/** Lets pending promises and the answers of real sockets come, until the condition holds. Fails after 20,000 turns of the event loop, 20 s or more. */
export async function eventually(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 20_000 && !condition(); turn += 1) await new Promise((go) => setTimeout(go, 1))
  if (!condition()) throw new Error(`Still waiting for: ${condition}`)
}

function timeout(seconds: number): AbortSignal {
  const abort = new AbortController()
  if (seconds <= 0) abort.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'))
  else deadlines.push({ due: passed + seconds, abort })
  return abort.signal
}

function nextDeadline(until: number): Deadline | undefined {
  return deadlines
    .filter(({ due }) => due <= until)
    .sort((one, other) => one.due - other.due)
    .at(0)
}

function moveTo(seconds: number): void {
  vi.setSystemTime(Date.now() + Math.round((seconds - passed) * 1000))
  passed = seconds
}
