/** A route handler of Next that takes the access tokens of one issuer. */

import { type Background, createGate, scope } from '@bearergate/core'
import { after } from 'next/server'

const { ISSUER = 'https://id.example.com', AUDIENCE = 'https://api.example.com' } = process.env

const gate = createGate({ issuer: ISSUER, audience: AUDIENCE, requirement: scope('read:messages') })

const messages = gate.protect((_request, identity, _background: Background) =>
  Response.json({ hello: identity.subject }),
)

// What goes on in the background is finished after the response, also where the host then stops the function.
export const GET = (request: Request) => messages(request, { waitUntil: after })
