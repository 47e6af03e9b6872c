/** The sessions of users who logged in: opaque tokens, of which only the hashes are stored. */

import { generateToken, hashToken, type Identity, type OpaqueToken } from '@bearergate/core'

/** What the tokens of sessions begin with, before an underscore. */
export const PREFIX = 'demo'

/** For a demonstration only: a real application stores no passwords, but their salted, slow hashes. */
const USERS = new Map([
  ['emma', { password: 'demo-password', scopes: ['read', 'write'] }],
  ['guest', { password: 'demo-guest', scopes: ['read'] }],
])

const HOUR = 3600

type Session = OpaqueToken<Identity['claims']>

export interface Sessions {
  /** The answer to `{ "user": …, "password": … }`: a token, or an error (RFC 6749 §5). */
  login(sent: unknown): Promise<{ status: 200 | 400; body: object }>
  /** @param expiresIn in seconds; less than nothing makes a session that is over already */
  open(subject: string, scopes: readonly string[], expiresIn?: number): Promise<string>
  /** Opens a session and closes it again, for a token that was revoked. */
  revoked(subject: string): Promise<string>
  find(hash: string): Session | null
  /** From now on the session's token is unknown. */
  close(identity: Identity): { loggedOut: boolean }
}

export function createSessions(): Sessions {
  const sessions = new Map<string, Session>()

  async function open(subject: string, scopes: readonly string[], expiresIn = HOUR): Promise<string> {
    const token = generateToken(PREFIX)
    const hash = await hashToken(token)
    const now = Math.floor(Date.now() / 1000)
    sessions.set(hash, { subject, scopes, tokenId: hash, issuedAt: now, expiresAt: now + expiresIn })
    return token
  }

  return {
    open,
    async login(sent) {
      const { user, password } = Object(sent) as { user?: unknown; password?: unknown }
      const known = typeof user === 'string' ? USERS.get(user) : undefined
      if (typeof user !== 'string' || known === undefined || password !== known.password)
        return { status: 400, body: { error: 'invalid_grant' } }
      const token = await open(user, known.scopes)
      return { status: 200, body: { access_token: token, token_type: 'Bearer', expires_in: HOUR } }
    },
    async revoked(subject) {
      const token = await open(subject, [])
      sessions.delete(await hashToken(token))
      return token
    },
    find: (hash) => sessions.get(hash) ?? null,
    close: ({ tokenId = '' }) => ({ loggedOut: sessions.delete(tokenId) }),
  }
}
