/** Defines the interface of stage 2: from a token to the identity behind it (RFC 6750 §2). */

import type { Identity } from '../model/identity.ts'
import { isNumericDate, type Seconds } from '../model/units.ts'
import type { Check, VerifierExplanation } from '../observe/explain.ts'
import type { JwtParts } from './jwt/explain.ts'
import type { PresentedToken } from './presented.ts'
import type { Active, Verification } from './verification.ts'

/**
 * Verifies access tokens. Throw, or reject, if a token could not be checked, for example because a database is down: the
 * gate answers 503, never 401.
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
   * Verifies a token. If it throws or rejects, the answer is 503.
   * @param token of the syntax `b64token` (RFC 6750 §2.1) and at most 8,192 characters long, unless `tokenSyntax` and
   *   `maxTokenLength` of the gate say otherwise
   * @param presented the values computed from the token so far, such as its `hash`. Pass it on if you wrap another verifier,
   *   so that it does not decode the token again
   */
  verify(token: string, presented?: PresentedToken): Verification<I> | Promise<Verification<I>>
  /**
   * Returns the cached result for the SHA-256 of a token, if it is still valid. Must be synchronous. Called before the
   * syntax of the token is checked, so return only results of `verify`. Default: nothing is cached.
   */
  getCached?(hash: string): Verification<I> | undefined
  /**
   * Called by `chain`. `true`: only this verifier may handle the token. `false`: it cannot. `undefined` (default): it may.
   * May return a promise. If it throws, the answer is 503.
   */
  canVerify?(token: string, presented?: PresentedToken): CanVerify | Promise<CanVerify>
  /** The issuers of accepted tokens, for the metadata of a protected resource (RFC 9728 §2). Default: none. */
  readonly issuers?: readonly string[]
  /**
   * How far the clock of an issuer may be ahead. In seconds. If all tokens of a subject are revoked, tokens with an `iat` up to
   * this many seconds later are also rejected. Default 30.
   */
  readonly clockTolerance?: Seconds | undefined
  /**
   * Whether a cached result is still valid. It is not, for example, if its signing key is no longer published. `false` forces
   * re-verification. Default `true`.
   */
  isStillValid?(verification: Active<I>): boolean
  /** Pending background work, such as a key refresh. It is passed to `waitUntil` on runtimes that freeze between requests. */
  readonly backgroundWork?: Promise<unknown> | undefined
  /** Fetches what verification needs, such as keys, ahead of the first request. Rejects if it cannot. Default: does nothing. */
  ready?(): Promise<void>
  /** Aborts pending requests and stops fetching. Default: does nothing. */
  close?(): void
  /** Returns the configuration and the state as plain data without secrets, for operators. Default: an empty object. */
  describe?(): object
  /** Explains a token check by check, for `gate.explain`. Caches nothing. Default: one check with the result of `verify`. */
  explain?(presented: PresentedToken, explainers: Explainers): Promise<VerifierExplanation<I>>
}

/**
 * The functions that explain tokens. The gate passes them to its verifier, which does not import them: a request never needs
 * them.
 */
export interface Explainers {
  /** Explains a token by the verifier itself if it can, and otherwise by its result. Never rejects. */
  by<I extends Identity<unknown>>(
    verifier: TokenVerifier<I>,
    presented: PresentedToken,
  ): Promise<VerifierExplanation<I>>
  /** Explains a JWT of one issuer. */
  jwt<Claims>(
    parts: JwtParts<Claims>,
    presented: PresentedToken,
  ): Promise<VerifierExplanation<Identity<Claims>>>
  /** Explains a token by the verifiers of a chain. */
  chain(
    members: readonly TokenVerifier<Identity<unknown>>[],
    issuers: readonly string[],
    presented: PresentedToken,
  ): Promise<VerifierExplanation<Identity<unknown>>>
  /** Explains a token that is no JWT, or whose issuer is none of these. */
  foreign(presented: PresentedToken, issuers: readonly string[]): VerifierExplanation<never>
  /** Explains a token that does not begin with the prefix of its verifier. */
  prefix(prefix: string): Check
}

/** How far the clock of an issuer may be ahead, if its verifier does not say. */
const DEFAULT_TOLERANCE: Seconds = 30

/** Whether a verifier handles a token: it alone, not at all, or possibly (`undefined`). */
export type CanVerify = boolean | undefined

type Tolerant = Pick<TokenVerifier<Identity<unknown>>, 'clockTolerance'>

/** Returns the clock tolerance of a verifier, in seconds, or the default if it does not give one. */
export function toleranceOf({ clockTolerance }: Tolerant): Seconds {
  return isNumericDate(clockTolerance) ? clockTolerance : DEFAULT_TOLERANCE
}

/** Returns the largest clock tolerance of several verifiers, in seconds. `undefined` if there is no verifier. */
export function largestTolerance(verifiers: readonly Tolerant[]): Seconds | undefined {
  return verifiers.length === 0 ? undefined : Math.max(...verifiers.map(toleranceOf))
}

/** Returns the pending background work of several verifiers. */
export function allBackgroundWork(
  verifiers: readonly Pick<TokenVerifier<Identity<unknown>>, 'backgroundWork'>[],
): Promise<unknown> | undefined {
  const all = verifiers.map(({ backgroundWork }) => backgroundWork).filter((work) => work !== undefined)
  return all.length === 0 ? undefined : Promise.allSettled(all)
}
