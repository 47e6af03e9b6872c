/** Step 1, where credentials may stand: one token, or a refusal (RFC 6750 §2, RFC 9110 §11). */

import type { Rejection } from './rejection.ts'
import type { RequestView } from './request.ts'

/** The longest `Authorization` value that is looked at, in characters. */
export const MAX_HEADER_LENGTH = 16_384
/** The longest token that is looked at, in characters. */
export const MAX_TOKEN_LENGTH = 8_192

const TCHAR = "[!#$%&'*+.^_`|~0-9A-Za-z-]"
const B64TOKEN = '[A-Za-z0-9._~+/-]+=*'

/** RFC 6750 §2.1; the scheme in any case (RFC 9110 §11.1); one or more SP, never HTAB. */
const BEARER = new RegExp(`^bearer +(${B64TOKEN})$`, 'i')
/** Credentials of a scheme that is not ours, even if they are `Bearerish`. */
const OTHER_SCHEME = new RegExp(`^(?!bearer(?!${TCHAR}))${TCHAR}+(?: |$)`, 'i')
/** Two field lines that a host has joined into one value: `Basic abc, Bearer xyz`. */
const JOINED = new RegExp(`^${TCHAR}+ +${B64TOKEN}[ \t]*,`)

const NONE: Rejection = { reason: 'no_credentials' }
const MALFORMED: Rejection = { reason: 'malformed_credentials' }
const MULTIPLE: Rejection = { reason: 'multiple_credentials' }
const TOO_LONG: Rejection = { reason: 'credentials_too_long' }

/**
 * The bearer token of a request, or why there is none.
 *
 * The token has the syntax `b64token` and at most 8,192 characters; whether it is any good is the verifier's to say.
 */
export function extract(request: RequestView): string | Rejection {
  let value: unknown = request.header('authorization')
  if (value === undefined) return NONE
  if (Array.isArray(value)) {
    if (value.length > 1) return MULTIPLE
    value = value[0]
  }
  if (typeof value !== 'string') return MALFORMED
  if (value.length > MAX_HEADER_LENGTH) return TOO_LONG
  const token = BEARER.exec(value)?.[1]
  if (token !== undefined) return token.length > MAX_TOKEN_LENGTH ? TOO_LONG : token
  if (JOINED.test(value)) return MULTIPLE
  return OTHER_SCHEME.test(value) ? NONE : MALFORMED
}
