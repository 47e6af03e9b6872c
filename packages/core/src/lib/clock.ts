/** The clock of this process: everything that waits or ages takes its time from here, so tests can replace it as a whole. */

/** A duration or a point in time since the epoch, in seconds. */
export type Seconds = number

export interface Clock {
  /** The wall time in milliseconds since the epoch, like `Date.now`. Only token dates are compared with it. */
  now(): number
  /** The monotonic time in seconds. Cache entries, backoff and deadlines use it, because nobody can set it. */
  monotonic(): Seconds
  /** A signal that aborts after this time. It must not keep a process alive. */
  timeout(seconds: Seconds): AbortSignal
}

const system: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now() / 1000,
  // Node takes whole milliseconds only.
  timeout: (seconds) => AbortSignal.timeout(Math.max(0, Math.ceil(seconds * 1000))),
}

let current = system

/** Returns the wall time in milliseconds since the epoch. The default of every `now` option. */
export function now(): number {
  return current.now()
}

/** Returns the monotonic time in seconds. */
export function monotonic(): Seconds {
  return current.monotonic()
}

/** Returns a signal that aborts after this time, in seconds. */
export function timeout(seconds: Seconds): AbortSignal {
  return current.timeout(seconds)
}

/** Replaces the clock of this process. For tests only; without an argument the system's clock is used again. */
export function setClock(clock: Clock = system): void {
  current = clock
}

/**
 * Returns the time by a `now` option, in seconds since the epoch.
 * @throws TypeError if it does not return a number, since nothing can be decided without the time
 */
export function secondsOf(now: () => number): Seconds {
  const milliseconds: unknown = now()
  if (typeof milliseconds === 'number' && Number.isFinite(milliseconds)) return milliseconds / 1000
  if (milliseconds instanceof Promise) milliseconds.catch(() => {})
  throw new TypeError('"now" must return milliseconds since the epoch')
}
