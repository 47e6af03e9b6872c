/** Hedges requests: sends a request without a response again on another connection. */

import { pause } from '../lib/clock.ts'
import type { Seconds } from '../model/units.ts'
import type { ExtraPlace, Place } from './semaphore.ts'

/** How long a request waits for its response before it is sent again. In seconds. Far longer than an introspection takes. */
const HEDGE_DELAY: Seconds = 0.5
/** How often a request is sent at most. Four dead connections in a row are improbable, and a slow server must not drown. */
const MAX_REQUESTS = 4

/** A request without a response. */
interface Sent<T> {
  readonly place: Place
  readonly outcome: Promise<Outcome<T>>
}

/** The end of a request, or of a pause: with neither member set, the time for the next request has come. */
interface Outcome<T> {
  /** Identifies the request. */
  readonly abort?: AbortController
  readonly answer?: { readonly value: T }
  readonly failed?: { readonly place: Place; readonly cause: unknown }
}

export interface Hedged<T> {
  /** Sends the request in a place. Rejects when the signal aborts. */
  readonly send: (signal: AbortSignal, place: Place) => Promise<T>
  readonly signal: AbortSignal
  /** The place that the caller takes. Each other request takes one more. */
  readonly place: Place
  /** Whether a failure is a response of the server, so that sending the request again is of no use. */
  readonly isResponse: (cause: unknown) => boolean
}

/**
 * Sends a request, and sends it again every 0.5 s while there is no response. The first response counts, and the other
 * requests are cancelled.
 *
 * Each further request needs a place of the semaphore, because it is work for the server. If no place is free, an unknown
 * caller goes on waiting. A known caller's request is cancelled once, and sent again in its own place: its connection is
 * probably dead.
 *
 * A request that fails is sent again at once in the place of the failed one, but only after the first failure. A response,
 * even a bad one, ends everything: the server has been reached.
 */
export async function hedged<T>({ send, signal, place, isResponse }: Hedged<T>): Promise<T> {
  const pending = new Map<AbortController, Sent<T>>()
  const places: ExtraPlace[] = []
  let left = MAX_REQUESTS
  let failures = 0
  let mayReplace = place.known
  function start(at: Place): void {
    left -= 1
    // Not AbortSignal.any, which some versions of Node may collect before it is due.
    const abort = new AbortController()
    const outcome: Promise<Outcome<T>> = send(abort.signal, at).then(
      (value) => ({ abort, answer: { value } }),
      (cause: unknown) => ({ abort, failed: { place: at, cause } }),
    )
    pending.set(abort, { place: at, outcome })
  }
  function cancelAll(): void {
    for (const abort of pending.keys()) abort.abort(signal.reason)
  }
  signal.addEventListener('abort', cancelAll)
  try {
    start(place)
    for (;;) {
      const silence = left > 0 ? [silent()] : []
      const outcomes = [...pending.values()].map(({ outcome }) => outcome)
      const { abort, answer, failed } = await Promise.race([...outcomes, ...silence])
      // Only now, because two outcomes can come together. The race returns the first, and the next turn must find the second.
      if (abort !== undefined) pending.delete(abort)
      if (answer !== undefined) return answer.value
      if (failed !== undefined) {
        if (signal.aborted || isResponse(failed.cause)) throw failed.cause
        // The first failure may be a connection that was lost. A second one says something about the server.
        failures += 1
        if (failures > 1) left = 0
        if (left > 0) start(failed.place)
        else if (pending.size === 0) throw failed.cause
        continue
      }
      const other = place.beside()
      if (other !== undefined) {
        places.push(other)
        start(other)
      } else if (mayReplace) {
        mayReplace = false
        const [first] = pending
        if (first === undefined) continue
        const [lost, sent] = first
        pending.delete(lost)
        lost.abort()
        start(sent.place)
      }
    }
  } finally {
    signal.removeEventListener('abort', cancelAll)
    cancelAll()
    for (const other of places) other.release()
  }
}

/** Resolves when it is time to send the request again. */
async function silent(): Promise<Outcome<never>> {
  await pause(HEDGE_DELAY)
  return {}
}
