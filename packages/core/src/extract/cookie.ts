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

/** Finds a token in the cookie of this name. Rejects two of them, because a neighbouring host may have set the other one. */
export function inCookie(request: RequestLike, name: string, rules: TokenText): Found {
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

function unquoted(value: string): string {
  return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
}

/** Some libraries percent-encode cookies. A token contains no `%`. */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
