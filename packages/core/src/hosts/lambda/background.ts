/** Finishes the background work of a Lambda function before it answers. */

import type { Background } from '../../gate/keep-alive.ts'
import { raceAbort } from '../../lib/abort.ts'
import { monotonic, timeout } from '../../lib/clock.ts'

/** How long an answer waits for background work. In seconds. */
const MAX_WAIT = 1
/**
 * How long later answers do not wait if that was not enough. In seconds. So a slow issuer delays one answer in half a minute.
 */
const IMPATIENT_FOR = 30

/** Collects background work. Lambda freezes the process after the response, so the work must finish before it. */
export function lambdaBackground() {
  let waitsFrom = 0
  return (): Background & { settled(): Promise<void> } => {
    const work: Promise<unknown>[] = []
    return {
      waitUntil: (promise) => void work.push(promise),
      async settled() {
        if (work.length === 0 || monotonic() < waitsFrom) return
        await raceAbort(Promise.allSettled(work), timeout(MAX_WAIT)).catch(() => {
          waitsFrom = monotonic() + IMPATIENT_FOR
        })
      },
    }
  }
}
