/** A token as it was sent, and where a gate looks for it (RFC 6750 §2). */

import { isB64Token } from '../lib/syntax.ts'
import type { TokenSource } from './identity.ts'

/** The longest token that is looked at, in characters. */
export const MAX_TOKEN_LENGTH = 8_192

/** Whether a text has the syntax `b64token` (RFC 6750 §2.1), and a token's length. */
export function isToken(value: string): boolean {
  return value.length <= MAX_TOKEN_LENGTH && isB64Token(value)
}

/** Where a gate looks for a token. One in more places than one is refused (RFC 6750 §2). */
export interface TokenSources {
  /** `Authorization: Bearer …` (RFC 6750 §2.1), or the name of another field that holds the token alone. Default `true`. */
  header?: boolean | string | undefined
  /**
   * The parameter `access_token` of an urlencoded form in `POST`, `PUT` or `PATCH` (RFC 6750 §2.2). On Express and Koa a
   * body parser must stand before the gate. Default `false`.
   */
  form?: boolean | undefined
  /** The parameter `access_token` of the query (RFC 6750 §2.3). URLs are logged: use it where nothing else can be. Default `false`. */
  query?: boolean | undefined
  /**
   * The name of a cookie. Browsers send it of their own accord: make it `SameSite`, or protect against forged requests
   * otherwise. Default: none.
   */
  cookie?: string | undefined
}

/** A token, and where it stood. Its syntax is `b64token`, and it has at most 8,192 characters. */
export interface Credentials {
  readonly token: string
  readonly source: TokenSource
}
