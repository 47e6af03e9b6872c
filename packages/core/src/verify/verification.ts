/** Defines the result of verifying a token (RFC 6750 §3.1, RFC 7662 §2.2). */

import { secondsOf } from '../lib/clock.ts'
import type { Identity } from '../model/identity.ts'
import type { Rejection } from '../model/rejection.ts'
import type { Seconds } from '../model/units.ts'

/**
 * The result of a verifier: the token is valid, or it is not. A verifier that could not check the token throws instead. That
 * difference decides between 401, which signs a user out, and 503, after which the client tries again.
 */
export type Verification<I extends Identity<unknown> = Identity> = Active<I> | Inactive

/** The result for a valid token. */
export interface Active<I extends Identity<unknown> = Identity> {
  readonly active: true
  /** The caller. It is copied and frozen, unless it is an instance of a class. */
  readonly identity: I
  /**
   * When the result stops being valid. In seconds since the epoch. A verifier that tolerates clock differences includes the
   * tolerance. Default: the `expiresAt` of the identity.
   */
  readonly expiresAt?: Seconds | undefined
}

/** The result for a token that is not valid. A second attempt would not change that, so it may be cached. */
export interface Inactive extends Rejection {
  readonly active: false
}

/**
 * Freezes the result for a valid token, or returns `expired` if it has expired by now. A verification can take seconds, so a
 * token can expire meanwhile.
 * @param result an object literal, whose identity is frozen. A copy made by spreading takes 250 bytes more, because V8 gives
 *   each frozen one a hidden class of its own
 * @param now in milliseconds since the epoch
 */
export function activeUntil<R extends Active<Identity<unknown>>>(
  result: R,
  now: () => number,
): Readonly<R> | Inactive {
  const { expiresAt } = result
  if (expiresAt !== undefined && secondsOf(now) >= expiresAt) return inactive('expired')
  return Object.freeze(result)
}

/**
 * Creates the result for a token that is not valid.
 * @param detail for operators. A function is called only if the detail is read
 */
export function inactive(
  reason: Rejection['reason'],
  detail?: string | (() => string | undefined),
): Inactive {
  if (typeof detail === 'function') return new InactiveWithDetail(reason, detail)
  return Object.freeze(detail === undefined ? { active: false, reason } : { active: false, reason, detail })
}

/** Computes its detail when it is read. A class, because V8 takes a microsecond to freeze an object literal with a getter. */
class InactiveWithDetail implements Inactive {
  readonly active = false
  readonly reason: Rejection['reason']
  readonly #detail: () => string | undefined

  constructor(reason: Rejection['reason'], detail: () => string | undefined) {
    this.reason = reason
    this.#detail = detail
    Object.freeze(this)
  }

  get detail(): string | undefined {
    return this.#detail()
  }
}

/** Whether a step of a verifier rejected the token, instead of returning its own result. */
export function isInactive(result: object): result is Inactive {
  return Object.hasOwn(result, 'active')
}
