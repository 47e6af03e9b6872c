/** Provides a `fetch` for Node that connects to public addresses only. */

import { type LookupAddress, lookup } from 'node:dns'
// Imported with this module: a library that replaces `request` later cannot replace the agent, and so the check of addresses.
import { Agent, request } from 'node:https'
import type { LookupFunction } from 'node:net'
import { isPublicHost } from './address.ts'
import { fetchOver } from './client.node.ts'
import type { Fetch } from './fetch-json.ts'

/**
 * Fetches over https, and connects to public addresses only. A name that resolves to a private, loopback, link-local or
 * reserved address is refused, and the answer is 503. The address that is checked is the one that is connected to.
 *
 * Use it if the issuer is not your own, for example with a function as `issuers`: its metadata may name a host that resolves
 * to your network. It uses no proxy, follows no redirect, and counts NAT64 addresses (`64:ff9b::/96`) as private.
 *
 * A check before `fetch` would not be enough: `fetch` resolves the name again, and the second answer of the DNS may be
 * another one (DNS rebinding).
 *
 * @example
 * import { publicFetch } from '@bearergate/core/node'
 * const verifier = jwt({ issuer: 'https://id.example.com', audience: 'https://api.example.com', fetch: publicFetch })
 */
export const publicFetch: Fetch = async (url, init) => {
  const { hostname } = new URL(url)
  // Node does not call "lookup" for a host that is an address already, so that is checked here.
  if (!isPublicHost(hostname)) throw refusal(hostname, hostname)
  return overPublicAddresses(url, init)
}

/**
 * Resolves a name as Node does, and fails if any of its addresses is not public. One hidden address is enough, because Node
 * may try each of them until one connects.
 */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    const hidden = addresses?.find((found) => !isPublicAddress(found))
    const failure = error ?? (hidden && refusal(hostname, hidden.address))
    if (failure || options.all) callback(failure ?? null, addresses)
    else callback(null, addresses[0]?.address ?? '', addresses[0]?.family)
  })
}

/** Checks an address in the form that `URL` gives it, which is the only one that `isPublicHost` reads. */
function isPublicAddress({ address, family }: LookupAddress): boolean {
  const url = `https://${family === 6 ? `[${address}]` : address}`
  return URL.canParse(url) && isPublicHost(new URL(url).hostname)
}

function refusal(hostname: string, address: string): Error {
  return new Error(`Refusing to connect to ${hostname}: the address ${address} is not public`)
}

const overPublicAddresses = fetchOver(
  { 'https:': (settings) => new Agent({ ...settings, lookup: publicLookup }) },
  request,
)
