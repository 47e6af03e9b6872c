/** The peers for Koa. */

import type { Middleware } from 'koa'
import { listen, type Running } from '../../support/server.ts'
import { COMMON_ALGS, type Setup } from '../authority.ts'
import { byIntrospection, byIssuer, byLookup } from './gates.ts'

/** An app with one answer behind the guards. */
async function serve(...guards: readonly Middleware[]): Promise<Running> {
  const { default: Koa } = await import('koa')
  const app = new Koa()
  for (const guard of guards) app.use(guard)
  app.use((context) => {
    context.body = { hello: 'world' }
  })
  return listen(app.callback())
}

export function bare(): Promise<Running> {
  return serve()
}

export function noop(): Promise<Running> {
  return serve((_context, next) => next())
}

/** Reads the whole token and keeps nothing of it: the least that a guard without token texts in memory must do. */
export async function hashOnly(): Promise<Running> {
  const { createHash } = await import('node:crypto')
  return serve((context, next) => {
    createHash('sha256').update(String(context.req.headers.authorization)).digest('base64url')
    return next()
  })
}

export async function bearergate(setup: Setup): Promise<Running> {
  const { bearer } = await import('@bearergate/koa')
  return serve(bearer(byIssuer(setup)))
}

export async function bearergateLookup(setup: Setup): Promise<Running> {
  const { bearer } = await import('@bearergate/koa')
  return serve(bearer(await byLookup(setup)))
}

export async function bearergateIntrospection(setup: Setup): Promise<Running> {
  const { bearer } = await import('@bearergate/koa')
  return serve(bearer(byIntrospection(setup)))
}

export async function koaJwt({ issuer, audience, jwksUri }: Setup): Promise<Running> {
  const { default: jwt } = await import('koa-jwt')
  const { default: jwksRsa } = await import('jwks-rsa')
  // As in the README of koa-jwt, which does not limit the rate.
  const secret = jwksRsa.koaJwtSecret({ jwksUri, cache: true, cacheMaxEntries: 5, cacheMaxAge: 36_000_000 })
  return serve(jwt({ secret, issuer, audience, algorithms: [...COMMON_ALGS] }))
}
