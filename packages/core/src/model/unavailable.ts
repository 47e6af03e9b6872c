/** The error for a token that could not be checked: the gate answers 503, never 401 (RFC 9110 §15.6.4). */

import type { Seconds } from './units.ts'

/**
 * Means that a token could not be checked, for example because the issuer is down. The client is not at fault, so the gate
 * answers 503 with `Retry-After`. A verifier may throw it to set `Retry-After`. Any other error that it throws is answered
 * 503 as well.
 *
 * @example
 * throw new UnavailableError('The session store is down', { cause, retryAfter: 5 })
 */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError'
  /** Stable, unlike the message. */
  readonly code = 'ERR_UNAVAILABLE'
  /** When to try again. In seconds. Default 1. */
  readonly retryAfter: Seconds

  constructor(message: string, options: { cause?: unknown; retryAfter?: Seconds } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.retryAfter = options.retryAfter ?? 1
  }
}
