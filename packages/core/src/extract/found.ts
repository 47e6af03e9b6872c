/** What one place of a request holds: a token, or the reason why there is none (RFC 6750 §3.1). */

import { isB64Token } from '../lib/syntax.ts'
import { type Credentials, MAX_TOKEN_LENGTH, type TokenSource } from '../model/credentials.ts'
import type { Rejection } from '../model/rejection.ts'

export type Found = Credentials | Rejection

/** The longest value of `Authorization` and `Cookie` that is read, in characters. */
export const MAX_HEADER_LENGTH = 16_384

export const NONE: Rejection = { reason: 'no_credentials' }
export const MALFORMED: Rejection = { reason: 'malformed_credentials' }
export const MULTIPLE: Rejection = { reason: 'multiple_credentials' }
export const TOO_LONG: Rejection = { reason: 'credentials_too_long' }

/** Checks the length and the syntax of a token. */
export function tokenOf(value: string, source: TokenSource): Found {
  if (value.length > MAX_TOKEN_LENGTH) return TOO_LONG
  return isB64Token(value) ? { token: value, source } : MALFORMED
}
