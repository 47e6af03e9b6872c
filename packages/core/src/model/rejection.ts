/** The closed list of reasons for which a request is refused, and `UnavailableError` for when nobody could tell. */

import type { Seconds } from '../lib/assert.ts'

/**
 * Why a request was refused: stable, for operators and tests. The client sees only what RFC 6750 §3.1 allows.
 *
 * - nothing usable was sent: `no_credentials`, `malformed_credentials`, `multiple_credentials`, `credentials_too_long`,
 *   `insecure_transport`
 * - not a token of ours: `malformed_token`, `encrypted_token`, `not_an_access_token`, `algorithm_not_allowed`, `unsupported_header`
 * - no proof: `unknown_key`, `invalid_signature`, `unknown_token`, `revoked`, `missing_proof`
 * - not for here and now: `issuer_mismatch`, `audience_mismatch`, `expired`, `not_yet_valid`, `issued_in_future`, `max_age_exceeded`
 * - the claims themselves: `missing_claim`, `invalid_claim`
 * - valid, but too little: `insufficient_scope`, `insufficient_user_authentication`
 */
export type Reason = (typeof REASONS)[number]

export const REASONS = [
  'no_credentials',
  'malformed_credentials',
  'multiple_credentials',
  'credentials_too_long',
  'insecure_transport',
  'malformed_token',
  'encrypted_token',
  'not_an_access_token',
  'algorithm_not_allowed',
  'unsupported_header',
  'unknown_key',
  'invalid_signature',
  'unknown_token',
  'revoked',
  'missing_proof',
  'issuer_mismatch',
  'audience_mismatch',
  'expired',
  'not_yet_valid',
  'issued_in_future',
  'max_age_exceeded',
  'missing_claim',
  'invalid_claim',
  'insufficient_scope',
  'insufficient_user_authentication',
] as const

/** A refusal that is the client's to mend. */
export interface Rejection {
  readonly reason: Reason
  /**
   * For operators: which claim or header parameter, and what was wrong with it. Never a value from the token. It is read
   * only if `onDecision` is set, so one that is costly to make should be a getter.
   */
  readonly detail?: string | undefined
  /** With `insufficient_scope` and `insufficient_user_authentication`: every scope that the operation needs. */
  readonly scopes?: readonly string[]
  /** With `insufficient_user_authentication`: the authentication context classes of which one will do (RFC 9470 §3). */
  readonly acrValues?: readonly string[]
  /** With `insufficient_user_authentication`: how long ago the authentication may be, in seconds (RFC 9470 §3). */
  readonly maxAge?: Seconds
}

/** Whether a value of unknown origin is a rejection with a reason from the list. */
export function isKnownRejection(value: unknown): value is Rejection {
  return (
    typeof value === 'object' &&
    value !== null &&
    isRejection(value) &&
    (REASONS as readonly unknown[]).includes(value.reason)
  )
}

/** Whether a step refused, instead of giving its result. The outcome `preflight` has a reason, too, but is none. */
export function isRejection(result: object): result is Rejection {
  return Object.hasOwn(result, 'reason') && (result as { reason: unknown }).reason !== 'preflight'
}

/**
 * Nobody could tell whether the token is good: ours or the issuer's to mend, answered 503 with `Retry-After`.
 * A verifier that throws anything else is treated alike.
 */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError'
  /** When a new attempt makes sense, in seconds. */
  readonly retryAfter: Seconds

  constructor(message: string, options: { cause?: unknown; retryAfter?: Seconds } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.retryAfter = options.retryAfter ?? 1
  }
}
