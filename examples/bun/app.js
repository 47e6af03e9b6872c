/** An API on Bun that takes the access tokens of one issuer. */

import { createGate, scope } from '@bearergate/core'

const { ISSUER = 'https://id.example.com', AUDIENCE = 'https://api.example.com', PORT = '3000' } = process.env

const gate = createGate({ issuer: ISSUER, audience: AUDIENCE, requirement: scope('read:messages') })

const server = Bun.serve({
  port: Number(PORT),
  hostname: '127.0.0.1',
  routes: {
    '/api/messages': gate.protect((_request, identity) => Response.json({ hello: identity.subject })),
  },
  fetch: () => new Response('Not Found', { status: 404 }),
})

console.log(`Listening on http://127.0.0.1:${server.port}`)
