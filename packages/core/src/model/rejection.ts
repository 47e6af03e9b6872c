/** Defines the closed list of reasons for which a request is rejected (RFC 6750 §3.1, RFC 9470 §3). */

import type { Seconds } from './units.ts'

/**
 * The reason why a request was rejected. Stable, for operators and tests. The client sees only the error code of RFC 6750
 * §3.1, because details would help an attacker more than a client.
 *
 * - no usable credentials: `no_credentials`, `malformed_credentials`, `multiple_credentials`, `credentials_too_long`,
 *   `insecure_transport`
 * - not a token for this API: `malformed_token`, `encrypted_token`, `not_an_access_token`, `algorithm_not_allowed`,
 *   `unsupported_header`
 * - not proven: `unknown_key`, `invalid_signature`, `unknown_token`, `revoked`, `missing_proof`
 * - not a user of this API: `unknown_user`
 * - not valid here and now: `issuer_mismatch`, `audience_mismatch`, `expired`, `not_yet_valid`, `issued_in_future`,
 *   `max_age_exceeded`
 * - wrong claims: `missing_claim`, `invalid_claim`
 * - valid, but not enough: `insufficient_scope`, `insufficient_user_authentication`
 */
export type Reason = (typeof REASONS)[number]

/** All reasons. A list, so that values of unknown origin can be compared with it. */
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
  'unknown_user',
  'insufficient_scope',
  'insufficient_user_authentication',
] as const

/** A rejection: the request cannot be allowed because of what the client sent. A repetition would not change that. */
export interface Rejection {
  readonly reason: Reason
  /**
   * For operators: which claim or header parameter is wrong, and how. It must never contain the token or a part of its text. It
   * is read only if `onDecision` is set, so make it a getter if it is expensive.
   */
  readonly detail?: string | undefined
  /** For operators: the requirement that was not met, such as `scope(write)` or `role(admin)`. */
  readonly requirement?: string | undefined
  /** With `insufficient_scope`: what is missing, if it is not a scope. The text for the client says it. */
  readonly lacks?: 'role' | 'claim' | undefined
  /** With `insufficient_scope` and `insufficient_user_authentication`: every scope that the operation needs. */
  readonly scopes?: readonly string[]
  /** With `insufficient_user_authentication`: the authentication context classes, one of which is enough (RFC 9470 §3). */
  readonly acrValues?: readonly string[]
  /** With `insufficient_user_authentication`: the maximum age of the authentication. In seconds (RFC 9470 §3). */
  readonly maxAge?: Seconds
}

/** Whether a value of unknown origin is a reason from the list. */
export function isKnownReason(value: unknown): value is Reason {
  return (REASONS as readonly unknown[]).includes(value)
}

/** Whether a value of unknown origin is a rejection with a reason from the list. */
export function isKnownRejection(value: unknown): value is Rejection {
  return typeof value === 'object' && value !== null && isRejection(value) && isKnownReason(value.reason)
}

/** Whether a stage rejected the request. The outcome `preflight` also has a `reason`, but is not a rejection. */
export function isRejection(result: object): result is Rejection {
  return Object.hasOwn(result, 'reason') && (result as { reason: unknown }).reason !== 'preflight'
}
