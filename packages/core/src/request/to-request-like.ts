/** Recognizes the requests that a gate accepts. */

import { configurationError } from '../lib/configuration-error.ts'
import { isObject } from '../lib/json.ts'
import { received } from '../lib/received.ts'
import { FetchRequestLike } from './fetch.ts'
import type { RequestLike } from './request.ts'

/**
 * Returns the view of a fetch `Request`, or a `RequestLike` as it is.
 * @throws TypeError if the value is neither, such as a request of Node that was not translated
 */
export function toRequestLike(request: Request | RequestLike): RequestLike {
  if (typeof request === 'object' && request !== null) {
    // Express gives requests of Node a method `header`, which returns one of several field lines only.
    const isOther = 'rawHeaders' in request || isContext(request)
    if ('header' in request && typeof request.header === 'function' && !isOther) return request
    if ('headers' in request && typeof request.headers?.get === 'function')
      return new FetchRequestLike(request)
  }
  const hint = isContext(request) ? '. If you have a Hono context, pass context.req.raw' : ''
  throw configurationError(
    'INVALID_ARGUMENT',
    `a request must be a fetch Request or a RequestLike, such as fromNodeRequest(request), but is ${received(request)}${hint}`,
  )
}

/** Whether a value is the context of Hono, whose method `header` sets a header of the response. */
function isContext(value: unknown): boolean {
  return isObject(value) && 'header' in value && isObject(value.req) && value.req.raw !== undefined
}
