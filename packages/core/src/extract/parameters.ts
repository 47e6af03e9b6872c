/** Finds a token in the parameter `access_token` of the query or of a form (RFC 6750 §2.2, §2.3). */

import { raceAbort } from '../lib/abort.ts'
import { timeout } from '../lib/clock.ts'
import { getOwn, isObject } from '../lib/json.ts'
import { isPromiseLike } from '../lib/promise.ts'
import type { TokenText } from '../model/credentials.ts'
import type { Rejection } from '../model/rejection.ts'
import type { Seconds } from '../model/units.ts'
import { FORM_LATE, UnreadableForm } from '../request/form.ts'
import { type RequestLike, requestTarget } from '../request/request.ts'
import { type Found, MALFORMED, MULTIPLE, NONE, tokenOf } from './found.ts'

/** The name of the parameter in RFC 6750. */
export const PARAMETER = 'access_token'
const FORM = /^application\/x-www-form-urlencoded[ \t]*(?:;|$)/i
/** The methods whose body has a meaning, as RFC 6750 §2.2 demands. */
const METHODS: readonly unknown[] = ['POST', 'PUT', 'PATCH']
const UNPARSED: Rejection = {
  reason: 'no_credentials',
  detail:
    'the form was not parsed, or its body was read before: on Express and Koa, mount a body parser before the gate, such as express.urlencoded()',
}

/**
 * Finds a token in the query. Only a parameter that is there twice is rejected. Clients and proxies add other parameters,
 * which are no concern of the gate.
 */
export function inQuery(request: RequestLike, text: TokenText, parameter: string = PARAMETER): Found {
  const [, query] = requestTarget(request)
  return query === '' ? NONE : inParameters(new URLSearchParams(query), parameter, 'query', text)
}

/**
 * Finds a token in a form body (RFC 6750 §2.2). Returns an `UnreadableForm` if the client has not sent all of it after
 * `limit` seconds, so that slow clients cannot hold the gate's deadline: that would be a 503, and the fault is theirs.
 */
export function inForm(request: RequestLike, limit: Seconds, text: TokenText): Found | Promise<Found> {
  const type = request.header('content-type')
  // A body parser used one of the two types, and it is unknown which one.
  if (Array.isArray(type) && type.length > 1) return MALFORMED
  if (!METHODS.includes(request.method) || typeof type !== 'string' || !FORM.test(type)) return NONE
  const fields = request.form?.()
  if (!isPromiseLike(fields)) return inFields(fields, text)
  const signal = timeout(limit)
  return raceAbort(Promise.resolve(fields), signal).then(
    (read) => inFields(read, text),
    (cause) => {
      if (signal.aborted) return FORM_LATE
      throw cause
    },
  )
}

/** Finds a token in the fields that a host or a body parser returns, which are `URLSearchParams` or a plain object. */
function inFields(fields: unknown, text: TokenText): Found {
  if (fields instanceof UnreadableForm) return fields
  if (fields instanceof URLSearchParams) {
    const found = inParameters(fields, PARAMETER, 'form', text)
    return found === NONE || [...fields].flat().every(isAscii) ? found : MALFORMED
  }
  if (!isObject(fields)) return UNPARSED
  const value = getOwn(fields, PARAMETER)
  if (value === undefined) return NONE
  if (Array.isArray(value)) return MULTIPLE
  if (typeof value !== 'string') return MALFORMED
  const found = tokenOf(value, 'form', text)
  return found === NONE || isAscii(JSON.stringify(fields)) ? found : MALFORMED
}

/** Whether a text is ASCII. A form that contains a token must have no other characters (RFC 6750 §2.2). */
function isAscii(text: string): boolean {
  return /^\p{ASCII}*$/u.test(text)
}

function inParameters(
  parameters: URLSearchParams,
  name: string,
  source: 'query' | 'form',
  text: TokenText,
): Found {
  const values = parameters.getAll(name)
  if (values.length > 1) return MULTIPLE
  return values[0] === undefined ? NONE : tokenOf(values[0], source, text)
}
