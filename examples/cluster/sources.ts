/** The three sources of revocations. Each one is a request to one process. */

import { logoutToken, sessionRevoked } from './issuer.ts'

/** Creates the request that ends a session. */
type Source = (origin: string, token: string, session: string) => Promise<Request>

export const SOURCES = {
  /** The application calls `gate.revoke(token)`. */
  revoke: async (origin, token) =>
    new Request(`${origin}/revoke`, { method: 'POST', headers: { authorization: `Bearer ${token}` } }),
  /** The issuer sends a logout token. */
  logout: async (origin, _token, session) =>
    new Request(`${origin}/backchannel-logout`, {
      method: 'POST',
      body: new URLSearchParams({ logout_token: await logoutToken(session) }),
    }),
  /** The issuer pushes a security event token (RFC 8935). */
  event: async (origin, _token, session) =>
    new Request(`${origin}/security-events`, {
      method: 'POST',
      headers: { 'content-type': 'application/secevent+jwt' },
      body: await sessionRevoked(session),
    }),
} satisfies Record<string, Source>

export type SourceName = keyof typeof SOURCES
