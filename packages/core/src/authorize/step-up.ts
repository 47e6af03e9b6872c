/** Requires a stronger or more recent authentication of the user (RFC 9470). */

import { assertWholeSeconds } from '../lib/assert.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { isScopeToken } from '../lib/syntax.ts'
import type { Seconds } from '../model/units.ts'
import { assertSingle, creates, type Rule, simpleRule } from './requirement.ts'

/**
 * Requires one of these authentication context classes. If the `acr` of the token is none of them, the answer is 401
 * `insufficient_user_authentication` with `acr_values` (RFC 9470 §3). The client can then sign the user in again with one of
 * these classes. List the preferred one first. The classes are compared exactly, so a stronger class that is not in the list
 * does not count.
 *
 * @example
 * auth.authorize(acr('urn:example:hardware-key', 'urn:example:otp'))
 * @throws TypeError if there is none, or one contains a character that `acr_values` does not allow
 */
export function acr(...values: readonly [string, ...string[]]): Rule {
  if (values.length === 0 || !values.every(isScopeToken))
    throw configurationError(
      'INVALID_REQUIREMENT',
      '"acr" must have one value or several, each without spaces and quotes',
    )
  return simpleRule((identity) => identity.acr !== undefined && values.includes(identity.acr), {
    reason: 'insufficient_user_authentication',
    requirement: `acr(${values.join(', ')})`,
    acrValues: [...values],
  })
}

/** How far in the future an authentication may seem to be, because clocks differ. */
const MAX_SKEW: Seconds = 300

/**
 * Requires an authentication that is at most this old, according to `auth_time`. If it is older, the answer is 401
 * `insufficient_user_authentication` with `max_age` (RFC 9470 §3). A token without `auth_time` never meets this requirement.
 *
 * @example
 * auth.authorize(maxAge(300)) // the user signed in during the last five minutes
 * @param seconds a whole number, 0–31,536,000
 * @throws TypeError if it is not
 */
export function maxAge(seconds: Seconds, ...more: readonly never[]): Rule {
  if (seconds === undefined)
    throw configurationError(
      'INVALID_REQUIREMENT',
      '"maxAge" must be a whole number of seconds, such as maxAge(300), but is undefined',
    )
  const age = assertWholeSeconds('maxAge', seconds, { preset: 0, min: 0, max: 31_536_000 })
  assertSingle('maxAge', more)
  return simpleRule(
    ({ authenticatedAt: at }, { now }) => {
      if (at === undefined) return false
      const passed = now() - at
      return passed <= age && passed >= -MAX_SKEW
    },
    { reason: 'insufficient_user_authentication', requirement: `maxAge(${age})`, maxAge: age },
  )
}

creates(acr, "acr('urn:example:mfa')")
creates(maxAge, 'maxAge(300)')
