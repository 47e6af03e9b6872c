/** The decision of a gate about a request: an identity, or the complete HTTP response that denies it (RFC 6750 §3). */

import type { Identity } from './identity.ts'
import type { Reason } from './rejection.ts'

/** Header fields that a response must carry. */
export type RequiredHeaders = Readonly<Record<string, string>>

/**
 * The outcome for one request. A gate returns it and never throws, for any input of a client.
 *
 * @example
 * const decision = await gate.authenticate(request)
 * if (!decision.ok) return decision.toResponse()
 * return Response.json({ hello: decision.identity.subject })
 */
export type Decision<I extends Identity<unknown> | undefined = Identity> = Passed<I> | Denied | Preflight

/** A request that reaches the handler. With `optional: true` also one without credentials. */
export type Passed<I extends Identity<unknown> | undefined = Identity> = I extends undefined
  ? Anonymous
  : Allowed<NonNullable<I>>

/** A request whose token is valid, and meets the gate's `requirement`. */
export interface Allowed<I extends Identity<unknown> = Identity> {
  readonly ok: true
  /** The caller. Frozen, and shared between requests with the same token. */
  readonly identity: I
  /**
   * Header fields that the response must carry, so that no shared cache serves it to another caller (RFC 9111 §3.5, RFC 6750
   * §2.3). Adapters merge it with the headers of the handler, and the stricter value wins. `undefined` if nothing is needed.
   */
  readonly headers?: RequiredHeaders | undefined
}

/** A request without credentials, allowed by `optional: true`. */
export interface Anonymous {
  readonly ok: true
  readonly identity: undefined
  /** As for an allowed request. A shared cache must not serve an anonymous response to a caller with a token. */
  readonly headers?: RequiredHeaders | undefined
}

/**
 * A CORS preflight, if `allowPreflight` is set. It reaches no handler and meets no requirement. Send it like a denial, or let
 * the CORS middleware in `allowPreflight` answer.
 */
export interface Preflight {
  readonly ok: false
  readonly status: 204
  /** The `Access-Control-*` fields that answer the preflight, ready to send. */
  readonly headers: Readonly<Record<string, string>>
  /** Empty, because 204 has no content. */
  readonly body: Denied['body']
  /** Empty, because 204 has no content. */
  readonly content: string
  readonly reason: 'preflight'
  /** Creates a fetch `Response`. */
  toResponse(): Response
}

/** A denied request, with the HTTP response that says why (RFC 6750 §3). Frozen, and shared between requests. */
export interface Denied {
  readonly ok: false
  /** 400, 401 or 403 if the client is at fault. 503 if the token could not be checked. */
  readonly status: 400 | 401 | 403 | 503
  /** Ready to send. Send an array as several field lines. */
  readonly headers: Readonly<Record<string, string | string[]>>
  /**
   * `error` and `error_description`. If no credentials were sent, there is no `error` (RFC 6750 §3.1), and the description
   * says what to send.
   */
  readonly body: { readonly error?: string; readonly error_description?: string }
  /** The text to send: `body` as JSON, or what the option `answer` returned. */
  readonly content: string
  /** The reason from the closed list, or `unavailable` with the status 503. For operators, not for the client. */
  readonly reason: Reason | 'unavailable'
  /** Creates a fetch `Response`. */
  toResponse(): Response
}

/** The response that an adapter sends if a request does not reach the handler. */
export interface Answer {
  readonly status: number
  /** An array is sent as several field lines. */
  readonly headers: Denied['headers']
  /** JSON, or an empty string for 204. */
  readonly body: string
}

/** The reason phrases of denials (RFC 9110 §15). */
export const STATUS_TEXT = {
  204: 'No Content',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  503: 'Service Unavailable',
} as const

/** Returns a function that creates the fetch `Response` of a denial. */
export function toResponse(status: number, headers: Denied['headers'], content: string): () => Response {
  return () => new Response(content, { status, headers: headers as Record<string, string> })
}

/** Returns the response of a decision. For adapters of frameworks without a fetch `Response`. */
export function answerOf({ status, headers, content }: Denied | Preflight): Answer {
  return { status, headers, body: content }
}
