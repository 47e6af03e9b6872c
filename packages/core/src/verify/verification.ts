/** The result of verifying a token (RFC 6750 §3.1, RFC 7662 §2.2). */

import type { Identity } from '../model/identity.ts'
import type { Rejection } from '../model/rejection.ts'
import type { Seconds } from '../model/units.ts'

/** A token is valid, or it is not. A verifier that cannot tell throws instead. */
export type Verification<I extends Identity<unknown> = Identity> = Active<I> | Inactive

/** The token is valid. */
export interface Active<I extends Identity<unknown> = Identity> {
  readonly active: true
  readonly identity: I
  /** When the result stops being valid. In seconds since the epoch. Default: the `expiresAt` of the identity. */
  readonly expiresAt?: Seconds | undefined
}

/** The token is not valid, and a second attempt would not change that. */
export interface Inactive extends Rejection {
  readonly active: false
}

/** Results of `inactive`. They need no check. */
const made = new WeakSet<object>()

/**
 * Creates the result for a token that is not valid.
 * @param detail for operators. A function is called only if the detail is read
 */
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

/** Whether a result was created by `inactive`. */
export function isMade(result: object): boolean {
  return made.has(result)
}

/** Whether a step of a verifier rejected the token, instead of returning its own result. */
export function isInactive(result: object): result is Inactive {
  return Object.hasOwn(result, 'active')
}
