/** Stage 4: checks what an identity is allowed to do, and says what a client lacks (RFC 6750 §3.1, RFC 9470 §3). */

import { assertCalled } from '../lib/called.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { ignoreRejection, isPromiseLike } from '../lib/promise.ts'
import { received } from '../lib/received.ts'
import type { Identity } from '../model/identity.ts'
import { isKnownRejection, type Rejection } from '../model/rejection.ts'
import { MistakeError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'

/**
 * A condition for an operation: the result of `scope`, `role`, `claim`, `acr`, `maxAge`, `allOf` or `anyOf`, or
 * a function that returns `true` or `false`. If the function throws, or returns anything else, the answer is 503. A function
 * that returns `false` leads to 403 without a scope in the challenge.
 *
 * @example
 * auth.authorize(({ claims }) => claims.tenant === 'acme')
 */
export type Requirement<I extends Identity<unknown> = Identity<unknown>> = Rule | ((identity: I) => boolean)

/** A requirement that also says what a client lacks, for the challenge of the response. */
export interface Rule {
  /** The scopes that a token needs. A challenge names them before there is a token. */
  readonly scopes: readonly string[]
  /**
   * Returns everything that this identity needs, including what it has. A client can then ask for all of it at once instead
   * of losing one scope while it gains another.
   */
  challenge(identity: Identity<unknown>, context: Context): Needs
  /** Returns what is missing, or `undefined` if the requirement is met. */
  check(identity: Identity<unknown>, context: Context): Rejection | undefined
}

/** The values that a client can ask its authorization server for: scopes, `acr_values` and `max_age`. */
export type Needs = Pick<Rejection, 'scopes' | 'acrValues' | 'maxAge'>

/** The settings of a gate that its checks use. */
export interface Context {
  /** Returns the time. In seconds since the epoch. */
  now(): Seconds
  /** Whether a granted scope implies a different scope that is needed. */
  implies: ((granted: string, needed: string) => boolean) | undefined
}

/**
 * Checks an option that is a requirement.
 * @throws TypeError if it is neither a requirement nor a function
 */
export function toRequirement<I extends Identity<unknown>>(name: string, value: Requirement<I>): Rule {
  if (typeof value === 'function') return predicate(value as (identity: Identity<unknown>) => boolean)
  if (typeof (value as Rule | null)?.check !== 'function') {
    assertCalled(name, value, `app.use('/messages', ${name}(scope('read')))`)
    throw configurationError(
      'INVALID_REQUIREMENT',
      `"${name}" must be a requirement, such as scope('read'), or a function, but is ${received(value)}${typeof value === 'string' ? ": write scope('…') or role('…')" : ''}`,
    )
  }
  return value
}

/**
 * Returns why an identity does not meet a requirement, or `undefined` if it does.
 * @throws UnavailableError if the requirement returns anything else
 */
export function authorize(
  identity: Identity<unknown>,
  required: Rule | undefined,
  context: Context,
): Rejection | undefined {
  const rejection: unknown = required?.check(identity, context)
  if (rejection === undefined || isKnownRejection(rejection)) return rejection
  ignoreRejection(rejection)
  throw new MistakeError(
    `Requirement returned an invalid result: expected \`undefined\` or a rejection, received ${received(rejection)}`,
  )
}

/** Creates a rule with one fixed rejection, which is created once, because any client can cause it. */
export function simpleRule(
  isMet: (identity: Identity<unknown>, context: Context) => boolean,
  given: Rejection,
): Rule {
  const scopes = Object.freeze(given.scopes ?? [])
  const rejection = Object.freeze({ ...given, scopes })
  return Object.freeze({
    scopes,
    challenge: () => rejection,
    check: (identity: Identity<unknown>, context: Context) =>
      isMet(identity, context) ? undefined : rejection,
  })
}

/** Creates a rule of a function. Nothing is known about its reason, so the challenge names no scope. */
function predicate(isMet: (identity: Identity<unknown>) => boolean): Rule {
  const name = /^[\w$]{1,64}$/.test(isMet.name) ? ` ${isMet.name}` : ''
  return simpleRule((identity) => toBoolean(isMet(identity), 'A requirement'), {
    reason: 'insufficient_scope',
    detail: `the function${name} of the requirement returned false`,
  })
}

/** Checks the result of a function in an option. A promise is truthy, so only `true` and `false` count. */
export function toBoolean(answer: unknown, name: string): boolean {
  if (typeof answer === 'boolean') return answer
  ignoreRejection(answer)
  throw new MistakeError(
    `${name} must return true or false, but returned ${isPromiseLike(answer) ? 'a promise: it must not be async' : received(answer)}`,
  )
}

/** Rejects further arguments, which would otherwise be ignored. */
export function assertSingle(name: string, more: readonly unknown[]): void {
  if (more.length > 0)
    throw configurationError(
      'INVALID_REQUIREMENT',
      `"${name}" takes one argument. For several, use allOf(${name}(…), ${name}(…))`,
    )
}
