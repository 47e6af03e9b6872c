/** Finds the key set and the endpoints of a trusted issuer by its metadata (RFC 8414, then OpenID Connect Discovery). */

import { getOwn } from '../../lib/json.ts'
import { type Issuer, isLoopback, readUrl, type SecureUrl, shown } from '../../lib/url.ts'
import { isPublicHost } from '../../net/address.ts'
import { type Fetch, type Fetched, fetchJson, UnusableAnswer } from '../../net/fetch-json.ts'

/** Fetches the key set document of an issuer. Rejects with `UnavailableError` if that fails or the signal aborts. */
export type LoadKeys = (signal: AbortSignal) => Promise<Fetched>

/** Returns a function that fetches the key set from a configured URL. */
export function keysAt(jwksUri: SecureUrl, fetch: Fetch): LoadKeys {
  return (signal) => fetchJson(jwksUri, fetch, signal)
}

/**
 * Returns a function that fetches the key set from the URL in the metadata of an issuer. The URL is kept while requests to it
 * succeed, so that a refresh needs one request. After a failure the metadata is fetched again, because the issuer may have
 * moved its keys.
 */
export function discoveredKeys(issuer: Issuer, fetch: Fetch): LoadKeys {
  let jwksUri: SecureUrl | undefined
  return async (signal) => {
    const known = jwksUri ?? (await discover(issuer, 'jwks_uri', fetch, signal))
    jwksUri = undefined
    const keys = await fetchJson(known, fetch, signal)
    jwksUri = known
    return keys
  }
}

/**
 * Fetches the metadata of an issuer, and returns the URL in one of its members. Tries the place of RFC 8414 first. If there is
 * no usable document, tries that of OpenID Connect Discovery.
 * @throws UnavailableError if neither has the URL, or the issuer cannot be reached
 */
export async function discover(
  issuer: Issuer,
  member: 'jwks_uri' | 'introspection_endpoint',
  fetch: Fetch,
  signal: AbortSignal,
): Promise<SecureUrl> {
  const [oauth, openid] = metadataUrls(issuer)
  try {
    return await memberAt(oauth, issuer, member, fetch, signal)
  } catch (cause) {
    // Only a response shows that the document is elsewhere. A server that cannot be reached is not asked twice.
    if (!(cause instanceof UnusableAnswer)) throw cause
    return await memberAt(openid, issuer, member, fetch, signal)
  }
}

/**
 * Returns the two URLs at which an issuer may publish its metadata. RFC 8414 §3.1 puts the well-known part before the path of
 * the issuer. OpenID Connect Discovery §4 appends it.
 */
export function metadataUrls(issuer: Issuer): readonly [oauth: SecureUrl, openid: SecureUrl] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  return [
    `${origin}/.well-known/oauth-authorization-server${path}` as SecureUrl,
    `${origin}${path}/.well-known/openid-configuration` as SecureUrl,
  ]
}

/**
 * Reads one URL from one metadata document. The document must name the issuer (RFC 8414 §3.3). Otherwise a host with several
 * issuers could give the keys of one to the tokens of another.
 */
async function memberAt(
  url: SecureUrl,
  issuer: Issuer,
  member: string,
  fetch: Fetch,
  signal: AbortSignal,
): Promise<SecureUrl> {
  const { body } = await fetchJson(url, fetch, signal)
  const named = getOwn(body, 'issuer')
  if (named !== issuer)
    throw new UnusableAnswer(
      `The metadata at ${url} must name the issuer ${shown(issuer)}, but names ${shown(named)} (RFC 8414 §3.3)`,
    )
  const place = publishedUrl(getOwn(body, member), issuer)
  if (place === undefined)
    throw new UnusableAnswer(
      `Refusing to use the "${member}" in the metadata at ${url}: it must be an https URL of a public host, but is ${shown(getOwn(body, member))}`,
    )
  return place
}

/**
 * Reads a URL that the metadata of an issuer names. A server that controls the metadata must not be able to send the gate's
 * requests into the gate's own network. So loopback and private addresses are allowed only if the issuer has one itself.
 */
function publishedUrl(value: unknown, issuer: Issuer): SecureUrl | undefined {
  const url = readUrl(value)
  if (url === undefined) return undefined
  const home = new URL(issuer).hostname
  if (!isPublicHost(url.hostname) && isPublicHost(home)) return undefined
  if (url.protocol === 'http:' && !(isLoopback(url.hostname) && isLoopback(home))) return undefined
  return url.href as SecureUrl
}
