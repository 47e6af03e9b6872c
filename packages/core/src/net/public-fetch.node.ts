/** Provides a `fetch` for Node that connects to public addresses only. */

import { type LookupAddress, lookup } from 'node:dns'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import type { LookupFunction } from 'node:net'
import { Readable } from 'node:stream'
import { isPublicHost } from './address.ts'
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

const overPublicAddresses = fetchOver(new Agent({ keepAlive: true, lookup: publicLookup }))

/** Creates a `fetch` that uses the connections of an agent. The `fetch` of Node has no option for the lookup of names. */
export function fetchOver(agent: Agent): Fetch {
  return async (url, { signal, ...init }) => {
    const { method, headers, body } = new Request(url, init)
    const content = new Uint8Array(await new Response(body).arrayBuffer())
    const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { agent, method, headers: Object.fromEntries(headers), ...(signal && { signal }) }
      const sent = request(url, options, resolve).on('error', reject)
      // A switch of protocols, for example, is neither a response nor an error: without this, the promise would stay pending.
      sent.on('close', () => reject(new Error('The connection was closed before there was a response')))
      sent.end(content)
    })
    const fields = new Headers()
    for (const [name, values = []] of Object.entries(incoming.headersDistinct))
      for (const value of values) fields.append(name, value)
    const status = incoming.statusCode ?? 0
    if (status === 200)
      return new Response(Readable.toWeb(incoming) as ReadableStream, { status, headers: fields })
    // Nothing reads the body of another status, and some statuses must not have one.
    incoming.destroy()
    return new Response(null, { status, headers: fields })
  }
}
