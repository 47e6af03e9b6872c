/** Lets the application write the body of a denial, and adds its header fields (RFC 9457). The gate keeps the rest. */

import { isObject } from '../lib/json.ts'
import { ignoreRejection, isPromiseLike } from '../lib/promise.ts'
import { isFieldName } from '../lib/syntax.ts'
import { type Denied, STATUS_TEXT, toResponse } from '../model/decision.ts'
import { type Mistakes, programmingError } from '../observe/mistakes.ts'
import type { RequestLike } from '../request/request.ts'
import { isTargetedCacheControl } from './cache-headers.ts'
import { isOwnField } from './challenge.ts'

/** The body and header fields that the application sends. */
export interface CustomAnswer {
  /** An object is sent as JSON, a string as it is. Default: the default body. */
  readonly body?: string | object | undefined
  /**
   * Further header fields. `Content-Type` is `application/json` for an object and `text/plain` for a string if you set none.
   * Fields that the gate sets are ignored: the challenge, `Retry-After`, `Cache-Control`, and those of the message itself.
   */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/**
 * Writes the answer to a denied request. It cannot change the status. If it returns `undefined`, throws, or returns anything
 * that cannot be sent, the default body is sent. In the last two cases a warning is printed once. It must be synchronous.
 */
export type AnswerFunction = (denied: Denied, request: RequestLike | undefined) => CustomAnswer | undefined

/**
 * Writes a denial as problem details, `application/problem+json` (RFC 9457), with the error code of RFC 6750 as `error`.
 *
 * @example
 * createGate({ issuer, audience, answer: problemDetails })
 */
export function problemDetails({ status, body }: Denied): {
  readonly body: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>
} {
  const { error, error_description: detail } = body
  return {
    // Without a `type` it is "about:blank", for which the title is that of the status (RFC 9457 §4.2.1).
    body: { title: STATUS_TEXT[status], status, detail, ...(error !== undefined && { error }) },
    headers: { 'Content-Type': 'application/problem+json' },
  }
}

/**
 * Applies the option `answer` to a denial. Never throws.
 * @param mistakes where it says that the default body was sent because the function failed
 */
export function customized(
  denied: Denied,
  answer: AnswerFunction,
  request: RequestLike | undefined,
  mistakes: Mistakes,
): Denied {
  try {
    const given: unknown = answer(denied, request)
    if (given === undefined) return denied
    ignoreRejection(given)
    const custom = isObject(given) && !isPromiseLike(given) ? withAnswer(denied, given) : undefined
    if (custom === undefined) mistakes.tell(UNUSABLE)
    return custom ?? denied
  } catch (cause) {
    mistakes.tell(`"answer" threw ${programmingError(cause) ?? 'an error'}, so the default body was sent`)
    return denied
  }
}

const UNUSABLE =
  '"answer" must return undefined or { body, headers }, where "body" is an object or a string and "headers" are valid, but returned something else, so the default body was sent. It must not be async'

/** Returns the denial with this body and these header fields. `undefined` if they cannot be sent. */
function withAnswer(
  denied: Denied,
  { body, headers }: Readonly<Record<string, unknown>>,
): Denied | undefined {
  const content = body === undefined ? denied.content : textOf(body)
  const fields = fieldsOf(headers ?? {})
  if (content === undefined || fields === undefined) return undefined
  const type = body === undefined ? denied.headers['Content-Type'] : typeOf(body)
  const all = Object.freeze({ ...denied.headers, 'Content-Type': type ?? '', ...fields })
  return Object.freeze({
    ...denied,
    headers: all,
    content,
    toResponse: toResponse(denied.status, all, content),
  })
}

function typeOf(body: unknown): string {
  return typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json'
}

function textOf(body: unknown): string | undefined {
  if (typeof body === 'string') return body
  return typeof body === 'object' && body !== null ? JSON.stringify(body) : undefined
}

/** Any character but those that end a field line, or that a field cannot contain (RFC 9110 §5.5). */
const FIELD_VALUE = /^[\t\x20-\x7E\x80-\xFF]*$/

/** Returns the fields that may be added. `undefined` if one could not be sent. */
function fieldsOf(headers: unknown): Readonly<Record<string, string>> | undefined {
  if (!isObject(headers)) return undefined
  const fields: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (!isFieldName(name) || typeof value !== 'string' || !FIELD_VALUE.test(value)) return undefined
    if (isOwnField(name) || isTargetedCacheControl(name)) continue
    fields[name.toLowerCase() === 'content-type' ? 'Content-Type' : name] = value
  }
  return fields
}
