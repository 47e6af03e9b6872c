/** Asks two places for the same document: the second one if the first one fails, or does not answer for a while. */

import { pause } from '../lib/clock.ts'
import type { Seconds } from '../model/units.ts'

/** The time without an answer after which the second place is asked as well. In seconds. */
const PATIENCE: Seconds = 0.25

type Ask<T> = (signal: AbortSignal) => Promise<T>

/**
 * Resolves with the first success, and then ends the other request.
 * @throws AggregateError with both failures, that of the first place first
 */
export async function either<T>(first: Ask<T>, second: Ask<T>, signal: AbortSignal): Promise<T> {
  // Not AbortSignal.any, which some versions of Node may collect before it is due.
  const abort = new AbortController()
  const cancel = () => abort.abort(signal.reason)
  signal.addEventListener('abort', cancel)
  try {
    signal.throwIfAborted()
    const answer = first(abort.signal)
    const answered = answer.then(
      () => true,
      () => false,
    )
    const isEnough = Promise.race([answered, pause(PATIENCE)])
    return await Promise.any([answer, isEnough.then((enough) => (enough ? answer : second(abort.signal)))])
  } finally {
    signal.removeEventListener('abort', cancel)
    abort.abort()
  }
}
