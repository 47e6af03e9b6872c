/** Checks the claims that `requiredClaims` asks for. */

import { configurationError } from '../../lib/configuration-error.ts'
import { isObject } from '../../lib/json.ts'
import { isPlain } from '../../lib/plain.ts'
import { ignoreRejection } from '../../lib/promise.ts'
import { received } from '../../lib/received.ts'
import { MistakeError } from '../../model/unavailable.ts'
import { type Inactive, inactive } from '../verification.ts'
import type { RawClaims } from './values.ts'

type ClaimValue = string | number | boolean

/** Claims by name, each with its value, with several values one of which is enough, or with a function that checks it. */
export type RequiredClaims = Readonly<
  Record<string, ClaimValue | readonly ClaimValue[] | ((value: unknown) => boolean)>
>

/** Checks one claim. Returns `undefined` if it is as required. */
type Check = (claims: RawClaims) => Inactive | undefined

/**
 * Returns the claims of an option `requiredClaims`. Anything but a plain object, such as a `Map` or a promise, would require no
 * claim.
 * @throws TypeError if it is no plain object
 */
export function readRequired(required: RequiredClaims = {}): RequiredClaims {
  if (isObject(required) && isPlain(required)) return required
  throw configurationError(
    'INVALID_OPTION',
    `"requiredClaims" must be a plain object, such as { tenant: 'acme' }, but is ${received(required)}`,
  )
}

/**
 * Creates the checks of an option `requiredClaims`.
 * @throws TypeError if it is not an object of values and functions
 */
export function requiredChecks(required: RequiredClaims | undefined): readonly Check[] {
  return Object.entries(readRequired(required)).map(([name, wanted]) => {
    const isWanted = typeof wanted === 'function' ? asked(name, wanted) : among(name, wanted)
    return (claims) => {
      if (!Object.hasOwn(claims, name))
        return inactive('missing_claim', `${name} is missing, but "requiredClaims" or the preset requires it`)
      return isWanted(claims[name]) ? undefined : inactive('invalid_claim', name)
    }
  })
}

/** Creates the check of a claim by a function of the application. A promise is truthy, so only `true` and `false` count. */
function asked(name: string, predicate: (value: unknown) => boolean): (value: unknown) => boolean {
  return (value) => {
    const answer: unknown = predicate(value)
    if (typeof answer === 'boolean') return answer
    ignoreRejection(answer)
    throw new MistakeError(`The function for "${name}" in "requiredClaims" must return true or false`)
  }
}

/** Creates the check of a claim by a list of values, compared exactly. For a claim that is an array, one match is enough. */
function among(name: string, wanted: ClaimValue | readonly ClaimValue[]): (value: unknown) => boolean {
  const values: readonly unknown[] = Array.isArray(wanted) ? [...wanted] : [wanted]
  if (values.length === 0 || !values.every((value) => /^(?:string|number|boolean)$/.test(typeof value)))
    throw configurationError(
      'INVALID_OPTION',
      `"${name}" in "requiredClaims" must have a value, or a non-empty array of values`,
    )
  return (value) => (Array.isArray(value) ? value : [value]).some((item) => values.includes(item))
}
