/** An API of `Request` and `Response` that takes the access tokens of one issuer. */

import { createGate, scope } from '@bearergate/core'
import { serve } from '@hono/node-server'

const { ISSUER = 'https://id.example.com', AUDIENCE = 'https://api.example.com', PORT = '3000' } = process.env

const gate = createGate({
  issuer: ISSUER,
  audience: AUDIENCE,
  requirement: scope('read:messages'),
})

const messages = gate.protect((_request, identity) => Response.json({ hello: identity.subject }))

function fetch(request: Request): Response | Promise<Response> {
  const { pathname } = new URL(request.url)
  if (request.method === 'GET' && pathname === '/api/messages') return messages(request)
  return new Response('Not Found', { status: 404 })
}

serve({ fetch, port: Number(PORT), hostname: '127.0.0.1' }, ({ port }) => {
  console.log(`Listening on http://127.0.0.1:${port}`)
})
