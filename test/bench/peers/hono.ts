/** The peers for fetch handlers: Hono, and bearergate without a framework, both on Hono's server for Node. */

import { listen, type Running } from '../../support/server.ts'
import { COMMON_ALGS, type Setup } from '../authority.ts'

async function serve(handler: (request: Request) => Response | Promise<Response>): Promise<Running> {
  const { getRequestListener } = await import('@hono/node-server')
  return listen(getRequestListener(handler))
}

export function bare(): Promise<Running> {
  return serve(() => Response.json({ hello: 'world' }))
}

export async function bearergate({ issuer, audience }: Setup): Promise<Running> {
  const { createGate } = await import('@bearergate/core')
  const gate = createGate({ issuer, audience })
  return serve(gate.protect(() => Response.json({ hello: 'world' })))
}

export async function honoJwk({ issuer, audience, jwksUri }: Setup): Promise<Running> {
  const { Hono } = await import('hono')
  const { jwk } = await import('hono/jwk')
  const app = new Hono()
  app.use(jwk({ jwks_uri: jwksUri, alg: [...COMMON_ALGS], verification: { iss: issuer, aud: audience } }))
  app.get('/', (context) => context.json({ hello: 'world' }))
  return serve((request) => app.fetch(request))
}

export async function honoBearer({ tokens }: Setup): Promise<Running> {
  const { Hono } = await import('hono')
  const { bearerAuth } = await import('hono/bearer-auth')
  const known = new Set(tokens)
  const app = new Hono()
  app.use(bearerAuth({ verifyToken: async (token) => known.has(token) }))
  app.get('/', (context) => context.json({ hello: 'world' }))
  return serve((request) => app.fetch(request))
}
