/**
 * Reads the URLs of the configuration and of tokens (RFC 3986, RFC 8414 §2).
 *
 * Each is parsed once, and from then on only one text is compared, fetched and passed to callbacks. Two parsers can read the
 * same text differently: if one of them checks a host and the other one connects, an attacker chooses where. So a text is
 * accepted only if it is already in the form in which `URL` writes it.
 */

import { missingOr, unsetHint } from './assert.ts'
import { configurationError } from './configuration-error.ts'
import { shown } from './received.ts'

declare const secure: unique symbol
declare const issuer: unique symbol

/**
 * An absolute https URL, or http on loopback or to a host that is allowed, without user name and fragment. `fetch`
 * does not change it.
 */
export type SecureUrl = string & { readonly [secure]: true }

/**
 * An issuer whose metadata may be fetched: a `SecureUrl` without query, in canonical form (RFC 8414 §2).
 * The same text is compared with `iss`, fetched from, and passed to callbacks.
 */
export type Issuer = SecureUrl & { readonly [issuer]: true }

/** The characters that RFC 3986 allows in a path and a query, as the source of a pattern. */
const CHARACTER = "(?:[\\w\\-.~!$&'()*+,;=:@/]|%[\\dA-Fa-f]{2})"
/**
 * Without user name and fragment. `new URL` also reads `https:a`, `https:\\a`, tabs and spaces, but not always as a pattern
 * does.
 */
