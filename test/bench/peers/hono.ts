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

let started = 0

/** The function throws an error with a status and a body. Its challenge is left to the application, and left out here. */
export async function betterAuth({ issuer, audience, jwksUri }: Setup): Promise<Running> {
  const { requestToResourceInput, verifyAccessTokenRequest } = await import('better-auth/oauth2')
  const { isAPIError } = await import('better-auth/api')
  // It keeps the keys of a URL for the whole process. Another URL for each start keeps the apps apart.
  started += 1
  const options = { verifyOptions: { issuer, audience }, jwksUrl: `${jwksUri}?start=${started}` }
  return serve(async (request) => {
    try {
      await verifyAccessTokenRequest(requestToResourceInput(request), options)
      return Response.json({ hello: 'world' })
    } catch (cause) {
      if (isAPIError(cause)) return Response.json(cause.body ?? {}, { status: cause.statusCode })
      return new Response('Internal Server Error', { status: 500 })
    }
  })
}
