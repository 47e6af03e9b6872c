/** The contract of step 2: from the text of a token to an identity. */

import { secondsOf, now as systemNow } from '../lib/clock.ts'
import { getOwn, isObject } from '../lib/json.ts'
import { type Identity, withSource, wrongMember } from '../model/identity.ts'
import { REASONS } from '../model/rejection.ts'
import { UnavailableError } from '../model/unavailable.ts'
import { isNumericDate, type Seconds } from '../model/units.ts'
import type { PresentedToken } from './presented.ts'
import { type Active, inactive, isMade, type Verification } from './verification.ts'

/**
 * Tells what a token is worth. Whatever it throws or rejects with means that it could not tell: 503, never 401.
 *
 * @example
 * const verifier: TokenVerifier = {
 *   async verify(token) {
 *     const row = await sessions.find(token)
 *     if (!row) return { active: false, reason: 'unknown_token' }
 *     const identity = { kind: 'opaque', subject: row.user, audience: [], scopes: ['read'], roles: [], claims: {} } as const
 *     return { active: true, identity, expiresAt: row.expires }
 *   },
 * }
 */
export interface TokenVerifier<I extends Identity<unknown> = Identity> {
  /**
   * @param token at most 8,192 characters of the syntax `b64token` (RFC 6750 §2.1)
   * @param presented what is known of the token, such as its `hash`. Hand it on if you wrap another verifier: it saves
   *   decoding the token again
   */
  verify(token: string, presented?: PresentedToken): Verification<I> | Promise<Verification<I>>
  /**
   * What is at hand for the token with this SHA-256, and may still be used. Asked before the text of the token is looked
   * at: only a token that was verified may be known. Default: nothing is at hand.
   */
  getCached?(hash: string): Active<I> | undefined
  /**
   * Whether a token, by its text, is this verifier's to judge and nobody else's, asked by `chain`; `false`: it is not for
   * this one at all; `undefined`, the default: it may be. A verifier that has to wait for that gives a promise.
   */
  canVerify?(token: string, presented?: PresentedToken): CanVerify | Promise<CanVerify>
  /** The issuers whose tokens it takes, for the metadata of a protected resource (RFC 9728 §2). Default: none is named. */
  readonly issuers?: readonly string[]
  /** Asked by a cache before it uses a result again: if it does not hold, the token is verified anew. Default: it does. */
  isStillValid?(verification: Active<I>): boolean
  /** What goes on in the background, such as a refresh of keys: a runtime that freezes between requests must wait for it. */
  readonly backgroundWork?: Promise<unknown> | undefined
  /** Has at hand what verifying needs. Rejects where that cannot be had. Default: nothing is needed. */
  ready?(): Promise<void>
  /** Ends what is under way, and asks nobody any more. Default: nothing is. */
  close?(): void
  /** How it is set up and what it holds, as plain data without secrets, for operators. Default: nothing is told. */
  describe?(): object
}

export type CanVerify = boolean | undefined

/** What goes on in the background for any of them. */
export function allBackgroundWork(
  verifiers: readonly Pick<TokenVerifier<Identity<unknown>>, 'backgroundWork'>[],
): Promise<unknown> | undefined {
  const all = verifiers.map(({ backgroundWork }) => backgroundWork).filter((work) => work !== undefined)
  return all.length === 0 ? undefined : Promise.allSettled(all)
}

/** The check of an option that takes a verifier. */
export function tokenVerifier<I extends Identity<unknown>>(
  name: string,
  value: TokenVerifier<I>,
): TokenVerifier<I> {
  if (typeof value?.verify !== 'function') throw new TypeError(`"${name}" must have a method "verify"`)
  return value
}

export { type Active, type Inactive, inactive, isInactive, type Verification } from './verification.ts'

/** From when on a result is good no more, by the clock of whoever judged it. */
interface Expiry {
  readonly at: Seconds
  now(): number
}

/** What our own verifiers gave, and what was checked: but for its end it need not be checked again. */
const checked = new WeakMap<object, Expiry | undefined>()

/**
 * The result of a verifier of our own, which has checked it. Its identity is frozen.
 * @param now the verifier's clock, in milliseconds since the epoch
 * @param tolerance how long after its `expiresAt` the verifier would still take the token
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

/** Whether a result is of a verifier of our own: then it is the same object wherever it is used. */
export function isValidated(verification: object): boolean {
  return checked.has(verification) || isMade(verification)
}

/**
 * What a verifier gave, frozen, if it is what the contract asks for; `expired` where its `expiresAt` is past.
 * @throws UnavailableError where it is something else: then nothing is known of the token
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
  // A copy has own members only: these may be a getter's.
  if (!given.active) return markValidated({ ...given, active: false, reason: given.reason })
  const expiresAt = given.expiresAt ?? (getOwn(given.identity, 'expiresAt') as Seconds | undefined)
  if (expiresAt !== undefined && secondsOf(now) >= expiresAt) return inactive('expired')
  return markValidated({ ...given, active: true, identity: withSource(given.identity), expiresAt }, now)
}

/** What is wrong with what a verifier gave. */
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