const SYNTAX = new RegExp(`^https?://[\\w\\-.~:[\\]]+(?:/${CHARACTER}*)?(?:\\?(?:${CHARACTER}|\\?)*)?$`, 'i')
/** The path of metadata, which is not part of an issuer. Users often configure the URL of the metadata as the issuer. */
const WELL_KNOWN = /\/\.well-known\/(?:openid-configuration|oauth-authorization-server)(?=\/|$)/
/** The characters of a URI, without a check of its structure. */
const NAME = /^[\w\-.~:/?#[\]@!$&'()*+,;=%]+$/

/** Reads an http or https URL of RFC 3986 without user name and fragment. Returns `undefined` for anything else. */
export function readUrl(text: unknown): URL | undefined {
  return typeof text === 'string' && SYNTAX.test(text) && URL.canParse(text) ? new URL(text) : undefined
}

/** The hosts to which plain http is allowed, in the form of `URL.host`: with the port unless it is 80. */
export type HttpHosts = Pick<ReadonlySet<string>, 'has'>

/**
 * Checks the option `allowHttp`.
 * @throws TypeError if it is not an array of hosts with or without a port
 */
export function httpHosts(value: unknown = []): ReadonlySet<string> {
  const list: readonly unknown[] = Array.isArray(value) ? [...value] : [value]
  const hosts = list.map(httpHost)
  const bad = Array.isArray(value) ? hosts.indexOf(undefined) : 0
  if (bad === -1) return new Set(hosts as string[])
  throw configurationError(
    'INVALID_OPTION',
    `"allowHttp" must be an array of hosts with their ports, without scheme, path and wildcard, such as ["keycloak:8080"]; received ${shown(list[bad])}`,
  )
}

/** Reads one host of `allowHttp`. Returns `undefined` if it is not only a host with or without a port. */
function httpHost(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  const host = value.toLowerCase()
  const url = readUrl(`http://${host}`)
  return url !== undefined && [url.host, `${url.host}:80`].includes(host) ? url.host : undefined
}

/**
 * Checks an option that is a URL to fetch from or to publish.
 * @param allowed the hosts that plain http is allowed for, if there is an option for them
 * @throws TypeError if it is no `SecureUrl`
 */
export function secureUrl(name: string, value: unknown, allowed?: HttpHosts): SecureUrl {
  const url = readUrl(value)
  if (url === undefined || !isSecure(url, allowed) || !String(value).startsWith('http'))
    throw configurationError(
      missingOr('INVALID_URL', value),
      `"${name}" must be an https URL (http on loopback only) without user name and fragment; received ${shown(value)}${httpHint(value, allowed)}`,
    )
  // `URL` adds a slash to a bare origin. It is left out, so that describe() shows the URL as it was configured.
  return (url.href === `${value}/` ? value : url.href) as SecureUrl
}

/**
 * Checks an option that is an issuer to fetch metadata from.
 * @param alternative another way to configure it, for the error message
 * @param allowed the hosts that plain http is allowed for, if there is an option for them
 * @throws TypeError if it is no `Issuer`
 */
export function parseIssuer(name: string, value: unknown, alternative?: string, allowed?: HttpHosts): Issuer {
  if (isIssuer(value, allowed)) return value
  if (value === undefined) throw missingIssuer(name)
  const message = [
    `"${name}" must be an https URL (http on loopback only) in canonical form, as new URL() writes it, without user name, query and fragment; received ${shown(value)}`,
  ]
  const meant = typeof value === 'string' ? canonicalIssuer(value) : undefined
  if (meant !== undefined) message.push(`write ${JSON.stringify(meant)}`)
  if (alternative !== undefined) message.push(`or ${alternative}`)
  if (Array.isArray(value)) message.push('or use multiIssuerJwt for several issuers')
  throw configurationError('INVALID_ISSUER', message.join(', ') + httpHint(value, allowed))
}

/** Says how to allow a URL that was rejected because of its scheme. */
function httpHint(value: unknown, allowed: HttpHosts | undefined): string {
  const url = readUrl(value)
  if (allowed === undefined || url === undefined || isSecure(url, allowed)) return ''
  return `. If you trust the network to this host, allow plain http with allowHttp: [${JSON.stringify(url.host)}]`
}

/**
 * Whether a text is an issuer to fetch metadata from, such as the `iss` of a token that is not verified yet. The form alone
 * does not make it trusted.
 */
export function isIssuer(value: unknown, allowed?: HttpHosts): value is Issuer {
  const url = readUrl(value)
  if (url === undefined || !isSecure(url, allowed)) return false
  const text = value as string
  return (url.href === text || url.href === `${text}/`) && !text.includes('?') && !WELL_KNOWN.test(text)
}

/**
 * Checks an option that is compared with a claim and never fetched: any text that consists of the characters of a URI.
 * @throws TypeError if it has any other character
 */
export function uriText(name: string, value: unknown): string {
  if (typeof value === 'string' && NAME.test(value)) return value
  throw configurationError(
    missingOr('INVALID_OPTION', value),
    `"${name}" must be a non-empty string that consists of the characters of a URI (RFC 3986), without spaces; received ${shown(value)}${meantText(value)}`,
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

/** Whether a host name or an address belongs to this machine. Names other than `localhost` are not resolved. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host)
}

/** Whether a URL is https, or http on loopback or to an allowed host. */
function isSecure({ protocol, host, hostname }: URL, allowed?: HttpHosts): boolean {
  return protocol === 'https:' || isLoopback(hostname) || (allowed?.has(host) ?? false)
}

/** Removes the query of a URL for logs, events and error messages, because it may contain a secret, such as an API key. */
export function withoutQuery(url: string): string {
  return url.replace(/\?.*$/s, '')
}

/** The largest number of nested causes that are described. A cause can refer to itself. */
const MAX_CAUSES = 8

/**
 * Removes the query of a URL from an error. Some implementations of `fetch` put the URL into their errors, and its query may be
 * an API key. If there is a query, only the messages of the error and its causes are kept.
 */
export function errorWithoutQuery(error: unknown, url: string): unknown {
  const query = url.slice(withoutQuery(url).length + 1)
  if (query === '') return error
  const messages: string[] = []
  for (let cause = error; cause !== undefined && messages.length < MAX_CAUSES; ) {
    messages.push(cause instanceof Error ? cause.message : String(cause))
    cause = cause instanceof Error ? cause.cause : undefined
  }
  return new Error(messages.join(': ').replaceAll(query, '…'))
}

/** The longest issuer that an error message suggests, in characters. */
const MAX_SUGGESTED = 200

/** Returns the issuer that was probably meant, for an error message: with a scheme, or without the path of the metadata. */
function canonicalIssuer(text: string): Issuer | undefined {
  const bare = text.trim()
  const absolute = /^[\w-]+(?:\.[\w-]+)+(?::\d+)?(?:\/|$)/.test(bare) ? `https://${bare}` : bare
  if (!URL.canParse(absolute)) return undefined
  const { origin, pathname } = new URL(absolute)
  const path = pathname.replace(WELL_KNOWN, '')
  const meant = origin + (path === '/' && !/\/(?:[?#]|$)/.test(bare) ? '' : path)
  return meant.length <= MAX_SUGGESTED && isIssuer(meant) ? meant : undefined
}
