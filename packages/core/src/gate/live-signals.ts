/**
 * Ends what outlives its request, such as event streams and WebSockets: aborts a signal when the token of the request expires or
 * is revoked.
 */

import { Groups } from '../lib/groups.ts'
import type { Identity } from '../model/identity.ts'
import { type Expiring, ExpiryWatch } from './expiry-watch.ts'
import type { RevocationHash } from './revocation-check.ts'
import { type Revocable, type RevocationSource, RevocationWatch } from './revocation-watch.ts'
import { namesOf } from './stream-index.ts'

/** The reason of an aborted signal. */
export class TokenEndedError extends Error {
  override readonly name = 'TokenEndedError'
  readonly code: 'ERR_TOKEN_EXPIRED' | 'ERR_TOKEN_REVOKED'

  constructor(reason: 'expired' | 'revoked') {
    super(reason === 'expired' ? 'The access token expired' : 'The access token was revoked')
    this.code = reason === 'expired' ? 'ERR_TOKEN_EXPIRED' : 'ERR_TOKEN_REVOKED'
  }
}

interface Live extends Expiring, Revocable {
  readonly controller: AbortController
  readonly ended: AbortSignal | undefined
}

/** The parts of a gate that the signals need. */
export interface SignalSources extends RevocationSource {
  /** In milliseconds since the epoch. */
  readonly now: () => number
}

export class LiveSignals {
  readonly #live = new Set<Live>()
  /** By the signal `ended`. Many streams may share one, for example that of a shutdown, and so share one listener. */
  readonly #byEnded = new Groups<AbortSignal, Live>()
  readonly #expiries: ExpiryWatch<Live>
  readonly #revocations: RevocationWatch<Live>

  constructor(sources: SignalSources) {
    this.#expiries = new ExpiryWatch(sources.now, this.#live, (live) => this.#end(live, 'expired'))
    this.#revocations = new RevocationWatch(sources, this.#live, (live) => this.#end(live, 'revoked'))
  }

  /** @param ended forgets the signal when it aborts: the stream is over */
  add(identity: Identity<unknown>, hash: RevocationHash, ended?: AbortSignal): AbortSignal {
    const controller = new AbortController()
    if (ended?.aborted === true) return controller.signal
    const { expiresAt = Number.POSITIVE_INFINITY } = identity
    const live: Live = { controller, identity, names: namesOf(identity), expiresAt, hash, ended }
    const hasExpired = this.#expiries.watch(live)
    this.#live.add(live)
    this.#revocations.watch(live)
    if (ended !== undefined) this.#forgetWith(ended, live)
    // The token may have expired before (the gate allows for `clockTolerance`), or was revoked since the decision. The caller
    // adds its listener after this call, so the signal must not abort earlier.
    queueMicrotask(() => {
      if (hasExpired) this.#end(live, 'expired')
      this.#revocations.start(live)
    })
    return controller.signal
  }

  #forgetWith(ended: AbortSignal, live: Live): void {
    if (!this.#byEnded.has(ended)) ended.addEventListener('abort', this.#forgetAll)
    this.#byEnded.add(ended, live)
  }

  readonly #forgetAll = ({ currentTarget }: Event): void => {
    for (const live of [...this.#byEnded.of(currentTarget as AbortSignal)]) this.#forget(live)
  }

  /** Returns whether the stream was still known. */
  #forget(live: Live): boolean {
    if (!this.#live.delete(live)) return false
    this.#revocations.forget(live)
    const { ended } = live
    if (ended === undefined) return true
    this.#byEnded.delete(ended, live)
    // The signal may live as long as the process. It must not keep the streams that it was passed for.
    if (!this.#byEnded.has(ended)) ended.removeEventListener('abort', this.#forgetAll)
    return true
  }

  #end(live: Live, reason: 'expired' | 'revoked'): void {
    if (this.#forget(live)) live.controller.abort(new TokenEndedError(reason))
  }
}
