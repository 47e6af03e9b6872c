/**
 * Combines requirements, and computes what the challenge asks for (RFC 6750 §3, RFC 9470 §3).
 *
 * A client reads the challenge to ask for a better token. If the challenge named only the first missing scope, the client
 * would return with a token that lacks the second one. If it named only missing scopes, the new token could lack those that
 * the old one had. So a challenge names everything that the operation needs.
 */

import { configurationError } from '../lib/configuration-error.ts'
import type { Identity } from '../model/identity.ts'
import type { Rejection } from '../model/rejection.ts'
import { type Context, type Needs, type Requirement, type Rule, toRequirement } from './requirement.ts'

type Requirements<I extends Identity<unknown>> = readonly [Requirement<I>, ...Requirement<I>[]]

/**
 * Requires all of the requirements. The challenge names what all of them need. Missing scopes and rights come before a
 * stronger authentication, which would not help without them.
 *
 * @example
 * auth.authorize(allOf(scope('payments'), acr('urn:example:mfa'), maxAge(300)))
 * @throws TypeError if there is none, or one is not a requirement
 */
export function allOf<I extends Identity<unknown> = Identity<unknown>>(
  ...requirements: Requirements<I>
): Rule {
  const rules = rulesOf('allOf', requirements)
  const challenge = (identity: Identity<unknown>, context: Context) =>
    joined(rules.map((rule) => rule.challenge(identity, context)))
  return Object.freeze({
    scopes: Object.freeze(rules.flatMap(({ scopes }) => scopes)),
    challenge,
    check(identity: Identity<unknown>, context: Context) {
      const lacking = rules
        .map((rule) => rule.check(identity, context))
        .filter((rejection) => rejection !== undefined)
      const [first] = lacking
      if (first === undefined) return undefined
      const rights = lacking.filter(({ reason }) => reason === 'insufficient_scope')
      const [right] = rights
      if (right === undefined) return { ...first, ...challenge(identity, context) }
      return {
        ...right,
        scopes: rights.some(isAttainable) ? (challenge(identity, context).scopes ?? []) : [],
      }
    },
  })
}

/**
 * Requires one of the requirements. If none is met, the challenge asks for the first one that a new token could meet, so
 * list first what a client is likely to get.
 *
 * @example
 * auth.authorize(anyOf(scope('orders:read'), role('support')))
 * @throws TypeError if there is none, or one is not a requirement
 */
export function anyOf<I extends Identity<unknown> = Identity<unknown>>(
  ...requirements: Requirements<I>
): Rule {
  const rules = rulesOf('anyOf', requirements)
  const [first] = rules as [Rule, ...Rule[]]
  return Object.freeze({
    scopes: first.scopes,
    challenge(identity: Identity<unknown>, context: Context) {
      const met = rules.find((rule) => rule.check(identity, context) === undefined)
      return (met ?? first).challenge(identity, context)
    },
    check(identity: Identity<unknown>, context: Context) {
      const lacks: Rejection[] = []
      for (const rule of rules) {
        const rejection = rule.check(identity, context)
        if (rejection === undefined) return undefined
        lacks.push(rejection)
      }
      return lacks.find(isAttainable) ?? lacks[0]
    },
  })
}

function rulesOf<I extends Identity<unknown>>(name: string, requirements: Requirements<I>): readonly Rule[] {
  if (requirements.length === 0)
    throw configurationError(
      'INVALID_REQUIREMENT',
      `"${name}" needs at least one requirement, such as ${name}(scope('read'), role('admin'))`,
    )
  return requirements.map((item) => toRequirement(name, item))
}

/** Returns what meets several requirements: all scopes, one of the context classes, and the shortest age. */
function joined(several: readonly Needs[]): Needs {
  const scopes = several.flatMap((needs) => needs.scopes ?? [])
  const classes = several.flatMap((needs) => needs.acrValues ?? [])
  const ages = several.map((needs) => needs.maxAge).filter((age) => age !== undefined)
  return {
    scopes,
    ...(classes.length > 0 && { acrValues: [...new Set(classes)] }),
    ...(ages.length > 0 && { maxAge: Math.min(...ages) }),
  }
}

/** Whether a client could meet the requirement with a new token. */
function isAttainable({ reason, scopes = [] }: Rejection): boolean {
  return reason === 'insufficient_user_authentication' || scopes.length > 0
}
