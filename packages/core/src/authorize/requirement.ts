/** Step 4, what an identity must be allowed to do: requirements, and what is lacking (RFC 6750 §3.1, RFC 9470). */

import { assertInteger } from '../lib/assert.ts'
import { getOwn, isObject } from '../lib/json.ts'
import { ignoreRejection } from '../lib/promise.ts'
import { isScopeToken } from '../lib/syntax.ts'
import type { Identity } from '../model/identity.ts'
import { isKnownRejection, type Rejection } from '../model/rejection.ts'
import { UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'

/**
 * Something that an operation requires of an identity: made by `scope`, `role`, `claim`, `acr`, `maxAge`, `allOf` and
 * `anyOf`, or a function that says whether it is met, at once and by `true` or `false`.
 */
export type Requirement<I extends Identity<unknown> = Identity<unknown>> = Rule | ((identity: I) => boolean)

/** A requirement that also knows what to tell the client. */
export interface Rule {
  /** The scopes that a token needs for it: what a challenge names before there is a token. */
  readonly scopes: readonly string[]
  /** All that this identity needs for it, what it has included: a challenge that names half of it leads round in a circle. */
  challenge(identity: Identity<unknown>, context: Context): Needs
  /** What is lacking; `undefined` where it is met. */
  check(identity: Identity<unknown>, context: Context): Rejection | undefined
}

/** What a client can ask its authorization server for. */
export type Needs = Pick<Rejection, 'scopes' | 'acrValues' | 'maxAge'>

/** By what requirements are judged. */
export interface Context {
  /** In seconds since the epoch. */
  now(): Seconds
  /** Whether a scope that was granted implies the one that is needed, which is another. */
  implies: ((granted: string, needed: string) => boolean) | undefined
}

/**
 * Requires one scope, compared character by character (RFC 6749 §3.3), or one that implies it (`scopeImplies`).
 * @throws TypeError where it is not one scope-token: two scopes are `allOf(scope('a'), scope('b'))`
 */
export function scope(name: string, ...more: readonly never[]): Rule {
  if (!isScopeToken(name))
    throw new TypeError('"scope" must be one scope-token (RFC 6749 §3.3): several are arguments of their own')
  single('scope', more)
  return simple(
    ({ scopes }, { implies }) =>
      scopes.includes(name) ||
      (implies !== undefined && scopes.some((granted) => answerOf(implies(granted, name), 'scopeImplies'))),
    { ...insufficient(`the scope ${name} is needed`), scopes: [name] },
  )
}

/**
 * Requires one role, compared character by character. Its lack is a 403 without a scope: asking for more would not help.
 * @throws TypeError where it is not a non-empty string
 */
export function role(name: string, ...more: readonly never[]): Rule {
  if (typeof name !== 'string' || name === '') throw new TypeError('"role" must be a non-empty string')
  single('role', more)
  return simple(({ roles }) => roles.includes(name), insufficient(`the role ${name} is needed`))
}

/**
 * Requires a claim to be one of the values, or an array with one of them in it.
 * @throws TypeError where there is no name, or no value, or a value that is neither string, number nor boolean
 */
export function claim(
  name: string,
  ...values: readonly [string | number | boolean, ...(string | number | boolean)[]]
): Rule {
  if (typeof name !== 'string' || name === '') throw new TypeError('"claim" must have a name')
  if (values.length === 0 || !values.every((value) => /^(?:string|number|boolean)$/.test(typeof value)))
    throw new TypeError('"claim" must have one value or several, each a string, number or boolean')
  const wanted: readonly unknown[] = values
  return simple(
    ({ claims }) => {
      const value = isObject(claims) ? getOwn(claims, name) : undefined
      return (Array.isArray(value) ? value : [value]).some((item) => wanted.includes(item))
    },
    insufficient(`the claim ${name} is not what is needed`),
  )
}

/**
 * Requires an authentication by one of these context classes, the preferred first; else step-up: 401
 * `insufficient_user_authentication` with `acr_values` (RFC 9470 §3).
 * @throws TypeError where none is given, or one that cannot stand in `acr_values`
 */
export function acr(...values: readonly [string, ...string[]]): Rule {
  if (values.length === 0 || !values.every(isScopeToken))
    throw new TypeError('"acr" must have one value or several, each without spaces and quotes')
  return simple((identity) => identity.acr !== undefined && values.includes(identity.acr), {
    reason: 'insufficient_user_authentication',
    acrValues: [...values],
  })
}

/** How far the clocks may be apart for an authentication that seems to lie ahead. */
const MAX_SKEW = 300

/**
 * Requires an authentication no longer ago than so many seconds, by `auth_time`; else step-up: 401
 * `insufficient_user_authentication` with `max_age` (RFC 9470 §3).
 * @throws TypeError where it is not a whole number from 0 to 31,536,000
 */
export function maxAge(seconds: Seconds, ...more: readonly never[]): Rule {
  if (seconds === undefined) throw new TypeError('"maxAge" must be a whole number of seconds')
  const age = assertInteger('maxAge', seconds, { preset: 0, min: 0, max: 31_536_000 })
  single('maxAge', more)
  return simple(
    ({ authenticatedAt: at }, { now }) => {
      if (at === undefined) return false
      const passed = now() - at
      return passed <= age && passed >= -MAX_SKEW
    },
    { reason: 'insufficient_user_authentication', maxAge: age },
  )
}

type Requirements<I extends Identity<unknown>> = readonly [Requirement<I>, ...Requirement<I>[]]

/**
 * Requires all of the requirements. A challenge names what is needed for all of them at once; scopes and rights come before
 * a stronger authentication, which would not help where they are lacking.
 * @throws TypeError where none is given
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
 * Requires one of the requirements. Where none is met, the challenge asks for the first that a new token could meet: put
 * first what a client is likely to get.
 * @throws TypeError where none is given
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

/** The check of an option that takes a requirement. */
export function toRequirement<I extends Identity<unknown>>(name: string, value: Requirement<I>): Rule {
  if (typeof value === 'function') return predicate(value as (identity: Identity<unknown>) => boolean)
  if (typeof (value as Rule | null)?.check !== 'function')
    throw new TypeError(`"${name}" must be a requirement, such as scope('read'), or a function`)
  return value
}

/** Why the identity may not do what is required; `undefined` where it may. */
export function authorize(
  identity: Identity<unknown>,
  required: Rule | undefined,
  context: Context,
): Rejection | undefined {
  const rejection: unknown = required?.check(identity, context)
  if (rejection === undefined || isKnownRejection(rejection)) return rejection
  ignoreRejection(rejection)
  throw new UnavailableError('Requirement returned an invalid result: expected `undefined` or a rejection')
}

function rulesOf<I extends Identity<unknown>>(name: string, requirements: Requirements<I>): readonly Rule[] {
  if (requirements.length === 0) throw new TypeError(`"${name}" needs at least one requirement`)
  return requirements.map((item) => toRequirement(name, item))
}

function simple(isMet: (identity: Identity<unknown>, context: Context) => boolean, given: Rejection): Rule {
  const scopes = Object.freeze(given.scopes ?? [])
  const rejection = Object.freeze({ ...given, scopes })
  return Object.freeze({
    scopes,
    challenge: () => rejection,
    check: (identity: Identity<unknown>, context: Context) =>
      isMet(identity, context) ? undefined : rejection,
  })
}

function predicate(isMet: (identity: Identity<unknown>) => boolean): Rule {
  return simple((identity) => answerOf(isMet(identity), 'A requirement'), insufficient())
}

function insufficient(detail?: string): Rejection {
  return detail === undefined ? { reason: 'insufficient_scope' } : { reason: 'insufficient_scope', detail }
}

/** What meets several requirements: all scopes, one of the context classes, and the shortest age. */
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

function isAttainable({ reason, scopes = [] }: Rejection): boolean {
  return reason === 'insufficient_user_authentication' || scopes.length > 0
}

/** A promise is truthy, whatever becomes of it: only `true` is a yes, and only `false` a no. */
function answerOf(answer: unknown, who: string): boolean {
  if (typeof answer === 'boolean') return answer
  ignoreRejection(answer)
  throw new UnavailableError(`${who} gave neither true nor false`)
}

function single(name: string, more: readonly unknown[]): void {
  if (more.length > 0)
    throw new TypeError(`"${name}" takes one argument: several are allOf(${name}(…), ${name}(…))`)
}
