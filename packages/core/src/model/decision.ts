/** What a gate decides of a request: an identity, or a complete answer that refuses it. */

import type { Identity } from './identity.ts'
import type { Reason } from './rejection.ts'

/** Header fields that an answer must carry. */
export type RequiredHeaders = Readonly<Record<string, string>>

/** The outcome for one request. A decision is a value: nothing is thrown, whatever was sent. */
export type Decision<I extends Identity<unknown> | undefined = Identity> = Passed<I> | Denied | Preflight

/** A request that reaches the handler: with `optional: true` also one without credentials. */
export type Passed<I extends Identity<unknown> | undefined = Identity> = I extends undefined
  ? Anonymous
  : Allowed<NonNullable<I>>

/** The token is good, and meets the gate's `requirement`. */
export interface Allowed<I extends Identity<unknown> = Identity> {
  readonly ok: true
  readonly identity: I
  /**
   * What the answer must carry, so that no shared cache serves it to another caller (RFC 9111 §3.5, RFC 6750 §2.3).
   * Adapters merge it with what the handler sets: the stricter value wins. `undefined` if nothing is needed.
   */
  readonly headers?: RequiredHeaders | undefined
}

/** A request without credentials, which `optional: true` lets pass. */
export interface Anonymous {
  readonly ok: true
  readonly identity: undefined
  readonly headers?: RequiredHeaders | undefined
}

/**
 * A CORS preflight, if `allowPreflight` is set. It reaches no handler and meets no requirement: send it as any other
 * answer with `ok: false`, or have the CORS middleware answer that `allowPreflight` names.
 */
export interface Preflight {
  readonly ok: false
  readonly status: 204
  readonly headers: Readonly<Record<string, string>>
  /** Empty: 204 has no content. */
  readonly body: Denied['body']
  readonly reason: 'preflight'
  /** The answer as a new fetch `Response`. */
  toResponse(): Response
}

/** The request may not pass, with the HTTP answer that says so. Frozen, and shared between requests. */
export interface Denied {
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

/** What an adapter sends if a request does not reach the handler. */
export interface Answer {
  readonly status: number
  readonly headers: Denied['headers']
  readonly body: string
}

/** Returns the answer of a decision, its body as text. */
export function answerOf({ status, headers, body }: Denied | Preflight): Answer {
  return { status, headers, body: status === 204 ? '' : JSON.stringify(body) }
}

/** A refusal as an error, for frameworks that handle errors in one place (`onDenied: 'next'`). */
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

  constructor(refusal: Denied) {
    super(refusal.body.error_description ?? 'Authentication is required')
    this.status = refusal.status
    this.statusCode = refusal.status
    this.headers = refusal.headers
    this.reason = refusal.reason
    this.body = refusal.body
  }
}
