/** Callers whose tokens were verified before. They have budgets of their own, which strangers cannot use up. */

import { sha256 } from '#digest'
import { getOwn } from '../../lib/json.ts'
import { lru } from '../../lib/lru.ts'

/** Which budget a token draws from, by the caller that it names. */
export type CallerKind = 'known' | 'unknown'

const MAX_CALLERS = 10_000

const KNOWN = Object.freeze({})

export class KnownCallers {
  readonly #callers = lru<object>({ max: MAX_CALLERS })

  /** Looks a caller up. Only verified tokens keep it from being forgotten, so this does not count as a use. */
  kindOf(caller: string | undefined): CallerKind {
    return caller !== undefined && this.#callers.has(caller) ? 'known' : 'unknown'
  }

  /** Remembers the caller of a token that was verified. */
  add(caller: string | undefined): void {
    if (caller !== undefined) this.#callers.set(caller, KNOWN)
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
