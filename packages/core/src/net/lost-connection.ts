/** Defines the error for a connection that was closed before the first byte of a response (RFC 9112 §9.3.1). */

/**
 * Reports that no response to a request has begun, and none will, so it may be sent again. Only the clients of this project
 * throw it, never the `fetch` of an application.
 */
export class LostConnectionError extends Error {
  override readonly name = 'LostConnectionError'

  constructor(cause: unknown) {
    super('The connection was closed before there was a response', { cause })
  }
}
