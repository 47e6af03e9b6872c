/** What one place of a request holds: a token, or the reason why there is none (RFC 6750 §3.1). */

import { B64TOKEN, isB64Token, isBlank, isVisibleToken, VISIBLE_TOKEN } from '../lib/syntax.ts'
import { type Credentials, TOKEN_LENGTH, type TokenSource, type TokenText } from '../model/credentials.ts'
import type { Rejection } from '../model/rejection.ts'

export type Found = Credentials | Rejection

/** The longest value of `Authorization` and `Cookie` that is read, in characters. */
export const MAX_HEADER_LENGTH = 16_384

export const NONE: Rejection = { reason: 'no_credentials' }
export const MALFORMED: Rejection = { reason: 'malformed_credentials' }
export const MULTIPLE: Rejection = { reason: 'multiple_credentials' }
export const FIELD_TOO_LONG: Rejection = {
  reason: 'credentials_too_long',
  detail: `the header field is longer than ${MAX_HEADER_LENGTH} characters`,
}

export const DEFAULT_TEXT: TokenText = { maxLength: TOKEN_LENGTH.preset, syntax: 'b64token' }

/** RFC 6750 §2.1. The scheme is case-insensitive (RFC 9110 §11.1), and one or more SP follow it, but no HTAB. */
const BEARER: Readonly<Record<TokenText['syntax'], RegExp>> = {
  b64token: new RegExp(`^bearer +(${B64TOKEN})$`, 'i'),
  'visible-ascii': new RegExp(`^bearer +(${VISIBLE_TOKEN})$`, 'i'),
}

/** Returns the token after the scheme `Bearer`, if there is one of the right syntax. */
export function afterScheme(text: string, { syntax }: TokenText): string | undefined {
  return BEARER[syntax].exec(text)?.[1]
}

/** Checks the length and the syntax of a token. A blank text is no token, as many clients send it without one. */
export function tokenOf(value: string, source: TokenSource, text: TokenText): Found {
  if (isBlank(value)) return NONE
  if (value.length > text.maxLength) return tooLong(text)
  const isToken = text.syntax === 'b64token' ? isB64Token : isVisibleToken
  return isToken(value) ? { token: value, source } : MALFORMED
}

const SCHEME_ALONE = /^bearer[ \t]*$/i

/** Finds a token alone, or after `Bearer`: the places that no RFC defines have either. */
export function tokenWithOrWithoutScheme(value: string, source: TokenSource, text: TokenText): Found {
  if (isBlank(value)) return NONE
  // The scheme without a token is malformed, not a token.
  return SCHEME_ALONE.test(value) ? MALFORMED : tokenOf(afterScheme(value, text) ?? value, source, text)
}

export function tooLong({ maxLength }: TokenText): Rejection {
  return {
    reason: 'credentials_too_long',
    detail: `the token is longer than "maxTokenLength" allows: ${maxLength} characters (up to ${TOKEN_LENGTH.max} can be set)`,
  }
}
