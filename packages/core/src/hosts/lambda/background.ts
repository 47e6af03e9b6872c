/** What goes on in the background of a function. */

import type { Background } from '../../gate/keep-alive.ts'
import { raceAbort } from '../../lib/abort.ts'
import { monotonic, timeout } from '../../lib/clock.ts'

/** How long an answer waits at most for what goes on in the background, in seconds. */
const MAX_WAIT = 1
/** For how long it does not wait again where that was not enough, in seconds. */
const IMPATIENT_FOR = 30

/** A function stands still once it has answered: what goes on in the background goes on beside the handler, or hardly at all. */
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
