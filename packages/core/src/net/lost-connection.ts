/** The error of a request whose connection was closed before the first byte of a response: it may be sent again (RFC 9112 §9.3.1). */

/** No response to a request has begun, and none will. Only clients of this project throw it, never a `fetch` of the user's. */
export class LostConnectionError extends Error {
  override readonly name = 'LostConnectionError'

  constructor(cause: unknown) {
    super('The connection was closed before there was a response', { cause })
  }
}
