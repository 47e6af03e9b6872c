/**
 * Remembers callers whose tokens were verified before. They have budgets of their own, which unknown callers cannot use up.
 *
 * Before the signature check, a token only claims to be of a caller. An attacker can therefore name a known caller in a forged
 * token, but must know its `sub`. So budgets of known callers are also limited for each caller.
 */

import { sha256 } from '#digest'
import { getOwn } from '../../lib/json.ts'
import { lru } from '../../lib/lru.ts'
import type { TokenBucket } from '../../net/token-bucket.ts'
import type { VerificationKey } from './jwk.ts'

/** Which budget a token draws from, by the caller that it names. */
export type CallerKind = 'known' | 'unknown'

/** The number of callers that are remembered. Those whose last verified token is oldest are forgotten. */
const MAX_CALLERS = 10_000

/** A caller that is remembered. Mutable, because all of its tokens share it. */
export interface KnownCaller {
  /** The key that verified its last token. */
  lastKey?: VerificationKey | undefined
  /** The fetches of the key set that its tokens may still cause, once they caused one. */
  refreshes?: TokenBucket
  /** The key tries beyond the free ones that its tokens may still make, once they made some. */
  tries?: TokenBucket
}

/** Keeps the known callers of one key set. */
export class KnownCallers {
  readonly #callers = lru<KnownCaller>({ max: MAX_CALLERS })

  /** Looks a caller up. Only verified tokens keep it from being forgotten, so this does not count as a use. */
  get(caller: string | undefined): KnownCaller | undefined {
    return caller === undefined ? undefined : this.#callers.peek(caller)
  }

  /** Returns which budget a token of this caller draws from. */
  kindOf(caller: string | undefined): CallerKind {
    return this.get(caller) === undefined ? 'unknown' : 'known'
  }

  /** Remembers the caller of a token that this key verified. */
  add(caller: string | undefined, lastKey?: VerificationKey): void {
    if (caller === undefined) return
    const known = this.#callers.get(caller)
    if (known === undefined) this.#callers.set(caller, { lastKey })
    else known.lastKey = lastKey
  }
}

/**
 * Names the caller of a token by its `sub` and `client_id`, if it has one of them. They are encoded as JSON, because two
 * different pairs then have different texts. The text is hashed, so that names are short and contain no personal data.
 */
export function callerOf(claims: object): string | undefined | Promise<string> {
  const [subject, client] = [getOwn(claims, 'sub'), getOwn(claims, 'client_id')]
  if (subject === undefined && client === undefined) return undefined
  return sha256(JSON.stringify([subject, client]))
}
