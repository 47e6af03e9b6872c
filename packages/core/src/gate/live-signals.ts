/**
 * Ends what outlives its request, such as event streams and WebSockets: aborts a signal when the token of the request expires or
 * is revoked. There is one timer for all signals, at the earliest expiry.
 */

import { secondsOf, timeout } from '../lib/clock.ts'
import { isPromiseLike, mapMaybe } from '../lib/promise.ts'
import type { Identity } from '../model/identity.ts'
import type { Seconds } from '../model/units.ts'
import type { RevocationHash } from './revocation-check.ts'

/** The longest wait between two looks at the expiries. In seconds: timers cannot wait for longer than 24 days. */
const MAX_WAIT: Seconds = 86_400
/** The shortest one, so that thousands of signals with different expiries do not cause as many looks. In seconds. */
const MIN_WAIT: Seconds = 1

/** The reason of an aborted signal. */
export class TokenEndedError extends Error {
  override readonly name = 'TokenEndedError'
  readonly code: 'ERR_TOKEN_EXPIRED' | 'ERR_TOKEN_REVOKED'

  constructor(reason: 'expired' | 'revoked') {
    super(reason === 'expired' ? 'The access token expired' : 'The access token was revoked')
    this.code = reason === 'expired' ? 'ERR_TOKEN_EXPIRED' : 'ERR_TOKEN_REVOKED'
  }
}

interface Live {
  readonly controller: AbortController
  readonly identity: Identity<unknown>
  readonly hash: RevocationHash
}

/** The parts of a gate that the signals need. */
export interface SignalSources {
  /** In milliseconds since the epoch. */
  readonly now: () => number
  isInStore(identity: Identity<unknown>, hash: RevocationHash): boolean | PromiseLike<boolean>
  /** Calls the listener after each revocation. */
  onRevoked(listener: () => void): void
}

export class LiveSignals {
  readonly #sources: SignalSources
  readonly #live = new Set<Live>()
  #isListening = false
  #isChecking = false
  /** When the next look at the expiries is due. In seconds since the epoch. */
  #wakesAt: Seconds = Number.POSITIVE_INFINITY
  /** Kept, because a runtime may collect a signal that nothing refers to. */
  #timer: AbortSignal | undefined

  constructor(sources: SignalSources) {
    this.#sources = sources
  }

  /** @param ended forgets the signal when it aborts: the stream is over */
  add(identity: Identity<unknown>, hash: RevocationHash, ended?: AbortSignal): AbortSignal {
    const live: Live = { controller: new AbortController(), identity, hash }
    if (!this.#isListening) this.#sources.onRevoked(() => this.#revoked())
    this.#isListening = true
    this.#live.add(live)
    ended?.addEventListener('abort', () => this.#live.delete(live))
    if (ended?.aborted === true) this.#live.delete(live)
    const isExpired = secondsOf(this.#sources.now) >= (identity.expiresAt ?? Number.POSITIVE_INFINITY)
    if (!isExpired) this.#endExpired([live])
    // The token may have expired before (the gate allows for `clockTolerance`), or was revoked since the decision. The caller
    // adds its listener after this call, so the signal must not abort earlier.
    queueMicrotask(() => {
      if (isExpired) this.#end(live, 'expired')
      this.#check(live)
    })
    return live.controller.signal
  }

  #end(live: Live, reason: 'expired' | 'revoked'): void {
    if (this.#live.delete(live)) live.controller.abort(new TokenEndedError(reason))
  }

  /** Ends those signals whose token has expired, and makes sure that the timer wakes for the next one of them. */
  #endExpired(signals: Iterable<Live>): void {
    const now = secondsOf(this.#sources.now)
    let next = Number.POSITIVE_INFINITY
    for (const live of signals) {
      const { expiresAt = Number.POSITIVE_INFINITY } = live.identity
      if (now >= expiresAt) this.#end(live, 'expired')
      else next = Math.min(next, expiresAt)
    }
    if (next === Number.POSITIVE_INFINITY || (now < this.#wakesAt && this.#wakesAt <= next)) return
    const wait = Math.min(Math.max(next - now, MIN_WAIT), MAX_WAIT)
    this.#wakesAt = now + wait
    const timer = timeout(wait)
    this.#timer = timer
    timer.addEventListener('abort', () => {
      // An earlier expiry has set another timer meanwhile.
      if (this.#timer === timer) this.#endExpired(this.#live)
    })
  }

  /** Checks all signals once after any number of revocations in the same turn. */
  #revoked(): void {
    if (this.#isChecking) return
    this.#isChecking = true
    queueMicrotask(() => {
      this.#isChecking = false
      for (const live of this.#live) this.#check(live)
    })
  }

  /** A store that fails says nothing about the token: the next request of the client gets 503. */
  #check(live: Live): void {
    const end = (isRevoked: boolean) => {
      if (isRevoked) this.#end(live, 'revoked')
    }
    try {
      // No promise for a store that answers at once: each revocation checks all signals, and there may be thousands.
      const checked = mapMaybe(this.#sources.isInStore(live.identity, live.hash), end)
      if (isPromiseLike(checked)) checked.catch(() => {})
    } catch {} // The store threw.
  }
}
