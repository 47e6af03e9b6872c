/** A program that authenticates tokens, prints the outcomes, and leaves its gate open. */

import { createGate, introspection } from '@bearergate/core'

const { issuer, endpoint, audience, tokens } = JSON.parse(process.argv[2] ?? '{}')
const gate =
  endpoint === undefined
    ? createGate({ issuer, audience })
    : createGate({ verifier: introspection({ endpoint, audience, clientId: 'api', clientSecret: 'secret' }) })
for (const token of tokens) {
  const headers = { authorization: `Bearer ${token}` }
  const decision = await gate.authenticate(new Request('https://api.example.com', { headers }))
  console.log(decision.ok ? 'ok' : `${decision.status} ${decision.reason}`)
}
