/** Reads the text of one place of a request: it is a token, or there is a reason why not (RFC 6750 §3.1). */

import { B64TOKEN, isB64Token, isBlank, isVisibleToken, VISIBLE_TOKEN } from '../lib/syntax.ts'
import { type Credentials, TOKEN_LENGTH, type TokenSource, type TokenText } from '../model/credentials.ts'
import type { Rejection } from '../model/rejection.ts'

/** The result for one place of a request. */
export type Found = Credentials | Rejection

/** The longest value of `Authorization` and `Cookie` that is read, in characters. */
export const MAX_HEADER_LENGTH = 16_384

/** The place is empty. The answer is 401 with a challenge that has no error code (RFC 6750 §3.1). */
export const NONE: Rejection = { reason: 'no_credentials' }
/** The place has credentials that are no token. The answer is 400 `invalid_request`. */
export const MALFORMED: Rejection = { reason: 'malformed_credentials' }
/** There is more than one token. The answer is 400 `invalid_request` (RFC 6750 §2). */
export const MULTIPLE: Rejection = { reason: 'multiple_credentials' }
/** The field is too long to be searched. The answer is 400 `invalid_request`. */
export const FIELD_TOO_LONG: Rejection = {
  reason: 'credentials_too_long',
  detail: `the header field is longer than ${MAX_HEADER_LENGTH} characters`,
}

/** The texts that are tokens if the gate has neither `maxTokenLength` nor `tokenSyntax`. */
export const DEFAULT_TEXT: TokenText = { maxLength: TOKEN_LENGTH.preset, syntax: 'b64token' }

/**
 * Credentials of the scheme `Bearer`, by the syntax of the token (RFC 6750 §2.1). The scheme is case-insensitive (RFC 9110
 * §11.1), and one or more SP follow it, but no HTAB.
 */
const BEARER: Readonly<Record<TokenText['syntax'], RegExp>> = {
  b64token: new RegExp(`^bearer +(${B64TOKEN})$`, 'i'),
  'visible-ascii': new RegExp(`^bearer +(${VISIBLE_TOKEN})$`, 'i'),
}

/** Returns the token after the scheme `Bearer`, if there is one of the right syntax. */
export function afterScheme(text: string, { syntax }: TokenText): string | undefined {
  return BEARER[syntax].exec(text)?.[1]
}

/**
 * Checks the length and the syntax of a token. A blank text counts as no token, because many clients send one without a token.
 */
export function tokenOf(value: string, source: TokenSource, text: TokenText): Found {
  if (isBlank(value)) return NONE
  if (value.length > text.maxLength) return tooLong(text)
  const isToken = text.syntax === 'b64token' ? isB64Token : isVisibleToken
  return isToken(value) ? { token: value, source } : MALFORMED
}

/** The scheme without a token, as templates such as `Bearer ${token}` leave it if there is none. */
const SCHEME_ALONE = /^bearer[ \t]*$/i

/** Finds a token alone, or after `Bearer`. Cookies and other header fields have either form, because no RFC defines one. */
export function tokenWithOrWithoutScheme(value: string, source: TokenSource, text: TokenText): Found {
  if (isBlank(value)) return NONE
  // The scheme without a token is malformed, not a token.
  return SCHEME_ALONE.test(value) ? MALFORMED : tokenOf(afterScheme(value, text) ?? value, source, text)
}

/** Rejects a token above `maxTokenLength`. The detail names the option, because a legitimate token can outgrow the default. */
export function tooLong({ maxLength }: TokenText): Rejection {
  return {
    reason: 'credentials_too_long',
    detail: `the token is longer than "maxTokenLength" allows: ${maxLength} characters (up to ${TOKEN_LENGTH.max} can be set)`,
  }
}
