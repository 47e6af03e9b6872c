/** An API on Deno that takes the access tokens of one issuer. */

import { createGate, scope } from '@bearergate/core'

const env = (name, preset) => Deno.env.get(name) ?? preset

const gate = createGate({
  issuer: env('ISSUER', 'https://id.example.com'),
  audience: env('AUDIENCE', 'https://api.example.com'),
  requirement: scope('read:messages'),
})

const messages = gate.protect((_request, identity) => Response.json({ hello: identity.subject }))

Deno.serve(
  {
    port: Number(env('PORT', '3000')),
    hostname: '127.0.0.1',
    onListen: ({ port }) => console.log(`Listening on http://127.0.0.1:${port}`),
  },
  (request) =>
    new URL(request.url).pathname === '/api/messages'
      ? messages(request)
      : new Response('Not Found', { status: 404 }),
)
