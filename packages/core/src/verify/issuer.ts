/** A trusted issuer: where its key set is, by its own metadata (RFC 8414, then OpenID Connect Discovery). */

import { own } from '../identity.ts'
import { isSecureUrl } from '../options.ts'
import { type Fetch, type Fetched, fetchJson, UnusableAnswer } from '../outbound.ts'

/** Loads the key set document of an issuer. */
export type LoadKeys = (signal: AbortSignal) => Promise<Fetched>

/** Loads a key set from a known place. */
export function keysAt(jwksUri: string, fetch: Fetch): LoadKeys {
  return (signal) => fetchJson(jwksUri, fetch, signal)
}

/**
 * Loads the key set of an issuer, whose metadata tells where it is.
 * The place is remembered while it answers; after a failure the metadata is read again.
 */
export function discoveredKeys(issuer: string, fetch: Fetch): LoadKeys {
  let jwksUri: string | undefined
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
  issuer: string,
  member: 'jwks_uri' | 'introspection_endpoint',
  fetch: Fetch,
  signal: AbortSignal,
): Promise<string> {
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
export function metadataUrls(issuer: string): readonly [oauth: string, openid: string] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  return [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ]
}

async function memberAt(
  url: string,
  issuer: string,
  member: string,
  fetch: Fetch,
  signal: AbortSignal,
): Promise<string> {
  const { body } = await fetchJson(url, fetch, signal)
  if (own(body, 'issuer') !== issuer)
    throw new UnusableAnswer(`The metadata at ${url} names another issuer (RFC 8414 §3.3)`)
  const place = own(body, member)
  if (!isSecureUrl(place)) throw new UnusableAnswer(`The metadata at ${url} has no "${member}" that is https`)
  return place
}
