/** The peers for Express. */

import type { RequestHandler } from 'express'
import { listen, type Running } from '../../support/server.ts'
import { COMMON_ALGS, type Setup } from '../authority.ts'
import { byIntrospection, byIssuer, byLookup } from './gates.ts'

/** An app with one route behind the guards. */
async function serve(...guards: readonly RequestHandler[]): Promise<Running> {
  const { default: express } = await import('express')
  const app = express()
  for (const guard of guards) app.use(guard)
  app.get('/', (_request, response) => {
    response.json({ hello: 'world' })
  })
  return listen(app)
}

export function bare(): Promise<Running> {
  return serve()
}

export function noop(): Promise<Running> {
  return serve((_request, _response, next) => next())
}

/** Reads the whole token and keeps nothing of it: the least that a guard without token texts in memory must do. */
export async function hashOnly(): Promise<Running> {
  const { createHash } = await import('node:crypto')
  return serve((request, _response, next) => {
    createHash('sha256').update(String(request.headers.authorization)).digest('base64url')
    next()
  })
}

export async function bearergate(setup: Setup): Promise<Running> {
  const { bearer } = await import('@bearergate/express')
  return serve(bearer(byIssuer(setup)))
}

export async function bearergateLookup(setup: Setup): Promise<Running> {
  const { bearer } = await import('@bearergate/express')
  return serve(bearer(await byLookup(setup)))
}

export async function bearergateIntrospection(setup: Setup): Promise<Running> {
  const { bearer } = await import('@bearergate/express')
  return serve(bearer(byIntrospection(setup)))
}

export async function oauth2JwtBearer({ issuer, audience }: Setup): Promise<Running> {
  const { auth } = await import('express-oauth2-jwt-bearer')
  return serve(auth({ issuerBaseURL: issuer, audience }))
}

export async function expressJwt({ issuer, audience, jwksUri }: Setup): Promise<Running> {
  const { expressjwt } = await import('express-jwt')
  const { default: jwksRsa } = await import('jwks-rsa')
  const secret = jwksRsa.expressJwtSecret({ ...JWKS_RSA, jwksUri })
  return serve(expressjwt({ secret, issuer, audience, algorithms: [...COMMON_ALGS] }))
}

export async function passportJwt({ issuer, audience, jwksUri }: Setup): Promise<Running> {
  const { default: passport } = await import('passport')
  const { default: jwt } = await import('passport-jwt')
  const { default: jwksRsa } = await import('jwks-rsa')
  const strategy = new jwt.Strategy(
    {
      secretOrKeyProvider: jwksRsa.passportJwtSecret({ ...JWKS_RSA, jwksUri }),
      jwtFromRequest: jwt.ExtractJwt.fromAuthHeaderAsBearerToken(),
      issuer,
      audience,
      algorithms: COMMON_ALGS,
    },
    (payload, done) => done(null, payload),
  )
  return serve(new passport.Passport().use(strategy).authenticate('jwt', { session: false }))
}

export async function passportHttpBearer({ tokens }: Setup): Promise<Running> {
  const { default: passport } = await import('passport')
  const { default: bearer } = await import('passport-http-bearer')
  const users = new Map(tokens.map((token) => [token, { id: 'emma' }]))
  const strategy = new bearer.Strategy((token, done) => done(null, users.get(token) ?? false))
  return serve(new passport.Passport().use(strategy).authenticate('bearer', { session: false }))
}

export async function mcp({ issuer, audience, jwksUri }: Setup): Promise<Running> {
  const { requireBearerAuth } = await import('@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js')
  const { createRemoteJWKSet, jwtVerify } = await import('jose')
  const keys = createRemoteJWKSet(new URL(jwksUri))
  const verifier = {
    async verifyAccessToken(token: string) {
      const { payload } = await jwtVerify(token, keys, { issuer, audience })
      const scopes = String(payload.scope ?? '').split(' ')
      return { token, clientId: String(payload.client_id), scopes, expiresAt: Number(payload.exp) }
    },
  }
  return serve(requireBearerAuth({ verifier }))
}

/** The verifier throws what the SDK documents for a bad token; failures to fetch the keys pass as they are. */
export async function mcp2({ issuer, audience, jwksUri }: Setup): Promise<Running> {
  const { requireBearerAuth } = await import('@modelcontextprotocol/express')
  const { OAuthError, OAuthErrorCode } = await import('@modelcontextprotocol/server')
  const { createRemoteJWKSet, errors, jwtVerify } = await import('jose')
  const keys = createRemoteJWKSet(new URL(jwksUri))
  const isOfToken = (cause: unknown) =>
    cause instanceof errors.JOSEError &&
    cause.code !== errors.JOSEError.code &&
    !(cause instanceof errors.JWKSTimeout)
  const verifier = {
    async verifyAccessToken(token: string) {
      const { payload } = await jwtVerify(token, keys, { issuer, audience }).catch((cause) => {
        throw isOfToken(cause) ? new OAuthError(OAuthErrorCode.InvalidToken, 'The token is invalid') : cause
      })
      const scopes = String(payload.scope ?? '').split(' ')
      return { token, clientId: String(payload.client_id), scopes, expiresAt: Number(payload.exp) }
    },
  }
  return serve(requireBearerAuth({ verifier }))
}

export async function joseByHand({ issuer, audience, jwksUri }: Setup): Promise<Running> {
  const { createRemoteJWKSet, jwtVerify } = await import('jose')
  const keys = createRemoteJWKSet(new URL(jwksUri))
  return serve(async (request, response, next) => {
    const [scheme, token = ''] = (request.headers.authorization ?? '').split(' ')
    try {
      if (scheme?.toLowerCase() !== 'bearer') throw new Error('no bearer token')
      response.locals.claims = (await jwtVerify(token, keys, { issuer, audience })).payload
    } catch {
      response.status(401).set('WWW-Authenticate', 'Bearer').end()
      return
    }
    next()
  })
}

/** As in the examples of jwks-rsa for Express and Passport. */
const JWKS_RSA = { cache: true, rateLimit: true, jwksRequestsPerMinute: 5 }
