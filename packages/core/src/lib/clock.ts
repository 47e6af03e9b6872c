/** Reads the clock of this process. Code that waits takes its time from here, so that tests can control it. */

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

/**
 * Returns the time by a `now` option. In seconds since the epoch.
 * @throws TypeError if it does not return a number, because no token can be checked without the time
 */
export function secondsOf(now: () => number): number {
  const milliseconds: unknown = now()
  if (typeof milliseconds === 'number' && Number.isFinite(milliseconds)) return milliseconds / 1000
  if (milliseconds instanceof Promise) milliseconds.catch(() => {})
  throw new TypeError('"now" must return milliseconds since the epoch')
}
