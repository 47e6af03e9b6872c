/** Gates that ask an authorization server, which is a function of the test. */

import { createGate, type Gate, introspection, type JwtSettings } from '@bearergate/core'
import { AUDIENCE, ISSUER } from './issuer.ts'

type Fetch = NonNullable<JwtSettings['fetch']>

/** Fetches the keys of the issuer, and caches no results. */
export function gateFetching(fetch: Fetch, options: Partial<JwtSettings> = {}): Gate {
  const jwksUri = `${ISSUER}/keys`
  return createGate({ issuer: ISSUER, audience: AUDIENCE, jwksUri, fetch, cache: false, ...options })
}

/** Introspects each token, and caches the results. */
export function gateIntrospecting(fetch: Fetch): Gate {
  const client = { clientId: 'api', clientSecret: 'secret' }
  const endpoint = `${ISSUER}/introspect`
  return createGate({ verifier: introspection({ endpoint, ...client, audience: AUDIENCE, fetch }) })
}
