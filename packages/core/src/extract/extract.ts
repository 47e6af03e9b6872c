/** Step 1, where credentials may stand: one token, or a refusal (RFC 6750 §2, RFC 9110 §11). */

import { assertBoolean, readOptions } from '../lib/assert.ts'
import { getOwn, isObject } from '../lib/json.ts'
import { isPromiseLike } from '../lib/promise.ts'
import { B64TOKEN, isB64Token, isFieldName, TCHAR, withoutSpace } from '../lib/syntax.ts'
import { type Credentials, MAX_TOKEN_LENGTH, type TokenSources } from '../model/credentials.ts'
import { isRejection, type Rejection } from '../model/rejection.ts'
import { FormTooLong, type RequestLike, targetOf } from '../request/request.ts'

/** The longest `Authorization` value that is looked at, in characters. */
export const MAX_HEADER_LENGTH = 16_384

type Found = Credentials | Rejection
export type Extract = (request: RequestLike) => Found | Promise<Found>

/** RFC 6750 §2.1; the scheme in any case (RFC 9110 §11.1); one or more SP, never HTAB. */
const BEARER = new RegExp(`^bearer +(${B64TOKEN})$`, 'i')
/** Credentials of a scheme that is not ours, even if they are `Bearerish`. */
const OTHER_SCHEME = new RegExp(`^(?!bearer(?!${TCHAR}))${TCHAR}+(?: |$)`, 'i')
/** Two field lines that a host has joined into one value: `Basic abc, Bearer xyz`. */
const JOINED = new RegExp(`^${TCHAR}+ +${B64TOKEN}[ \t]*,`)
const USUAL = 'Bearer '

const NONE: Rejection = { reason: 'no_credentials' }
const UNPARSED: Rejection = { reason: 'no_credentials', detail: 'nobody parsed the form' }
const MALFORMED: Rejection = { reason: 'malformed_credentials' }
const MULTIPLE: Rejection = { reason: 'multiple_credentials' }
const TOO_LONG: Rejection = { reason: 'credentials_too_long' }

/** @throws TypeError where a place is impossible, or none is left */
export function createExtract(places: TokenSources = {}): Extract {
  const read = readOptions('tokenFrom', places, ['header', 'form', 'query', 'cookie'])
  const from: ((request: RequestLike) => Found)[] = []
  if (typeof read.header === 'string') {
    const field = named('header', read.header).toLowerCase()
    from.push((request) => inField(request, field))
  } else if (assertBoolean('header', read.header, true)) from.push(inAuthorization)
  if (assertBoolean('query', read.query)) from.push(inQuery)
  if (read.cookie !== undefined) {
    const cookie = named('cookie', read.cookie)
    from.push((request) => inCookie(request, cookie))
  }
  const form = assertBoolean('form', read.form)
  const [only] = from
  if (only === undefined && !form)
    throw new TypeError('"tokenFrom" must leave a place for a token, such as { header: true }')
  if (!form)
    return from.length === 1 ? (only as Extract) : (request) => one(from.map((look) => look(request)))
  return (request) => {
    const found = from.map((look) => look(request))
    const body = inForm(request)
    return isPromiseLike(body)
      ? Promise.resolve(body).then((late) => one([...found, late]))
      : one([...found, body])
  }
}

function named(option: string, name: string): string {
  if (typeof name === 'string' && isFieldName(name)) return name
  throw new TypeError(`"${option}" must be a name of token characters (RFC 9110 §5.6.2)`)
}

/** The only place where there is something. */
function one(found: readonly Found[]): Found {
  const present = found.filter((item) => !(isRejection(item) && item.reason === 'no_credentials'))
  if (present.length > 1) return present.includes(TOO_LONG) ? TOO_LONG : MULTIPLE
  return present[0] ?? found.at(-1) ?? NONE
}

/**
 * What stands in the `Authorization` field as tokens usually do, its syntax unchecked. Only for asking whether it is known.
 */
export function usualToken(request: RequestLike): string | undefined {
  const value = request.header('authorization')
  if (typeof value !== 'string' || !value.startsWith(USUAL)) return undefined
  return value.length <= USUAL.length + MAX_TOKEN_LENGTH ? value.slice(USUAL.length) : undefined
}

