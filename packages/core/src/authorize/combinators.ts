/**
 * Combines requirements, and computes what the challenge asks for (RFC 6750 §3, RFC 9470 §3).
 *
 * A client reads the challenge to ask for a better token. If the challenge named only the first missing scope, the client
 * would return with a token that lacks the second one. If it named only missing scopes, the new token could lack those that
 * the old one had. So a challenge names everything that the operation needs.
 */

import { configurationError } from '../lib/configuration-error.ts'
import { inTurn, mapMaybe } from '../lib/promise.ts'
import type { Identity } from '../model/identity.ts'
import type { Rejection } from '../model/rejection.ts'
import {
  type AsyncRule,
  type Context,
  creates,
  type Needs,
  type Requirement,
  type Rule,
  type SyncRequirement,
  toRequirement,
} from './requirement.ts'

/** One or several values, each of them alone or in an array. */
type Several<T> = readonly [T | readonly T[], ...(T | readonly T[])[]]
/** Functions decide the types of the identity and of the request. A rule such as `scope('read')` fits all of them. */
type Part<I extends Identity<unknown>, R> =
  | AsyncRule<NoInfer<I>, NoInfer<R>>
  | Extract<Requirement<I, R>, (...args: never) => unknown>
type SyncPart<I extends Identity<unknown>, R> =
  | Rule<NoInfer<I>, NoInfer<R>>
  | Extract<SyncRequirement<I, R>, (...args: never) => unknown>
type Maybe<T> = T | PromiseLike<T>

/**
 * Requires all of the requirements. The challenge names what all of them need. If a scope, role or claim is missing, the answer
 * is 403 about that. It does not ask for a stronger authentication yet, which would not help without the missing right.
 * Functions are called last, in their order, and only if no scope, role or claim is missing.
 *
 * @example
 * auth.authorize(allOf(scope('payments'), acr('urn:example:mfa'), maxAge(300)))
 * allOf(scope('write'), async ({ subject }, request) => subject === (await ownerOf(request.params.id)))
 * @throws TypeError if there is none, or one is not a requirement
 */
export function allOf<I extends Identity<unknown> = Identity<unknown>, R = unknown>(
  ...requirements: Several<SyncPart<I, R>>
): Rule<I, R>
export function allOf<I extends Identity<unknown> = Identity<unknown>, R = unknown>(
  ...requirements: Several<Part<I, R>>
): AsyncRule<I, R>
export function allOf(...requirements: Several<Requirement>): AsyncRule {
  const rules = rulesOf('allOf', requirements)
  const isFunction = requirements.flat().map((item) => typeof item === 'function')
  const declared = rules.filter((_rule, index) => !isFunction[index])
  const functions = rules.filter((_rule, index) => isFunction[index])
  return Object.freeze({
    scopes: Object.freeze(rules.flatMap(({ scopes }) => scopes)),
    challenge,
    check: (identity: Identity<unknown>, context: Context, request: unknown) => {
      const check = (rule: AsyncRule) => rule.check(identity, context, request)
      const needs = () => challenge(identity, context, request)
      return mapMaybe(inTurn(declared, check, isNever), (results): Maybe<Rejection | undefined> => {
        const lacking = results.filter((rejection) => rejection !== undefined)
        if (lacking.some(isRight)) return combined(lacking, needs)
        return mapMaybe(inTurn(functions, check, isUnmet), (further) =>
          combined([...lacking, ...further.filter((rejection) => rejection !== undefined)], needs),
        )
      })
    },
  })

  function challenge(identity: Identity<unknown>, context: Context, request: unknown): Maybe<Needs> {
    const needsOf = (rule: AsyncRule) => rule.challenge(identity, context, request)
    return mapMaybe(inTurn(rules, needsOf, isNever), joined)
  }
}

/**
 * Requires one of the requirements, and checks them in this order. If none is met, the challenge asks for the first one that
 * a new token could meet. So list first what a client is likely to get.
 *
 * @example
 * auth.authorize(anyOf(scope('orders:read'), role('support')))
 * @throws TypeError if there is none, or one is not a requirement
 */
export function anyOf<I extends Identity<unknown> = Identity<unknown>, R = unknown>(
  ...requirements: Several<SyncPart<I, R>>
): Rule<I, R>
export function anyOf<I extends Identity<unknown> = Identity<unknown>, R = unknown>(
  ...requirements: Several<Part<I, R>>
): AsyncRule<I, R>
export function anyOf(...requirements: Several<Requirement>): AsyncRule {
  const rules = rulesOf('anyOf', requirements)
  const [first] = rules as [AsyncRule, ...AsyncRule[]]
  const untilMet = (identity: Identity<unknown>, context: Context, request: unknown) =>
    inTurn(
      rules,
      (rule) => rule.check(identity, context, request),
      (rejection) => rejection === undefined,
    )
  return Object.freeze({
    scopes: first.scopes,
    challenge: (identity: Identity<unknown>, context: Context, request: unknown) =>
      mapMaybe(untilMet(identity, context, request), (results): Maybe<Needs> => {
        const met = results.at(-1) === undefined ? rules[results.length - 1] : undefined
        return (met ?? first).challenge(identity, context, request)
      }),
    check: (identity: Identity<unknown>, context: Context, request: unknown) =>
      mapMaybe(untilMet(identity, context, request), (results) => {
        const lacks = results.filter((rejection) => rejection !== undefined)
        if (lacks.length < results.length) return undefined
        return lacks.find(isAttainable) ?? lacks[0]
      }),
  })
}

function rulesOf(name: string, requirements: Several<Requirement>): readonly AsyncRule[] {
  const all = requirements.flat()
  if (all.length === 0)
    throw configurationError(
      'INVALID_REQUIREMENT',
      `"${name}" needs at least one requirement, such as ${name}(scope('read'), role('admin'))`,
    )
  return all.map((item) => toRequirement(name, item))
}

/** Combines what is missing into one rejection. */
function combined(lacking: readonly Rejection[], needs: () => Maybe<Needs>): Maybe<Rejection | undefined> {
  const [first] = lacking
  if (first === undefined) return undefined
  const rights = lacking.filter(isRight)
  const [right] = rights
  if (right === undefined) return mapMaybe(needs(), (all) => ({ ...first, ...all }))
  const attainable = rights.find(isAttainable)
  if (attainable === undefined) return { ...right, scopes: [] }
  return mapMaybe(needs(), ({ scopes = [] }) => ({ ...attainable, scopes }))
}

const isNever = () => false
const isUnmet = (rejection: Rejection | undefined) => rejection !== undefined

/** Whether a right is missing: a scope, a role or a claim, or what a function checks. */
function isRight({ reason }: Rejection): boolean {
  return reason === 'insufficient_scope'
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

creates(allOf, "allOf(scope('read'), role('admin'))")
creates(anyOf, "anyOf(scope('read'), role('admin'))")
