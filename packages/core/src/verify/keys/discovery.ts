/** A trusted issuer: where its key set is, by its own metadata (RFC 8414, then OpenID Connect Discovery). */

import { getOwn } from '../../lib/json.ts'
import { shown } from '../../lib/received.ts'
import { type Issuer, isLoopback, readUrl, type SecureUrl } from '../../lib/url.ts'
import { isPublicHost } from '../../net/address.ts'
import { type Fetch, type Fetched, fetchJson, UnusableAnswer } from '../../net/fetch-json.ts'

/** Loads the key set document of an issuer. */
export type LoadKeys = (signal: AbortSignal) => Promise<Fetched>

/** Loads a key set from a known place. */
export function keysAt(jwksUri: SecureUrl, fetch: Fetch): LoadKeys {
  return (signal) => fetchJson(jwksUri, fetch, signal)
}

/**
 * Loads the key set of an issuer, whose metadata tells where it is.
 * The place is remembered while it answers; after a failure the metadata is read again.
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

/** The URL that the metadata of an issuer has under this name. */
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
    // Only an answer says that the document is elsewhere: a server that cannot be reached is not asked twice.
    if (!(cause instanceof UnusableAnswer)) throw cause
    return await memberAt(openid, issuer, member, fetch, signal)
  }
}

/** RFC 8414 §3.1 puts the well-known part before the issuer's path, OpenID Connect Discovery §4 behind it. */
export function metadataUrls(issuer: Issuer): readonly [oauth: SecureUrl, openid: SecureUrl] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  return [
    `${origin}/.well-known/oauth-authorization-server${path}` as SecureUrl,
    `${origin}${path}/.well-known/openid-configuration` as SecureUrl,
  ]
}

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
 * Reads a URL that the metadata of an issuer names. Whoever controls the metadata must not make us send requests to our own
 * network, so loopback and private addresses are allowed only to an issuer that is there itself.
 */
function publishedUrl(value: unknown, issuer: Issuer): SecureUrl | undefined {
  const url = readUrl(value)
  if (url === undefined) return undefined
  const home = new URL(issuer).hostname
  if (!isPublicHost(url.hostname) && isPublicHost(home)) return undefined
  if (url.protocol === 'http:' && !(isLoopback(url.hostname) && isLoopback(home))) return undefined
  return url.href as SecureUrl
}
