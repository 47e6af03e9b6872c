/** Defines the grammars that several headers and options share (RFC 9110 §5.6, RFC 6749 §3.3, RFC 6750 §2.1). */

/** One character of a `token` (RFC 9110 §5.6.2), as the source of a pattern. */
export const TCHAR = "[!#$%&'*+.^_`|~0-9A-Za-z-]"

const FIELD_NAME = new RegExp(`^${TCHAR}+$`)

/**
 * Whether a string is a `token`: the name of a header field, a method, a cookie, a scheme or a subprotocol (RFC 9110 §5.6.2).
 */
export function isFieldName(value: string): boolean {
  return FIELD_NAME.test(value)
}

const SCOPE_TOKEN = /^[\x21\x23-\x5B\x5D-\x7E]+$/

/**
 * Whether a value is a `scope-token`: visible ASCII without `"` and `\` (RFC 6749 §3.3). It needs no escaping in a challenge.
 */
export function isScopeToken(value: unknown): value is string {
  return typeof value === 'string' && SCOPE_TOKEN.test(value)
}

/** A `b64token`, as the source of a pattern: the characters that a bearer token may have in `Authorization` (RFC 6750 §2.1). */
export const B64TOKEN = '[A-Za-z0-9._~+/-]+=*'

const TOKEN = new RegExp(`^${B64TOKEN}$`)

/** Whether a string is a `b64token` (RFC 6750 §2.1). */
export function isB64Token(value: string): boolean {
  return TOKEN.test(value)
}

/**
 * Visible ASCII without the comma, as the source of a pattern. Hosts join several field lines by a comma, so a text with
 * one may be two tokens.
 */
export const VISIBLE_TOKEN = '[!-+\\--~]+'

const VISIBLE = new RegExp(`^${VISIBLE_TOKEN}$`)

/** Whether a string consists of visible ASCII characters other than the comma, for `tokenSyntax: 'visible-ascii'`. */
export function isVisibleToken(value: string): boolean {
  return VISIBLE.test(value)
}

/** Whether a string is empty, or consists of SP and HTAB only (RFC 9110 §5.6.3). */
export function isBlank(text: string): boolean {
  return withoutSpace(text) === ''
}

/** Removes SP and HTAB at both ends (RFC 9110 §5.6.3). `trim` would also remove NBSP and others, which are part of a value. */
export function withoutSpace(text: string): string {
  let [start, end] = [0, text.length]
  while (start < end && isSpace(text[start])) start += 1
  while (end > start && isSpace(text[end - 1])) end -= 1
  return text.slice(start, end)
}

function isSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\t'
}
