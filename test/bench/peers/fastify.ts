/** The peers for Fastify. */

import type { TokenOrHeader } from '@fastify/jwt'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Running } from '../../support/server.ts'
import { COMMON_ALGS, type Setup } from '../authority.ts'

async function serve(app: FastifyInstance): Promise<Running> {
  app.get('/', async () => ({ hello: 'world' }))
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  return { origin, close: () => app.close() }
}

export async function fastifyBearer({ tokens }: Setup): Promise<Running> {
  const { fastify } = await import('fastify')
  const { default: bearerAuth } = await import('@fastify/bearer-auth')
  const app = fastify()
  await app.register(bearerAuth, { keys: new Set(tokens) })
  return serve(app)
}

export async function fastifyJwt({ issuer, audience }: Setup): Promise<Running> {
  const { fastify } = await import('fastify')
  const { default: jwt } = await import('@fastify/jwt')
  const { default: buildGetJwks } = await import('get-jwks')
  const keys = buildGetJwks({ issuersWhitelist: [issuer] })
  const app = fastify()
  await app.register(jwt, {
    decode: { complete: true },
    verify: { allowedIss: issuer, allowedAud: audience, algorithms: [...COMMON_ALGS] },
    secret: (_request: FastifyRequest, token: TokenOrHeader) => {
      const { header, payload } = token as { header: { kid: string; alg: string }; payload: { iss: string } }
      return keys.getPublicKey({ kid: header.kid, alg: header.alg, domain: payload.iss })
    },
  })
  app.addHook('onRequest', async (request) => {
    await request.jwtVerify()
  })
  return serve(app)
}
