/** Finds the key set and the endpoints of a trusted issuer by its metadata (RFC 8414, or OpenID Connect Discovery). */

import { getOwn } from '../../lib/json.ts'
import { shown } from '../../lib/received.ts'
import { type HttpHosts, type Issuer, isLoopback, readUrl, type SecureUrl } from '../../lib/url.ts'
import { isPublicHost } from '../../net/address.ts'
import { either } from '../../net/either.ts'
import { type Fetch, type Fetched, fetchJson, UnusableAnswer } from '../../net/fetch-json.ts'

/** Fetches the key set document of an issuer. Rejects with `UnavailableError` if that fails or the signal aborts. */
export type LoadKeys = (signal: AbortSignal) => Promise<Fetched>

/** The media types of a key set (RFC 7517 §8.5). Most servers use the first one, and some answer 406 without the second one. */
const JWKS_TYPES = 'application/json, application/jwk-set+json'

/** Returns a function that fetches the key set from a configured URL. */
export function keysAt(jwksUri: SecureUrl, fetch: Fetch): LoadKeys {
  return (signal) => fetchJson(jwksUri, fetch, signal, JWKS_TYPES)
}

/**
 * Returns a function that fetches the key set from the URL in the metadata of an issuer. The URL is kept while requests to it
 * succeed, so that a refresh needs one request. After a failure the metadata is fetched again, because the issuer may have
 * moved its keys.
 */
export function discoveredKeys(issuer: Issuer, allowed: HttpHosts, fetch: Fetch): LoadKeys {
  let jwksUri: SecureUrl | undefined
  return async (signal) => {
    const known = jwksUri ?? (await discover(issuer, 'jwks_uri', allowed, fetch, signal))
    jwksUri = undefined
    const keys = await fetchJson(known, fetch, signal, JWKS_TYPES)
    jwksUri = known
    return keys
  }
}

/**
 * Fetches the metadata of an issuer, and returns the URL in one of its members. Metadata is at one of two places, or at both.
 * If one of them fails or does not answer, the other one is asked within the same deadline.
 * @throws UnavailableError if neither has the URL, or the issuer cannot be reached
 */
export async function discover(
  issuer: Issuer,
  member: 'jwks_uri' | 'introspection_endpoint',
  allowed: HttpHosts,
  fetch: Fetch,
  signal: AbortSignal,
): Promise<SecureUrl> {
  const [oauth, openid] = metadataUrls(issuer)
  const memberOf = (url: SecureUrl) => async (limit: AbortSignal) => {
    const { body } = await fetchJson(url, fetch, limit)
    return memberAt(url, body, issuer, member, allowed)
  }
  try {
    return await either(memberOf(oauth), memberOf(openid), signal)
  } catch (cause) {
    throw cause instanceof AggregateError ? reasonOf(cause.errors) : cause
  }
}

/**
 * Chooses the failure to report. Most issuers have one place only, and answer a 404, a 403 or a page of HTML at the other one.
 * That explains nothing if the right place is down for a while, and must not count as a mistake in the configuration. So a
 * failure that may pass comes first, and a 404 last.
 */
function reasonOf(failures: readonly unknown[]): unknown {
  const isLasting = (failure: unknown) => failure instanceof UnusableAnswer && failure.isLasting
  const isMissing = (failure: unknown) => failure instanceof UnusableAnswer && failure.status === 404
  return (
    failures.findLast((failure) => !isLasting(failure)) ??
    failures.findLast((failure) => !isMissing(failure)) ??
    failures.at(-1)
  )
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
 * Reads one URL from a metadata document. The document must name the issuer (RFC 8414 §3.3). Otherwise a host with several
 * issuers could give the keys of one to the tokens of another.
 */
function memberAt(
  url: SecureUrl,
  body: Fetched['body'],
  issuer: Issuer,
  member: string,
  allowed: HttpHosts,
): SecureUrl {
  const named = getOwn(body, 'issuer')
  if (named !== issuer)
    throw new UnusableAnswer(
      `The metadata at ${url} must name the issuer ${shown(issuer)}, but names ${shown(named)} (RFC 8414 §3.3)`,
      { isLasting: true },
    )
  const place = publishedUrl(getOwn(body, member), issuer, allowed)
  if (place === undefined)
    throw new UnusableAnswer(
      `Refusing to use the "${member}" in the metadata at ${url}: it must be an https URL of a public host, but is ${shown(getOwn(body, member))}`,
    )
  return place
}

/**
 * Reads a URL that the metadata of an issuer names. A server that controls the metadata must not be able to send the gate's
 * requests into the gate's own network. So loopback and private addresses are allowed only if the issuer has one itself, and
 * http only to the hosts in `allowHttp`.
 */
function publishedUrl(value: unknown, issuer: Issuer, allowed: HttpHosts): SecureUrl | undefined {
  const url = readUrl(value)
  if (url === undefined) return undefined
  const home = new URL(issuer).hostname
  if (!isPublicHost(url.hostname) && isPublicHost(home)) return undefined
  const isLocal = isLoopback(url.hostname) && isLoopback(home)
  if (url.protocol === 'http:' && !isLocal && !allowed.has(url.host)) return undefined
  return url.href as SecureUrl
}
