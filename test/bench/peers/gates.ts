/** How bearergate is set up on each host: for JWTs, for opaque tokens that a lookup knows at once, and for introspection. */

import { hashToken, introspection, opaque } from '@bearergate/core'
import type { Setup } from '../authority.ts'

export function byIssuer({ issuer, audience }: Setup) {
  return { issuer, audience }
}

export async function byLookup({ tokens }: Setup) {
  const sessions = new Map<string, { subject: string }>()
  for (const token of tokens) sessions.set(await hashToken(token), { subject: 'emma' })
  return { verifier: opaque({ lookup: (_token, hash) => sessions.get(hash) ?? null }) }
}

export function byIntrospection({ issuer, audience }: Setup) {
  const client = { clientId: 'api', clientSecret: 'a-secret-of-the-benchmark' }
  return {
    verifier: introspection({ endpoint: `${issuer}/introspect`, ...client, audience, cache: { ttl: 600 } }),
  }
}
