/** Defines the view of an HTTP request that gates read, on any host (RFC 9110 §6). */

import { configurationError } from '../lib/configuration-error.ts'
import { isObject } from '../lib/json.ts'
import { received } from '../lib/received.ts'
import { FetchRequestLike } from './fetch.ts'

/**
 * An HTTP request of any host. Each host translates its own request: `fromNodeRequest` for `node:http`, Express and Koa,
 * `fromLambdaEvent` for Lambda. A gate accepts a fetch `Request` as it is. Members are read only if they are needed.
 *
 * @example
 * const view: RequestLike = {
 *   header: (name) => frame.headers.get(name),
 *   method: frame.method,
 *   url: frame.target,
 *   secure: frame.connection.isTls,
 * }
 */
export interface RequestLike {
  /** Returns the value of a header field by its lower-case name. An array if there are several field lines. */
  header(name: string): string | readonly string[] | undefined
  /** In upper case. Without it there is no preflight, no form, and no metadata of a protected resource. */
  readonly method?: string | undefined
  /** The request target: path and query, or an absolute URL. */
  readonly url?: string | undefined
  /**
   * Whether the socket or a framework knows that the request came over TLS. Never derive it from `Host` or the URL. Default
   * `false`.
   */
  readonly secure?: boolean | undefined
  /** Whether both addresses of the socket belong to this machine and no proxy forwarded the request. Default `false`. */
  readonly loopback?: boolean | undefined
  /**
   * Whether there is a body, if the headers do not tell (RFC 9112 §6). Default: `Content-Length` and `Transfer-Encoding` tell.
   */
  readonly hasBody?: boolean | undefined
  /**
   * Returns the fields of a form body: `URLSearchParams`, or the object that a body parser made of it. `undefined` if it was
   * not parsed. Called only if the gate accepts tokens in forms and the body is one. If it throws, the answer is 503. If a
   * promise is still pending after four fifths of the gate's `deadline`, the client is too slow: the answer is 400.
   */
  form?(): unknown
}

/**
 * Returns the view of a fetch `Request`, or a `RequestLike` as it is.
 * @throws TypeError if the value is neither, such as a request of Node that was not translated
 */
export function toRequestLike(request: Request | RequestLike): RequestLike {
  if (typeof request === 'object' && request !== null) {
    if ('header' in request && !isContext(request)) return request
    if ('headers' in request && typeof request.headers?.get === 'function')
      return new FetchRequestLike(request)
  }
  const hint = isContext(request) ? '. Of a Hono context, pass context.req.raw' : ''
  throw configurationError(
    'INVALID_ARGUMENT',
    `a request must be a fetch Request or a RequestLike, such as fromNodeRequest(request), but is ${received(request)}${hint}`,
  )
}

/** Whether a value is the context of Hono, whose method `header` sets a header of the response. */
function isContext(value: unknown): boolean {
  return isObject(value) && 'header' in value && isObject(value.req) && value.req.raw !== undefined
}

/**
 * Returns path and query of a request target, in origin form or absolute form (RFC 9112 §3.2). It does not use `URL`, which
 * resolves `..` and rewrites `\`: the handler sees the target as the client sent it, so the gate must, too.
 */
export function requestTarget(request: RequestLike): readonly [path: string, query: string] {
  const url = typeof request.url === 'string' ? request.url : ''
  const target = url.startsWith('/') ? url : url.replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, '')
  const bare = target.replace(/#.*$/s, '')
  const mark = bare.indexOf('?')
  return mark === -1 ? [bare, ''] : [bare.slice(0, mark), bare.slice(mark + 1)]
}
