/** Grammars that several headers and options share, each written once (RFC 9110 §5.6, RFC 6749 §3.3, RFC 6750 §2.1). */

/** One character of a `token` (RFC 9110 §5.6.2), as the source of a pattern. */
export const TCHAR = "[!#$%&'*+.^_`|~0-9A-Za-z-]"

const FIELD_NAME = new RegExp(`^${TCHAR}+$`)

/** Whether a string is a `token`: the name of a header field, a method, a cookie, a scheme or a subprotocol (RFC 9110 §5.6.2). */
export function isFieldName(value: string): boolean {
  return FIELD_NAME.test(value)
}

const SCOPE_TOKEN = /^[\x21\x23-\x5B\x5D-\x7E]+$/

/** Whether a value is a `scope-token` (RFC 6749 §3.3). */
export function isScopeToken(value: unknown): value is string {
  return typeof value === 'string' && SCOPE_TOKEN.test(value)
}

/** A `b64token` (RFC 6750 §2.1), as the source of a pattern. */
export const B64TOKEN = '[A-Za-z0-9._~+/-]+=*'

const TOKEN = new RegExp(`^${B64TOKEN}$`)

/** Whether a string is a `b64token` (RFC 6750 §2.1). */
export function isB64Token(value: string): boolean {
  return TOKEN.test(value)
}

/** Visible ASCII without the comma, by which hosts join several field lines. As the source of a pattern. */
export const VISIBLE_TOKEN = '[!-+\\--~]+'

const VISIBLE = new RegExp(`^${VISIBLE_TOKEN}$`)

/** Whether a string consists of visible ASCII characters other than the comma. */
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
