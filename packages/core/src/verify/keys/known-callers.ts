/** Callers whose tokens were verified before. They have budgets of their own, which strangers cannot use up. */

import { sha256 } from '#digest'
import { getOwn } from '../../lib/json.ts'
import { lru } from '../../lib/lru.ts'
import type { TokenBucket } from '../../net/token-bucket.ts'
import type { VerificationKey } from './jwk.ts'

/** Which budget a token draws from, by the caller that it names. */
export type CallerKind = 'known' | 'unknown'

const MAX_CALLERS = 10_000

export interface KnownCaller {
  /** The key that verified its last token. */
  lastKey?: VerificationKey | undefined
  /** The fetches of the key set that its tokens may still cause, once they caused one. */
  refreshes?: TokenBucket
}

export class KnownCallers {
  readonly #callers = lru<KnownCaller>({ max: MAX_CALLERS })

  /** Looks a caller up. Only verified tokens keep it from being forgotten, so this does not count as a use. */
  get(caller: string | undefined): KnownCaller | undefined {
    return caller === undefined ? undefined : this.#callers.peek(caller)
  }

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
 * Names the caller of a token by its `sub` and `client_id`, if it has one of them. As JSON, because no two pairs are the
 * same text then, and hashed, so that names are short and say nothing about anybody.
 */
export function callerOf(claims: object): string | undefined | Promise<string> {
  const [subject, client] = [getOwn(claims, 'sub'), getOwn(claims, 'client_id')]
  if (subject === undefined && client === undefined) return undefined
  return sha256(JSON.stringify([subject, client]))
}
