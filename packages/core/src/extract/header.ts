/** Finds a token in `Authorization`, or in another header field (RFC 6750 §2.1, RFC 9110 §11). */

import { B64TOKEN, TCHAR } from '../lib/syntax.ts'
import { MAX_TOKEN_LENGTH } from '../model/credentials.ts'
import type { Rejection } from '../model/rejection.ts'
import type { RequestLike } from '../request/request.ts'
import { type Found, MALFORMED, MAX_HEADER_LENGTH, MULTIPLE, NONE, TOO_LONG, tokenOf } from './found.ts'

/** RFC 6750 §2.1. The scheme is case-insensitive (RFC 9110 §11.1), and one or more SP follow it, but no HTAB. */
const BEARER = new RegExp(`^bearer +(${B64TOKEN})$`, 'i')
/** Credentials of another scheme, even if its name begins with `Bearer`. */
const OTHER_SCHEME = new RegExp(`^(?!bearer(?!${TCHAR}))${TCHAR}+(?: |$)`, 'i')
/** Two field lines that a host has joined into one value: `Basic abc, Bearer xyz`. */
const JOINED = new RegExp(`^${TCHAR}+ +${B64TOKEN}[ \t]*,`)
const USUAL = 'Bearer '

/**
 * Returns what follows `Bearer ` in `Authorization`, without a check of its syntax. Use it only to look up a cached result:
 * nothing is cached for a malformed token.
 */
export function usualToken(request: RequestLike): string | undefined {
  const value = request.header('authorization')
  if (typeof value !== 'string' || !value.startsWith(USUAL)) return undefined
  return value.length <= USUAL.length + MAX_TOKEN_LENGTH ? value.slice(USUAL.length) : undefined
}

/** Finds a token in `Authorization`. Another scheme counts as no credentials. */
export function inAuthorization(request: RequestLike): Found {
  const value = singleValue(request.header('authorization'))
  if (typeof value !== 'string') return value
  const token = BEARER.exec(value)?.[1]
  if (token !== undefined) return token.length > MAX_TOKEN_LENGTH ? TOO_LONG : { token, source: 'header' }
  if (JOINED.test(value)) return MULTIPLE
  return OTHER_SCHEME.test(value) ? NONE : MALFORMED
}

/** Finds a token that is the whole value of a header field, given by its lower-case name. */
export function inField(request: RequestLike, name: string): Found {
  const value = singleValue(request.header(name))
  return typeof value === 'string' ? tokenOf(value, 'header') : value
}

/** Reads a field that may have only one line (RFC 9110 §5.3). */
function singleValue(given: unknown): string | Rejection {
  if (given === undefined) return NONE
  const value: unknown = Array.isArray(given) && given.length === 1 ? given[0] : given
  if (Array.isArray(value)) return value.length > 1 ? MULTIPLE : MALFORMED
  if (typeof value !== 'string') return MALFORMED
  return value.length > MAX_HEADER_LENGTH ? TOO_LONG : value
}
