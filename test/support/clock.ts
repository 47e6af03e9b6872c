/** A clock that moves only when a test says so: wall time, monotonic time and deadlines, all at once. */

import { afterEach, beforeEach, vi } from 'vitest'
import { setClock } from '#core/lib/clock.ts'
import { StoppedClock } from './stopped-clock.ts'

/** 2026-01-01T00:00:00Z. */
const START = Date.UTC(2026, 0, 1)

let clock = new StoppedClock(() => Date.now())

/** Stops the clock for each test of the file. Sockets stay real, and so do the test's own timers. */
export function stopClock(): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: START })
    clock = new StoppedClock(() => Date.now())
    setClock(clock)
  })
  afterEach(() => {
    setClock()
    vi.useRealTimers()
  })
}

/** Advances the clock. Deadlines on the way abort in their order, each at its own time. */
export function pass(seconds: number): void {
  clock.pass(seconds, moveWallClock)
}

function moveWallClock(seconds: number): void {
  vi.setSystemTime(Date.now() + Math.round(seconds * 1000))
}

/** Forgets the pending deadlines, as a runtime does that ends a request with everything that belongs to it. */
export function dropDeadlines(): void {
  clock.drop()
}

/**
 * Lets time pass while the process stands still, as a suspended process or a frozen function does. No deadline aborts
 * meanwhile. The next `pass`, also `pass(0)`, aborts those that are overdue.
 */
export function freeze(seconds: number): void {
  clock.freeze(seconds, moveWallClock)
}

/** Returns how many seconds have passed since the test began. */
export function time(): number {
  return clock.time
}

/** Returns in how many seconds the pending deadlines are due, the soonest first. */
export function pendingDeadlines(): readonly number[] {
  return clock.pendingDeadlines
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
