/** The denial of a request as an error, for the error handling of a framework. */

import type { Denied } from '../model/decision.ts'

/** A denial as an error, for frameworks that handle all errors in one place (`onDenied: 'next'`). */
export class BearerAuthError extends Error {
  override readonly name = 'BearerAuthError'
  /** Koa: the message may be shown to the client. */
  readonly expose = true
  readonly status: Denied['status']
  /** Express: the same as `status`. */
  readonly statusCode: Denied['status']
  readonly headers: Denied['headers']
  readonly reason: Denied['reason']
  readonly body: Denied['body']
  /** The text that the gate would send. */
  readonly content: Denied['content']

  constructor(denied: Denied) {
    super(denied.body.error_description ?? 'Authentication is required')
    this.status = denied.status
    this.statusCode = denied.status
    this.headers = denied.headers
    this.reason = denied.reason
    this.body = denied.body
    this.content = denied.content
  }
}
