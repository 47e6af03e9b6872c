/** What a gate decides of a request: an identity, or a complete answer that refuses it. */

import type { Identity, Sender } from './identity.ts'
import type { Reason } from './rejection.ts'

/** The outcome for one request. A decision is a value: nothing is thrown, whatever was sent. */
export type Decision<I extends Sender = Identity> = Grant<I> | Refusal

/** The request may pass. */
export interface Grant<I extends Sender = Identity> {
  readonly ok: true
  /** `undefined` where `optional` lets a request pass without credentials, or `passPreflight` a CORS preflight. */
  readonly identity: I
  /** What the answer must carry: where the token stood in the query, that it is not stored (RFC 6750 §2.3). */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Whether it is a CORS preflight, which needs no identity and meets every requirement. */
  readonly preflight?: true | undefined
}

/** The request may not pass, with the HTTP answer that says so. Frozen, and shared between requests. */
export interface Refusal {
  readonly ok: false
  /** 400, 401 or 403 where the client is to mend it; 503 where nobody could tell. */
  readonly status: 400 | 401 | 403 | 503
  /** Ready to send. A field with an array as its value stands in several lines. */
  readonly headers: Readonly<Record<string, string | string[]>>
  /** The JSON body: `error` and `error_description`, or nothing where no credentials were sent (RFC 6750 §3.1). */
  readonly body: { readonly error?: string; readonly error_description?: string }
  /** The reason from the closed list, or `unavailable` with the status 503. For operators, not for the client. */
  readonly reason: Reason | 'unavailable'
  /** The answer as a new fetch `Response`. */
  toResponse(): Response
}

/** A refusal as an error, for frameworks that handle errors in one place (`onReject: 'next'`). */
export class RefusalError extends Error {
  override readonly name = 'RefusalError'
  /** Koa: the message may be shown to the client. */
  readonly expose = true
  readonly status: Refusal['status']
  /** Express: the same as `status`. */
  readonly statusCode: Refusal['status']
  readonly headers: Refusal['headers']
  readonly reason: Refusal['reason']
  readonly body: Refusal['body']

  constructor(refusal: Refusal) {
    super(refusal.body.error_description ?? 'Authentication is required')
    this.status = refusal.status
    this.statusCode = refusal.status
    this.headers = refusal.headers
    this.reason = refusal.reason
    this.body = refusal.body
  }
}
