/** Checks what a verifier returned, once, before a gate or a cache uses it. */

import { secondsOf, now as systemNow } from '../lib/clock.ts'
import { getOwn, isObject } from '../lib/json.ts'
import { type Identity, withSource, wrongMember } from '../model/identity.ts'
import { REASONS } from '../model/rejection.ts'
import { UnavailableError } from '../model/unavailable.ts'
import { isNumericDate, type Seconds } from '../model/units.ts'
import { inactive, isMade, type Verification } from './verification.ts'

/** When a result stops being valid, by the clock of the verifier that returned it. */
interface Expiry {
  readonly at: Seconds
  now(): number
}

/** Results that need no further check except for their expiry: checked ones, and those of verifiers of this package. */
const checked = new WeakMap<object, Expiry | undefined>()

/**
 * Marks a result of a verifier of this package, whose identity is frozen, as valid.
 * @param now the clock of the verifier, in milliseconds since the epoch
 * @param tolerance how long after `expiresAt` the verifier accepts the token. In seconds
 */
export function markValidated<V extends Verification<Identity<unknown>>>(
  verification: V,
  now: () => number = systemNow,
  tolerance: Seconds = 0,
): V {
  const expiresAt = verification.active ? verification.expiresAt : undefined
  checked.set(
    Object.freeze(verification),
    expiresAt === undefined ? undefined : { at: expiresAt + tolerance, now },
  )
  return verification
}

/** Whether a result needs no check. Then it is the same object wherever it is used. */
export function isValidated(verification: object): boolean {
  return checked.has(verification) || isMade(verification)
}

/**
 * Returns a result of a verifier, frozen, or `expired` if its `expiresAt` has passed.
 * @throws UnavailableError if it is not a `Verification`: then nothing is known about the token
 */
export function validateResult<I extends Identity<unknown>>(
  given: Verification<I>,
  now: () => number,
): Verification<I> {
  const end = checked.get(given)
  if (end !== undefined && secondsOf(end.now) >= end.at) return inactive('expired')
  if (end !== undefined || isValidated(given)) return given
  const problem = describeProblem(given)
  if (problem !== undefined) throw new UnavailableError(`The verifier gave ${problem}`)
  // Named members are copied by name, because they may be inherited, such as the getters of a class.
  if (!given.active) return markValidated({ ...given, active: false, reason: given.reason })
  const expiresAt = given.expiresAt ?? (getOwn(given.identity, 'expiresAt') as Seconds | undefined)
  if (expiresAt !== undefined && secondsOf(now) >= expiresAt) return inactive('expired')
  return markValidated({ ...given, active: true, identity: withSource(given.identity), expiresAt }, now)
}

/** Describes what is wrong with a result. Returns `undefined` for a `Verification`. */
export function describeProblem(given: unknown): string | undefined {
  if (!isObject(given)) return 'no verification'
  if (given.active === false)
    return REASONS.includes(given.reason as never) ? undefined : 'a "reason" that is not in the list'
  if (given.active !== true) return 'an "active" that is neither true nor false'
  if (given.expiresAt !== undefined && !isNumericDate(given.expiresAt))
    return 'an "expiresAt" that is no date in seconds since the epoch'
  if (!isObject(given.identity)) return 'no identity'
  const wrong = wrongMember(given.identity)
  return wrong === undefined
    ? undefined
    : `an identity with a "${wrong}" that is missing, or of the wrong type`
}
