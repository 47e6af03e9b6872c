/** A Hono app that takes the access tokens of one issuer: a middleware of ten lines, and no package of its own. */

import { createGate, type Identity, scope } from '@bearergate/core'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createMiddleware } from 'hono/factory'

const { ISSUER = 'https://id.example.com', AUDIENCE = 'https://api.example.com', PORT = '3000' } = process.env

const gate = createGate({ issuer: ISSUER, audience: AUDIENCE, requirement: scope('read:messages') })

const bearer = createMiddleware<{ Variables: { identity: Identity } }>(async (context, next) => {
  const decision = await gate.authenticate(context.req.raw)
  if (!decision.ok) return decision.toResponse()
  context.set('identity', decision.identity)
  await next()
  for (const [name, value] of Object.entries(decision.headers ?? {})) context.res.headers.set(name, value)
  return undefined
})

const app = new Hono()
app.get('/api/messages', bearer, (context) => context.json({ hello: context.var.identity.subject }))

serve({ fetch: app.fetch, port: Number(PORT), hostname: '127.0.0.1' }, ({ port }) => {
  console.log(`Listening on http://127.0.0.1:${port}`)
})
