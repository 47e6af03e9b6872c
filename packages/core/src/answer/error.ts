/** Defines the denial of a request as an error, for the error handling of a framework. */

import type { Denied } from '../model/decision.ts'

interface Explanation {
  readonly detail?: string | undefined
  readonly cause?: unknown
}

/** The explanations of denials. They are not members of a denial, because an application may send those to the client. */
const explanations = new WeakMap<Denied, Explanation>()

/** Returns a copy of a denial for one request. The `BearerAuthError` for this copy has the explanation. */
export function withExplanation(denied: Denied, { detail, cause }: Explanation): Denied {
  const copy = Object.freeze({ ...denied })
  explanations.set(copy, { detail, cause })
  return copy
}

/**
 * Reports a denied request to frameworks that handle all errors in one place (`onDenied: 'next'`). Its members have the names
 * that Express and Koa read, so their default error handling already sends the right status and headers. Send `headers` if you
 * write the response yourself: a 401 needs its challenge (RFC 9110 §15.5.2).
 *
 * @example
 * app.use((error, req, res, next) => {
 *   if (!(error instanceof BearerAuthError)) return next(error)
 *   res.status(error.status).set(error.headers).json({ message: error.message, reason: error.reason })
 * })
 */
export class BearerAuthError extends Error {
  override readonly name = 'BearerAuthError'
  /** Koa: the message may be shown to the client. */
  readonly expose = true
  /** 400, 401 or 403 if the client is at fault. 503 if the token could not be checked. */
  readonly status: Denied['status']
  /** Express: the same as `status`. */
  readonly statusCode: Denied['status']
  /** The header fields of the response, such as `WWW-Authenticate` and `Cache-Control`. */
  readonly headers: Denied['headers']
  /** The reason from the closed list, or `unavailable`. For operators. */
  readonly reason: Denied['reason']
  /** The JSON body: `error` and `error_description`. */
  readonly body: Denied['body']
  /** The text that the gate would send. */
  readonly content: Denied['content']

  /** For operators: which claim or header parameter is wrong, and how. Not enumerable, so no client gets it by accident. */
  declare readonly detail: string | undefined

  /** With 503, `cause` is the error that prevented the check. Like `detail`, it is not enumerable. */
  constructor(denied: Denied) {
    super(denied.body.error_description ?? 'Authentication is required')
    const { detail, cause } = explanations.get(denied) ?? {}
    Object.defineProperty(this, 'detail', { value: detail })
    if (cause !== undefined) Object.defineProperty(this, 'cause', { value: cause })
    this.status = denied.status
    this.statusCode = denied.status
    this.headers = denied.headers
    this.reason = denied.reason
    this.body = denied.body
    this.content = denied.content
  }
}
