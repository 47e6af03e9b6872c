/** Finds a token in `Authorization`, or in another header field (RFC 6750 §2.1, RFC 9110 §11). */

import { B64TOKEN, isBlank, TCHAR } from '../lib/syntax.ts'
import type { TokenText } from '../model/credentials.ts'
import type { Rejection } from '../model/rejection.ts'
import type { RequestLike } from '../request/request.ts'
import {
  afterScheme,
  FIELD_TOO_LONG,
  type Found,
  MALFORMED,
  MAX_HEADER_LENGTH,
  MULTIPLE,
  NONE,
  tokenWithOrWithoutScheme,
  tooLong,
} from './found.ts'

/** Credentials of another scheme, such as `Basic`, or one whose name only begins with `Bearer`. */
const OTHER_SCHEME = new RegExp(`^(?!bearer(?!${TCHAR}))${TCHAR}+(?: |$)`, 'i')
/** Two field lines that a host has joined into one value: `Basic abc, Bearer xyz`. */
const JOINED = new RegExp(`^${TCHAR}+ +${B64TOKEN}[ \t]*,`)
/** The prefix that nearly all clients use, in exactly this case. It needs no pattern. */
const USUAL = 'Bearer '

/**
 * Returns the text after `Bearer ` in `Authorization`, without a check of its syntax. Use it only to look up a cached result:
 * nothing is cached for a malformed token. It exists because the patterns cost more than the lookup.
 */
export function usualToken(request: RequestLike, maxLength: number): string | undefined {
  const value = request.header('authorization')
  if (typeof value !== 'string' || !value.startsWith(USUAL)) return undefined
  return value.length <= USUAL.length + maxLength ? value.slice(USUAL.length) : undefined
}

/**
 * Finds a token in `Authorization`. Another scheme counts as no credentials, and so does a blank value: the answer is then 401
 * with a challenge, which tells the client the scheme to use (RFC 6750 §3.1).
 */
export function inAuthorization(request: RequestLike, text: TokenText): Found {
  const value = singleValue(request.header('authorization'))
  if (typeof value !== 'string') return value
  const token = afterScheme(value, text)
  if (token !== undefined) return token.length > text.maxLength ? tooLong(text) : { token, source: 'header' }
  if (isBlank(value)) return NONE
  if (JOINED.test(value)) return MULTIPLE
  return OTHER_SCHEME.test(value) ? NONE : MALFORMED
}

/** Finds a token in a header field, given by its lower-case name: alone, or after `Bearer`. */
export function inField(request: RequestLike, name: string, text: TokenText): Found {
  const value = singleValue(request.header(name))
  return typeof value === 'string' ? tokenWithOrWithoutScheme(value, 'header', text) : value
}

/** Reads a field that may have only one line, because its value is no list (RFC 9110 §5.3). Rejects several lines. */
function singleValue(given: unknown): string | Rejection {
  if (given === undefined) return NONE
  const value: unknown = Array.isArray(given) && given.length === 1 ? given[0] : given
  if (Array.isArray(value)) return value.length > 1 ? MULTIPLE : MALFORMED
  if (typeof value !== 'string') return MALFORMED
  return value.length > MAX_HEADER_LENGTH ? FIELD_TOO_LONG : value
}
