/**
 * Defines the error for a token that could not be checked: the gate answers 503, never 401 (RFC 9110 §15.6.4).
 *
 * A 401 tells a client that its token is bad, so it discards the token and signs its user out. During an outage of the issuer
 * that would sign out every user.
 */

import type { Seconds } from './units.ts'

/**
 * Reports that a token could not be checked, for example because the issuer is down. The client is not at fault, so the gate
 * answers 503 with `Retry-After`. A verifier may throw it to set `Retry-After`. For any other error of a verifier, the answer
 * is also 503, with `Retry-After: 1`.
 *
 * @example
 * throw new UnavailableError('The session store is down', { cause, retryAfter: 5 })
 */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError'
  /** Stable, unlike the message. Compare it instead of using `instanceof` if the package may be loaded twice. */
  readonly code = 'ERR_UNAVAILABLE'
  /** The time after which a client should try again, sent as `Retry-After`. In seconds. Default 1. */
  readonly retryAfter: Seconds

  /**
   * @param message for operators. Clients never see it
   * @param options `cause`: the error behind this one. `retryAfter`: in seconds, default 1
   */
  constructor(message: string, options: { cause?: unknown; retryAfter?: Seconds } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.retryAfter = options.retryAfter ?? 1
  }
}

/**
 * Creates the error for a token that was not checked because a limit is reached. It has no stack trace: any client can cause
 * many of these errors, and V8 takes longer for the trace than for all other work on such a request.
 */
export function atLimit(...parameters: ConstructorParameters<typeof UnavailableError>): UnavailableError {
  const limit: unknown = Reflect.get(Error, 'stackTraceLimit')
  // Not an assignment, which throws if the application froze `Error`.
  Reflect.set(Error, 'stackTraceLimit', 0)
  try {
    return new UnavailableError(...parameters)
  } finally {
    Reflect.set(Error, 'stackTraceLimit', limit)
  }
}

/**
 * Means that a function or a verifier of the application returned something invalid: a mistake in its code, which no later
 * request corrects. To applications it is an `UnavailableError`. Its message never contains a token.
 */
export class MistakeError extends UnavailableError {}

/**
 * Returns the message of the first error, among a cause and its own causes, that probably lasts until the code or the
 * configuration is corrected. `undefined` if there is none.
 */
export function lastingMistake(cause: unknown): string | undefined {
  for (
    let error = cause, depth = 0;
    error instanceof UnavailableError && depth < 4;
    error = error.cause, depth += 1
  )
    if (error instanceof MistakeError || (error as { isLasting?: unknown }).isLasting === true)
      return error.message
  return undefined
}
