/** Finds a token in a cookie (RFC 6265 §5.4). */

import { withoutSpace } from '../lib/syntax.ts'
import type { TokenText } from '../model/credentials.ts'
import type { RequestLike } from '../request/request.ts'
import {
  FIELD_TOO_LONG,
  type Found,
  MALFORMED,
  MAX_HEADER_LENGTH,
  MULTIPLE,
  NONE,
  tokenWithOrWithoutScheme,
} from './found.ts'

/**
 * Finds a token in the cookie of this name. Rejects two cookies of the name: a neighbouring host of the same domain may have
 * set one of them, and nothing tells which one comes first (RFC 6265 §5.4). A cookie with a `__Host-` prefix prevents that.
 */
export function inCookie(request: RequestLike, name: string, rules: TokenText): Found {
  // HTTP/2 clients may split `Cookie` into several field lines (RFC 9113 §8.2.3).
  const given: unknown = request.header('cookie')
  const text = Array.isArray(given) ? given.join(';') : given
  if (text === undefined) return NONE
  if (typeof text !== 'string') return MALFORMED
  if (text.length > MAX_HEADER_LENGTH) return FIELD_TOO_LONG
  const values: string[] = []
  for (const pair of text.split(';')) {
    const equals = pair.indexOf('=')
    // SP and HTAB only (RFC 6265 §5.2). After `trim`, a name that begins with NBSP would equal one with a `__Host-` prefix.
    if (equals !== -1 && withoutSpace(pair.slice(0, equals)) === name)
      values.push(unquoted(withoutSpace(pair.slice(equals + 1))))
  }
  if (values.length > 1) return MULTIPLE
  return tokenWithOrWithoutScheme(decoded(values[0] ?? ''), 'cookie', rules)
}

/** Removes the quotes that a cookie value may have (RFC 6265 §4.1.1). */
function unquoted(value: string): string {
  return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
}

/** Decodes percent-encoding, which some libraries apply to cookies. It changes no token, because tokens contain no `%`. */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
