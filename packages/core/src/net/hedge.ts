/** Hedged requests: a request without a response is sent again on another connection. */

import { pause } from '../lib/clock.ts'
import type { Seconds } from '../model/units.ts'
import type { ExtraPlace, Place } from './semaphore.ts'

/** How long a request waits for its response before it is sent again. */
const HEDGE_DELAY: Seconds = 0.5
/** How often a request is sent at most. */
const MAX_REQUESTS = 4

interface Sent<T> {
  readonly place: Place
  readonly outcome: Promise<Outcome<T>>
}

interface Outcome<T> {
  /** Of the request that it is the outcome of. */
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
 * Sends a request, and sends it again while there is no response. The first response counts.
 *
 * If no place is free, an unknown caller waits for one. A known caller's request is cancelled once, and sent again in its
 * own place: its connection is probably dead.
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
      // Not before it is read here: of two events at once, only the first one wins the race.
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

async function silent(): Promise<Outcome<never>> {
  await pause(HEDGE_DELAY)
  return {}
}
