/** What an `Authorization` value says, read character by character by the grammar of RFC 6750 §2.1 and RFC 9110 §11.4. */

/** The limits of the core, in characters (DESIGN.md, "Promises"). */
const MAX_VALUE = 16_384
const MAX_TOKEN = 8_192

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const B64TOKEN = new Set(`${LETTERS}0123456789-._~+/`)
const TCHAR = new Set(`${LETTERS}0123456789!#$%&'*+-.^_\`|~`)

/**
 * `bearer` with its token, `blank` if there is nothing, `other` for another scheme, whose parameters are not read, `joined` if a
 * comma follows the first credentials, or `malformed`.
 */
export type Credentials =
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'blank' }
  | { readonly kind: 'other' }
  | { readonly kind: 'joined' }
  | { readonly kind: 'malformed' }

const MALFORMED = { kind: 'malformed' } as const
const BLANK = { kind: 'blank' } as const

export function readCredentials(value: string): Credentials {
  if (value.length > MAX_VALUE) return MALFORMED
  if (isBlankFrom(value, 0)) return BLANK
  let end = 0
  while (TCHAR.has(value.charAt(end))) end += 1
  const scheme = value.slice(0, end)
  if (scheme === '' || (end < value.length && value.charAt(end) !== ' ')) return MALFORMED
  while (value.charAt(end) === ' ') end += 1
  if (!isBearer(scheme)) return { kind: isFollowedByComma(value.slice(end)) ? 'joined' : 'other' }
  const token = value.slice(end)
  return token.length <= MAX_TOKEN && isB64Token(token) ? { kind: 'bearer', token } : MALFORMED
}

/** Only SP and HTAB from there on (RFC 9110 §5.6.3). */
function isBlankFrom(value: string, start: number): boolean {
  let at = start
  while (value.charAt(at) === ' ' || value.charAt(at) === '\t') at += 1
  return at === value.length
}

/** ASCII letters only: `toLowerCase` would fold U+212A and others as well. */
function isBearer(scheme: string): boolean {
  if (scheme.length !== 6) return false
  return [...'BEARER'].every((letter, index) => {
    const code = scheme.charCodeAt(index)
    return code === letter.charCodeAt(0) || code === letter.charCodeAt(0) + 32
  })
}

/** `Basic YTpi, …`: a host has joined two field lines, or a client sent a list (RFC 9110 §5.3, §11.6.2). */
function isFollowedByComma(text: string): boolean {
  const [first = '', ...others] = text.split(',')
  let end = first.length
  while (first.charAt(end - 1) === ' ' || first.charAt(end - 1) === '\t') end -= 1
  return others.length > 0 && isB64Token(first.slice(0, end))
}

function isB64Token(text: string): boolean {
  let index = 0
  while (B64TOKEN.has(text.charAt(index))) index += 1
  if (index === 0) return false
  while (text.charAt(index) === '=') index += 1
  return index === text.length
}