function inAuthorization(request: RequestLike): Found {
  const value = singleton(request.header('authorization'))
  if (typeof value !== 'string') return value
  const token = BEARER.exec(value)?.[1]
  if (token !== undefined) return token.length > MAX_TOKEN_LENGTH ? TOO_LONG : { token, source: 'header' }
  if (JOINED.test(value)) return MULTIPLE
  return OTHER_SCHEME.test(value) ? NONE : MALFORMED
}

function inField(request: RequestLike, name: string): Found {
  const value = singleton(request.header(name))
  return typeof value === 'string' ? tokenOf(value, 'header') : value
}

/** The value of a field that may come once only (RFC 9110 §5.3). */
function singleton(given: unknown): string | Rejection {
  if (given === undefined) return NONE
  const value: unknown = Array.isArray(given) && given.length === 1 ? given[0] : given
  if (Array.isArray(value)) return value.length > 1 ? MULTIPLE : MALFORMED
  if (typeof value !== 'string') return MALFORMED
  return value.length > MAX_HEADER_LENGTH ? TOO_LONG : value
}

const PARAMETER = 'access_token'

function inQuery(request: RequestLike): Found {
  const [, query] = targetOf(request)
  return query === '' ? NONE : parameterOf(new URLSearchParams(query), 'query')
}

const FORM = /^application\/x-www-form-urlencoded[ \t]*(?:;|$)/i
const METHODS: readonly unknown[] = ['POST', 'PUT', 'PATCH']

function inForm(request: RequestLike): Found | Promise<Found> {
  const type = request.header('content-type')
  // Whoever parsed the body took one of them.
  if (Array.isArray(type) && type.length > 1) return MALFORMED
  if (!METHODS.includes(request.method) || typeof type !== 'string' || !FORM.test(type)) return NONE
  const fields = request.form?.()
  if (!isPromiseLike(fields)) return formToken(fields)
  return Promise.resolve(fields).then(formToken, (cause) => {
    if (cause instanceof FormTooLong) return TOO_LONG
    throw cause
  })
}

function formToken(fields: unknown): Found {
  if (fields instanceof URLSearchParams) {
    const found = parameterOf(fields, 'form')
    return found === NONE || [...fields].flat().every(isAscii) ? found : MALFORMED
  }
  if (!isObject(fields)) return UNPARSED
  const value = getOwn(fields, PARAMETER)
  if (value === undefined) return NONE
  if (Array.isArray(value)) return MULTIPLE
  if (typeof value !== 'string') return MALFORMED
  return isAscii(JSON.stringify(fields)) ? tokenOf(value, 'form') : MALFORMED
}

/** RFC 6750 §2.2: a form that holds a token is ASCII throughout. */
function isAscii(text: string): boolean {
  return /^\p{ASCII}*$/u.test(text)
}

function parameterOf(parameters: URLSearchParams, place: 'query' | 'form'): Found {
  const values = parameters.getAll(PARAMETER)
  if (values.length > 1) return MULTIPLE
  return values[0] === undefined ? NONE : tokenOf(values[0], place)
}

/** RFC 6265 §5.4. A cookie that is there twice may have been planted by a neighbour: nobody knows which is ours. */
function inCookie(request: RequestLike, name: string): Found {
  const given: unknown = request.header('cookie')
  const text = Array.isArray(given) ? given.join(';') : given
  if (text === undefined) return NONE
  if (typeof text !== 'string') return MALFORMED
  if (text.length > MAX_HEADER_LENGTH) return TOO_LONG
  const values: string[] = []
  for (const pair of text.split(';')) {
    const equals = pair.indexOf('=')
    // SP and HTAB only (RFC 6265 §5.2): by `trim`, a name after other white space would equal one with a `__Host-` prefix.
    if (equals !== -1 && withoutSpace(pair.slice(0, equals)) === name)
      values.push(unquoted(withoutSpace(pair.slice(equals + 1))))
  }
  if (values.length > 1) return MULTIPLE
  const [value = ''] = values
  return value === '' ? NONE : tokenOf(decoded(value), 'cookie')
}

function unquoted(value: string): string {
  return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
}

/** Whoever sets a cookie may have percent-encoded it: no token has a `%`. */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}

function tokenOf(value: string, place: keyof TokenSources): Found {
  if (value.length > MAX_TOKEN_LENGTH) return TOO_LONG
  return isB64Token(value) ? { token: value, source: place } : MALFORMED
}
