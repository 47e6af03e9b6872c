/** Requires the value of a claim (RFC 7519 §4). */

import { configurationError } from '../lib/configuration-error.ts'
import { getOwn, isObject } from '../lib/json.ts'
import { received } from '../lib/received.ts'
import { creates, type Rule, simpleRule } from './requirement.ts'

type ClaimValue = string | number | boolean

/**
 * Requires a claim to have one of these values, or to be an array that contains one of them. If it has no such value, the
 * answer is 403. The challenge names no scope, because a new token of this client would have the same claim.
 *
 * @example
 * auth.authorize(claim('department', 'finance', 'audit'))
 * @throws TypeError if there is no name or no value, or a value is not a string, number or boolean
 */
export function claim(name: string, ...values: readonly [ClaimValue, ...ClaimValue[]]): Rule {
  if (typeof name !== 'string' || name === '')
    throw configurationError(
      'INVALID_REQUIREMENT',
      `"claim" must have a name, such as claim('tenant', 'acme'), but received ${received(name)}`,
    )
  if (values.length === 0 || !values.every((value) => /^(?:string|number|boolean)$/.test(typeof value)))
    throw configurationError(
      'INVALID_REQUIREMENT',
      "\"claim\" must have one value or several, each a string, number or boolean, such as claim('tenant', 'acme')",
    )
  const wanted: readonly unknown[] = values
  return simpleRule(
    ({ claims }) => {
      const value = isObject(claims) ? getOwn(claims, name) : undefined
      return (Array.isArray(value) ? value : [value]).some((item) => wanted.includes(item))
    },
    {
      reason: 'insufficient_scope',
      lacks: 'claim',
      requirement: `claim(${name})`,
      detail: `the claim ${name} does not have a required value`,
    },
  )
}

creates(claim, "claim('plan', 'pro')")
