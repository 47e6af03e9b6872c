/** Stage 4: checks what an identity is allowed to do, and says what a client lacks (RFC 6750 §3.1, RFC 9470 §3). */

import { assertCalled } from '../lib/called.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { ignoreRejection, isPromiseLike, mapMaybe } from '../lib/promise.ts'
import { received } from '../lib/received.ts'
import type { Identity } from '../model/identity.ts'
import { isKnownRejection, type Rejection } from '../model/rejection.ts'
import { MistakeError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'

/**
 * A condition for an operation: the result of `scope`, `role`, `claim`, `acr`, `maxAge`, `allOf` or `anyOf`, or
 * a function of the identity and the request that returns `true`, `false`, or a promise of one of them. A function that returns
 * `false` leads to 403 without a scope in the challenge. If the function throws, rejects, returns anything else, or takes longer
 * than the `deadline` of the gate, the answer is 503.
 *
 * The type of the request depends on the host: the `Request` of Express, the `Context` of Koa, a fetch `Request`, or the event
 * of Lambda. The option `requirement` of a gate gets a `RequestLike`.
 *
 * @example
 * auth.authorize(async ({ subject }, request) => (await projects.ownerOf(request.params.id)) === subject)
 */
export type Requirement<I extends Identity<unknown> = Identity<unknown>, R = unknown> =
  | AsyncRule<I, R>
  | ((identity: I, request: R) => boolean | PromiseLike<boolean>)

/** A requirement that is checked without waiting. */
export type SyncRequirement<I extends Identity<unknown> = Identity<unknown>, R = unknown> =
  | Rule<I, R>
  | ((identity: I, request: R) => boolean)

/** A requirement that also says what a client lacks, for the challenge of the response. Its check may have to wait. */
export interface AsyncRule<I extends Identity<unknown> = Identity<unknown>, R = unknown> {
  /** The scopes that a token needs. The challenge to a request without a token names them. */
  readonly scopes: readonly string[]
  /**
   * Returns everything that this identity needs, including what it has. A client can then ask for all of it at once instead
   * of losing one scope while it gains another.
   */
  readonly challenge: (identity: I, context: Context, request: R) => Needs | PromiseLike<Needs>
  /** Returns what is missing, or `undefined` if the requirement is met. */
  readonly check: (
    identity: I,
    context: Context,
    request: R,
  ) => Rejection | undefined | PromiseLike<Rejection | undefined>
}

/** A requirement that also says what a client lacks, for the challenge of the response. Its check never waits. */
export interface Rule<I extends Identity<unknown> = Identity<unknown>, R = unknown> extends AsyncRule<I, R> {
  readonly challenge: (identity: I, context: Context, request: R) => Needs
  readonly check: (identity: I, context: Context, request: R) => Rejection | undefined
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

/** Functions that create requirements, with examples of their calls. */
const examples = new WeakMap<object, string>()

/** Marks a function that creates requirements, so that one which was passed without being called is rejected. */
export function creates(factory: (...args: never[]) => unknown, example: string): void {
  examples.set(factory, example)
}

/**
 * Checks an option that is a requirement.
 * @throws TypeError if it is neither a requirement nor a function
 */
export function toRequirement<I extends Identity<unknown>, R>(
  name: string,
  value: Requirement<I, R>,
): AsyncRule<I, R> {
  if (typeof value === 'function') {
    const example = examples.get(value)
    if (example === undefined) return predicate(value)
    throw configurationError(
      'INVALID_REQUIREMENT',
      `"${name}" received a function that creates requirements, instead of its result: write ${example}`,
    )
  }
  if (typeof (value as AsyncRule | null)?.check !== 'function') {
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
export function authorize<I extends Identity<unknown>, R>(
  identity: I,
  required: AsyncRule<I, R> | undefined,
  context: Context,
  request: R,
): Rejection | undefined | Promise<Rejection | undefined> {
  return mapMaybe<unknown, Rejection | undefined>(required?.check(identity, context, request), checkedResult)
}

function checkedResult(rejection: unknown): Rejection | undefined {
  if (rejection === undefined || isKnownRejection(rejection)) return rejection
  throw new MistakeError(
    `The method "check" of a requirement must return undefined or a rejection, but returned ${received(rejection)}`,
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

/** Creates a rule from a function. Nothing is known about its reason, so the challenge names no scope. */
function predicate<I extends Identity<unknown>, R>(
  isMet: (identity: I, request: R) => boolean | PromiseLike<boolean>,
): AsyncRule<I, R> {
  const rejection: Rejection = Object.freeze({
    reason: 'insufficient_scope',
    requirement: isMet.name === '' ? 'function' : String(isMet.name),
    detail: `the function${isMet.name === '' ? '' : ` ${isMet.name.slice(0, 64)}`} of the requirement returned false`,
    scopes: Object.freeze([]),
  })
  return Object.freeze({
    scopes: rejection.scopes ?? [],
    challenge: () => rejection,
    check: (identity: I, _context: Context, request: R) =>
      mapMaybe<unknown, Rejection | undefined>(isMet(identity, request), (answer) =>
        toBoolean(answer, 'A requirement') ? undefined : rejection,
      ),
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
