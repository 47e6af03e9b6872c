/** What the fault tests need when the clock is stopped: the moment of each event, and jitter without chance. */

import { afterEach, beforeEach, vi } from 'vitest'
import { time } from '../support/clock.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { type Observed, type ObserveOptions, observe } from './client.ts'

/** A sixteenth of a second: sums of it are exact in floating point, so a test can stop right before a moment. */
export const TICK = 1 / 16

export interface Timeline extends Observed {
  /** When each of the events came, in seconds since the test began. */
  readonly moments: number[]
}

/** Creates a gate for the keys of the server, and notes when its events come. */
export function timeline(
  server: Pick<AuthorizationServer, 'origin'>,
  options: ObserveOptions = {},
): Timeline {
  const moments: number[] = []
  const onJwks = () => void moments.push(time())
  return { ...observe(server, { ...options, onJwks }), moments }
}

/** Fixes `Math.random` for each test of the file at the middle of every jitter: refresh at 80 %, backoff as documented. */
export function fixJitter(): void {
  beforeEach(() => setJitter(0.5))
  afterEach(() => void vi.restoreAllMocks())
}

/** Has `Math.random` return this value. */
export function setJitter(value: number): void {
  vi.spyOn(Math, 'random').mockReturnValue(value)
}
