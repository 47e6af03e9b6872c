/** Reads the clock of this process. Code that waits takes its time from here, so that tests can control it. */

import { assertFunction } from './assert.ts'
import { configurationError } from './configuration-error.ts'
import { ignoreRejection } from './promise.ts'

export interface Clock {
  /**
   * Returns the wall time in milliseconds since the epoch, like `Date.now`. Only dates that others wrote are compared with
   * it: those of tokens, of `Retry-After`, and of stored key sets.
   */
  now(): number
  /**
   * Returns the monotonic time. In seconds. Cache entries, backoff and deadlines use it, because the wall clock can be set:
   * an hour back would keep withdrawn keys in use, and an hour forward would end stale-if-error at once.
   */
  monotonic(): number
  /** Returns a signal that aborts after this time. In seconds. It must not keep the process alive. */
  timeout(seconds: number): AbortSignal
}

const system: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now() / 1000,
  // Node accepts whole milliseconds only. Rounded up, because a deadline may be late by a fraction, but never early.
  timeout: (seconds) => AbortSignal.timeout(Math.max(0, Math.ceil(seconds * 1000))),
}

let current = system

/** Returns the wall time in milliseconds since the epoch. The default of every `now` option. */
export function now(): number {
  return current.now()
}

/** Returns the monotonic time. In seconds. */
export function monotonic(): number {
  return current.monotonic()
}

/**
 * Returns a signal that aborts after this time. In seconds. It is the only timer of this project: it does not keep the
 * process alive, and a runtime that freezes between requests may be late with it.
 */
export function timeout(seconds: number): AbortSignal {
  return current.timeout(seconds)
}

/** Resolves after this time. In seconds. */
export function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => timeout(seconds).addEventListener('abort', () => resolve()))
}

/** Replaces the clock of this process, for tests. Without an argument it restores the system clock. */
export function setClock(clock: Clock = system): void {
  current = clock
}

/** In milliseconds, these times are in January 1970 to March 1973. In seconds, the first is in 2001. */
const SECONDS_OF_TODAY = { from: 1e9, to: 1e11 }

/**
 * Checks an option `now`. Returns the system clock if there is none. Calls the function once, because with a clock in seconds
 * tokens would never expire. Smaller times are allowed: tests may begin at any time, and `Date.now` of Workers returns 0 at
 * start-up.
 * @throws TypeError if it is no function, or returns what looks like seconds
 */
export function assertClock(option: (() => number) | undefined): () => number {
  const clock = assertFunction('now', option, now)
  const time = clock === now ? 0 : timeOf(clock)
  if (typeof time === 'number' && time >= SECONDS_OF_TODAY.from && time < SECONDS_OF_TODAY.to)
    throw configurationError(
      'INVALID_OPTION',
      '"now" must return milliseconds since the epoch, but returned a number that is probably in seconds. Multiply it by 1000',
    )
  return clock
}

/** A function that fails at start-up may work later. If it does not, no token can be checked, and the answer is 503. */
function timeOf(clock: () => number): unknown {
  try {
    const time: unknown = clock()
    ignoreRejection(time)
    return time
  } catch {
    return undefined
  }
}

/**
 * Returns the time by a `now` option. In seconds since the epoch.
 * @throws TypeError if it does not return a number, because no token can be checked without the time
 */
export function secondsOf(now: () => number): number {
  const milliseconds: unknown = now()
  if (typeof milliseconds === 'number' && Number.isFinite(milliseconds)) return milliseconds / 1000
  ignoreRejection(milliseconds)
  throw new TypeError('"now" must return milliseconds since the epoch')
}
