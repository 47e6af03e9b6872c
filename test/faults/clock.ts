/** The injected clock of the fault tests: wall time and monotonic time are advanced by hand, sockets and deadlines are real. */

import { afterEach, beforeEach, vi } from 'vitest'

/** 2026-01-01T00:00:00Z. */
const START = new Date('2026-01-01')

/** Stops both clocks for each test of the file. */
export function stoppedClock(): void {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'Date'], now: START }))
  afterEach(() => void vi.useRealTimers())
}

/** Advances both clocks. */
export function pass(seconds: number): void {
  vi.advanceTimersByTime(seconds * 1000)
}

/** Lets what is under way in the background come to its end, in real time. */
export async function settled(until: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000 && !until(); turn += 1)
    await new Promise((resolve) => setTimeout(resolve, 2))
  if (!until()) throw new Error('The background work did not come to its end within 2 s')
}
