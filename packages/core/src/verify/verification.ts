/** What a verifier found out about a token. */

import type { Identity } from '../model/identity.ts'
import type { Rejection } from '../model/rejection.ts'
import type { Seconds } from '../model/units.ts'

export type Verification<I extends Identity<unknown> = Identity> = Active<I> | Inactive

/** The token is good. */
export interface Active<I extends Identity<unknown> = Identity> {
  readonly active: true
  readonly identity: I
  /** From when on the result must not be used any more, in seconds since the epoch. Default: the identity's `expiresAt`. */
  readonly expiresAt?: Seconds | undefined
}

/** The token is bad, and asking again will not change that. */
export interface Inactive extends Rejection {
  readonly active: false
}

/** What `inactive` made: it needs no check. */
const made = new WeakSet<object>()

/** @param detail for operators; a function is called only if somebody reads it */
export function inactive(
  reason: Rejection['reason'],
  detail?: string | (() => string | undefined),
): Inactive {
  const result: Inactive =
    typeof detail === 'function'
      ? {
          active: false,
          reason,
          get detail() {
            return detail()
          },
        }
      : { active: false, reason, ...(detail !== undefined && { detail }) }
  made.add(Object.freeze(result))
  return result
}

/** Whether `inactive` made the result. */
export function isMade(result: object): boolean {
  return made.has(result)
}

/** Whether a step gave a refusal instead of its result. */
export function isInactive(result: object): result is Inactive {
  return Object.hasOwn(result, 'active')
}
