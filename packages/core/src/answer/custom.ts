/** Lets the application write the body of a denial, and adds its header fields (RFC 9457). The gate keeps the rest. */

import { isObject } from '../lib/json.ts'
import { isPlain } from '../lib/plain.ts'
import { ignoreRejection, isPromiseLike } from '../lib/promise.ts'
import { quotedList, received } from '../lib/received.ts'
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
   * Further header fields. Default of `Content-Type`: `application/json` for an object, `text/plain` for a string. These fields
   * are ignored, because the gate or the host sets them: `WWW-Authenticate`, `Retry-After`, `Access-Control-Expose-Headers`,
   * `Connection`, `Content-Length`, `Transfer-Encoding`, `Cache-Control`, and fields like that, such as `CDN-Cache-Control`.
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
    const names = isObject(given) && !isPromiseLike(given) ? Object.keys(given) : []
    const custom = names.some(isMember) ? withAnswer(denied, given as CustomAnswer) : undefined
    const others = names.filter((name) => !isMember(name))
    if (custom === undefined && !isEmpty(given))
      mistakes.tell(`${UNUSABLE}, but returned ${received(given)}${membersOf(others)}. ${NOT_SENT}`)
    else if (others.length > 0)
      mistakes.tell(`"answer" returned members that have no effect${membersOf(others)}`)
    return custom ?? denied
  } catch (cause) {
    mistakes.tell(`"answer" threw ${programmingError(cause) ?? 'an error'}. ${NOT_SENT}`)
    return denied
  }
}

const NOT_SENT = 'The default body was sent'

const UNUSABLE =
  '"answer" must return undefined or { body, headers }, and must not be async. "body" is a string, an array or a plain object, and "headers" are valid'

function isMember(name: string): boolean {
  return name === 'body' || name === 'headers'
}

/** Whether a function returned `{}`, which means the same as `undefined`. A `Response` has no members of its own either. */
function isEmpty(given: unknown): boolean {
  return isObject(given) && Object.keys(given).length === 0 && isPlain(given)
}

/** Names members for a warning. They are no secrets: the programmer chose them. */
function membersOf(names: readonly string[]): string {
  return names.length === 0 ? '' : ` (${quotedList(names, 32)})`
}

/** Returns the denial with this body and these header fields. `undefined` if they cannot be sent. */
function withAnswer(denied: Denied, { body, headers }: CustomAnswer): Denied | undefined {
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
  if (typeof body !== 'object' || body === null) return undefined
  const text: unknown = JSON.stringify(body)
  // A `Map`, for example, has no members that JSON contains.
  const isLost = text === '{}' && Object.keys(body).length === 0 && !isPlain(body)
  return typeof text === 'string' && !isLost ? text : undefined
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
