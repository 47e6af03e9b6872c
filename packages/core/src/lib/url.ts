/** URLs of the configuration and of tokens, each read once into the text that is compared and fetched (RFC 3986, RFC 8414 §2). */

import { missingOr, unsetHint } from './assert.ts'
import { configurationError } from './configuration-error.ts'
import { shown } from './received.ts'

declare const secure: unique symbol
declare const issuer: unique symbol

/** An absolute https URL, or http on loopback, without user name and fragment. `fetch` reads it as it is written. */
export type SecureUrl = string & { readonly [secure]: true }

/**
 * An issuer whose metadata may be fetched: a `SecureUrl` without query, in canonical form (RFC 8414 §2).
 * The same text is compared with `iss`, fetched from, and passed to callbacks.
 */
export type Issuer = SecureUrl & { readonly [issuer]: true }

/** What RFC 3986 allows in a path and a query. */
const CHARACTER = "(?:[\\w\\-.~!$&'()*+,;=:@/]|%[\\dA-Fa-f]{2})"
/** Without user name and fragment. `new URL` also reads `https:a`, `https:\\a`, tabs and spaces, but not always as a pattern does. */
const SYNTAX = new RegExp(`^https?://[\\w\\-.~:[\\]]+(?:/${CHARACTER}*)?(?:\\?(?:${CHARACTER}|\\?)*)?$`, 'i')
const WELL_KNOWN = /\/\.well-known\/(?:openid-configuration|oauth-authorization-server)(?=\/|$)/
const NAME = /^[\w\-.~:/?#[\]@!$&'()*+,;=%]+$/

/** Reads an http or https URL that has only characters of RFC 3986, and neither user name nor fragment. */
export function readUrl(text: unknown): URL | undefined {
  return typeof text === 'string' && SYNTAX.test(text) && URL.canParse(text) ? new URL(text) : undefined
}

/**
 * Checks an option that is a URL to fetch from or to publish.
 * @throws TypeError if it is no `SecureUrl`
 */
export function secureUrl(name: string, value: unknown): SecureUrl {
  const url = readUrl(value)
  if (url === undefined || !isSecure(url) || !String(value).startsWith('http'))
    throw configurationError(
      'INVALID_URL',
      `"${name}" must be an https URL (http on loopback only) without user name and fragment; received ${shown(value)}`,
    )
  return (url.href === `${value}/` ? value : url.href) as SecureUrl
}

/**
 * Checks an option that is an issuer to fetch metadata from.
 * @param alternative another way to configure it, for the error message
 * @throws TypeError if it is no `Issuer`
 */
export function parseIssuer(name: string, value: unknown, alternative?: string): Issuer {
  if (isIssuer(value)) return value
  if (value === undefined) throw missingIssuer(name)
  const message = [
    `"${name}" must be an https URL (http on loopback only) in canonical form, without user name, query and fragment; received ${shown(value)}`,
  ]
  const meant = typeof value === 'string' ? canonicalIssuer(value) : undefined
  if (meant !== undefined) message.push(`write ${JSON.stringify(meant)}`)
  if (alternative !== undefined) message.push(`or ${alternative}`)
  throw configurationError('INVALID_ISSUER', message.join(', '))
}

/** Whether a text is an issuer to fetch metadata from, such as the `iss` of a token that is not verified yet. */
export function isIssuer(value: unknown): value is Issuer {
  const url = readUrl(value)
  if (url === undefined || !isSecure(url)) return false
  const text = value as string
  return (url.href === text || url.href === `${text}/`) && !text.includes('?') && !WELL_KNOWN.test(text)
}

/**
 * Checks an option that is compared with a claim and never fetched: any URI, or another name in the characters of one.
 * @throws TypeError if it has any other character
 */
export function uriText(name: string, value: unknown): string {
  if (typeof value === 'string' && NAME.test(value)) return value
  throw configurationError(
    missingOr('INVALID_OPTION', value),
    `"${name}" must be a non-empty string in the characters of a URI, without spaces (RFC 3986); received ${shown(value)}${meantText(value)}`,
  )
}

/** Suggests a text without the white space around it. */
function meantText(value: unknown): string {
  const meant = typeof value === 'string' ? value.trim() : ''
  return meant !== value && meant.length <= MAX_SUGGESTED && NAME.test(meant) && !/[@?]/.test(meant)
    ? `, write ${JSON.stringify(meant)}`
    : ''
}

/**
 * Checks an issuer that is compared with `iss` and never fetched.
 * @throws TypeError if it is not the text of a URI, or the URL of the issuer's metadata
 */
export function issuerText(value: unknown): string {
  if (value === undefined) throw missingIssuer('issuer')
  const text = uriText('issuer', value)
  const meant = WELL_KNOWN.test(text) ? canonicalIssuer(text) : undefined
  if (meant === undefined) return text
  throw configurationError(
    'INVALID_ISSUER',
    `"issuer" must be the issuer itself, not the URL of its metadata; received ${shown(text)}, write ${JSON.stringify(meant)}`,
  )
}

function missingIssuer(name: string): TypeError {
  return configurationError(
    'MISSING_OPTION',
    `"${name}" must be given, such as "https://id.example.com", but is undefined${unsetHint(undefined)}`,
  )
}

const LOOPBACK = /^(?:localhost|(?:::ffff:)?127(?:\.\d{1,3}){3}|\[?::1\]?)$/i

/** Whether a host name or an address is this machine's own. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host)
}

function isSecure({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || isLoopback(hostname)
}

/** Returns a URL for logs, events and error messages, without its query: the query may hold a secret, such as an API key. */
export function withoutQuery(url: string): string {
  return url.replace(/\?.*$/s, '')
}

/** The longest issuer that an error message suggests, in characters. */
const MAX_SUGGESTED = 200

/** The issuer that was probably meant, if there is one. */
function canonicalIssuer(text: string): Issuer | undefined {
  const bare = text.trim()
  const absolute = /^[\w-]+(?:\.[\w-]+)+(?::\d+)?(?:\/|$)/.test(bare) ? `https://${bare}` : bare
  if (!URL.canParse(absolute)) return undefined
  const { origin, pathname } = new URL(absolute)
  const path = pathname.replace(WELL_KNOWN, '')
  const meant = origin + (path === '/' && !/\/(?:[?#]|$)/.test(bare) ? '' : path)
  return meant.length <= MAX_SUGGESTED && isIssuer(meant) ? meant : undefined
}
