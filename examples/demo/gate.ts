/** One gate for both kinds of tokens: JWTs of the authorization server, and the opaque ones of our own sessions. */

import { chain, createGate, type Gate, jwt, opaque } from '@bearergate/core'
import { AUDIENCE } from './authorization-server.ts'
import { PREFIX, type Sessions } from './sessions.ts'

export function createDemoGate(issuer: string, sessions: Sessions): Gate {
  const issued = jwt({ issuer, audience: AUDIENCE })
  const own = opaque({ prefix: PREFIX, lookup: (_token, hash) => sessions.find(hash) })
  return createGate({ verifier: chain(own, issued) })
}
