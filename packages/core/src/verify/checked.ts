/**
 * Checks the results of verifiers that applications write, before a gate, a cache or a chain uses them.
 *
 * A result with a mistake must not become an identity with rights. For example, `{ active: 'false' }` is truthy, and a string
 * as `scopes` matches by its parts. Such a result says nothing about the token, so the answer is 503 and not 401.
 */

import { now as systemNow } from '../lib/clock.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { getOwn, isObject } from '../lib/json.ts'
import { ignoreRejection, mapMaybe } from '../lib/promise.ts'
import { received } from '../lib/received.ts'
import { type Identity, withSource, wrongMember } from '../model/identity.ts'
import { isKnownReason, type Rejection } from '../model/rejection.ts'
import { MistakeError, type UnavailableError } from '../model/unavailable.ts'
import { isNumericDate } from '../model/units.ts'
import type { VerifierExplanation } from '../observe/explain.ts'
import type { PresentedToken } from './presented.ts'
import { type Active, activeUntil, type Inactive, inactive, type Verification } from './verification.ts'
import type { CanVerify, Explainers, TokenVerifier } from './verifier.ts'
import { WrappingVerifier } from './wrapping.ts'

type AnyVerifier = TokenVerifier<Identity<unknown>>

/** The verifiers of this package, and how to get each of them with another clock. */
const builtIn = new WeakMap<object, (now: () => number) => object>()

/**
 * Marks a verifier of this package, whose results need no check. Freezes it, because a method that is replaced later would
 * not be checked either.
 * @param withClock returns the verifier with another clock, if it checks the results of verifiers that have none
 */
export function markBuiltIn<V extends AnyVerifier>(verifier: V, withClock?: (now: () => number) => V): V {
  builtIn.set(Object.freeze(verifier), withClock ?? (() => verifier))
  return verifier
}

/**
 * Reads an option that is a verifier. Wraps a verifier of the application, so that every result is checked once.
 * @param now the clock for the `expiresAt` of results. In milliseconds since the epoch
 * @throws TypeError if it has no method `verify`
 */
export function checked<I extends Identity<unknown>>(
  name: string,
  verifier: TokenVerifier<I>,
  now: () => number = systemNow,
): TokenVerifier<I> {
  if (typeof verifier?.verify !== 'function')
    throw configurationError(
      'INVALID_VERIFIER',
      `"${name}" must be a verifier with a method "verify", such as jwt({ issuer, audience }), but is ${received(verifier)}`,
    )
  const withClock = builtIn.get(verifier)
  return withClock === undefined ? new CheckedVerifier(verifier, now) : (withClock(now) as typeof verifier)
}

/** A verifier of the application. It answers with valid results, or throws `UnavailableError`: then the answer is 503. */
class CheckedVerifier<I extends Identity<unknown>> extends WrappingVerifier<I> {
  readonly #now: () => number
  /** The verifier's own object for each checked result. Its `isStillValid` may know only that one. */
  readonly #given = new WeakMap<Active<I>, Active<I>>()

  constructor(inner: TokenVerifier<I>, now: () => number) {
    super(inner)
    this.#now = now
    // The gate computes the hash of each token for a verifier that has this method.
    if (inner.getCached === undefined) Object.defineProperty(this, 'getCached', { value: undefined })
  }

  verify(token: string, presented?: PresentedToken): Verification<I> | Promise<Verification<I>> {
    return mapMaybe<Verification<I>, Verification<I>>(this.inner.verify(token, presented), (given) =>
      this.#check(given),
    )
  }

  override getCached(hash: string): Verification<I> | undefined {
    const given = this.inner.getCached?.(hash)
    return given === undefined ? undefined : this.#check(given)
  }

  override canVerify(token: string, presented?: PresentedToken): CanVerify | Promise<CanVerify> {
    return mapMaybe<unknown, CanVerify>(this.inner.canVerify?.(token, presented), (answer) => {
      if (answer === undefined || typeof answer === 'boolean') return answer
      throw new MistakeError('"canVerify" returned neither true, false nor undefined')
    })
  }

  /** The result of an application's verifier is checked here, so it is explained here, unless it explains itself. */
  override explain(presented: PresentedToken, explainers: Explainers): Promise<VerifierExplanation<I>> {
    if (this.inner.explain !== undefined) return super.explain(presented, explainers)
    const verify = (token: string, given?: PresentedToken) => this.verify(token, given)
    return explainers.by({ verify, describe: () => this.describe() }, presented)
  }

  override isStillValid(verification: Active<I>): boolean {
    return super.isStillValid(this.#given.get(verification) ?? verification)
  }

  #check(given: Verification<I>): Verification<I> {
    const verification = checkedResult(given, this.#now)
    if (verification.active && this.inner.isStillValid !== undefined)
      this.#given.set(verification, given as Active<I>)
    return verification
  }
}

/**
 * Returns a frozen copy of a result, or `expired` if its `expiresAt` has passed. Reads each member that is checked once,
 * because a getter can return a different value the second time. Members may be inherited, such as the getters of a class.
 * @throws UnavailableError if it is not a `Verification`: then nothing is known about the token
 */
function checkedResult<I extends Identity<unknown>>(
  given: Verification<I>,
  now: () => number,
): Verification<I> {
  if (!isObject(given)) throw invalid('no verification')
  const active: unknown = given.active
  if (active === false) return rejectionOf(given as unknown as Rejection)
  if (active !== true) {
    ignoreRejection(given)
    throw invalid('an "active" that is neither true nor false')
  }
  const result = given as unknown as Active<I>
  const expiresAt: unknown = result.expiresAt
  if (expiresAt !== undefined && !isNumericDate(expiresAt))
    throw invalid('an "expiresAt" that is no date in seconds since the epoch')
  const { identity } = result
  if (!isObject(identity)) throw invalid('no identity')
  const copy = withSource(identity)
  const wrong = wrongMember(copy)
  if (wrong !== undefined)
    throw invalid(`an identity with a "${wrong}" that is missing, or of the wrong type`)
  const end = expiresAt ?? (getOwn(copy, 'expiresAt') as Active['expiresAt'])
  return activeUntil({ active: true, identity: copy, expiresAt: end }, now)
}

/** Returns a frozen rejection of a result, without members that a rejection does not have. */
function rejectionOf(given: Rejection): Inactive {
  const { reason, scopes, acrValues, maxAge } = given
  if (!isKnownReason(reason)) throw invalid('a "reason" that is not in the list')
  // The detail may be expensive, and is read only if `onDecision` is set.
  const detail = () => given.detail
  if (scopes === undefined && acrValues === undefined && maxAge === undefined) return inactive(reason, detail)
  return Object.freeze({
    active: false,
    reason,
    ...(scopes !== undefined && { scopes }),
    ...(acrValues !== undefined && { acrValues }),
    ...(maxAge !== undefined && { maxAge }),
    get detail() {
      return detail()
    },
  })
}

/** Creates the error for a result that cannot be used. It says what is wrong, never a value, which could be a secret. */
function invalid(problem: string): UnavailableError {
  return new MistakeError(`The verifier returned ${problem}`)
}
