/** Creates the tokens that the page offers: good ones, and each kind of bad one. */

import { type AuthorizationServer, CLIENT } from '../authorization-server.ts'
import type { Sessions } from '../sessions.ts'
import { withSubject } from '../tampering.ts'

/** The kinds of tokens, each with the words of the page. */
export const KINDS = {
  none: 'no token',
  jwt: 'a JWT',
  opaque: 'an opaque token',
  expired: 'an expired JWT',
  tampered: 'a JWT that was changed',
  elsewhere: 'a JWT for another API',
  reader: 'a JWT with the scope read only',
  revoked: 'an opaque token that was revoked',
  own: 'your own',
} as const

export type Kind = keyof typeof KINDS

export async function createToken(
  kind: Exclude<Kind, 'own'>,
  server: AuthorizationServer,
  sessions: Sessions,
): Promise<string> {
  const create = {
    none: async () => '',
    jwt: () => server.issue('read write'),
    opaque: () => sessions.open('emma', ['read', 'write']),
    expired: () => server.issueExpired('read write'),
    tampered: async () => withSubject(await server.issue('read write'), 'admin'),
    elsewhere: () => server.issue('read write', 'https://other.example.com'),
    reader: () => server.issue('read'),
    revoked: () => sessions.revoked(CLIENT.id),
  }
  if (!Object.hasOwn(create, kind)) throw new TypeError('There is no such kind of token')
  return create[kind]()
}
