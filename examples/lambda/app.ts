/** A function behind API Gateway, a load balancer or a function URL that takes the access tokens of one issuer. */

import { createGate, scope } from '@bearergate/core'
import { lambda } from '@bearergate/core/lambda'

const { ISSUER = 'https://id.example.com', AUDIENCE = 'https://api.example.com' } = process.env

const gate = createGate({ issuer: ISSUER, audience: AUDIENCE, requirement: scope('read:messages') })

// The keys are fetched while the function starts, and before it may be frozen: its first request need not wait for them.
await gate.ready().catch(console.warn)

export const handler = lambda(gate, async (_event, identity) => ({
  statusCode: 200,
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({ hello: identity.subject }),
}))
