/** Finds the tokens that a subject identifier names: those of a session, those of a user, or one token (RFC 9493, SSF 1.0 §3). */

import { getOwn, isObject } from '../lib/json.ts'
import type { RevokedName } from '../state/revocations.ts'
import type { RawClaims } from '../verify/claims/values.ts'

/**
 * Returns what a subject identifier names. `undefined` if it names neither a session, a user nor a token, or those of another
 * issuer: one sender must not end the sessions of another.
 *
 * The members of a complex identifier describe one subject together (SSF §3.3). So it names its session rather than its user, and
 * neither of them if its user or its tenant belongs to another issuer.
 */
export function namedBy(id: RawClaims, issuer: string): RevokedName | undefined {
  const [session, user, tenant] = ['session', 'user', 'tenant'].map((name) => objectIn(id, name))
  if (session === undefined && user === undefined) return bySimple(id, issuer)
  if ([id, user, tenant].some((one) => isForeign(one, issuer))) return undefined
  const ofSession = session && bySession(session, issuer)
  if (ofSession !== undefined || user === undefined) return ofSession
  // Beside a session of another issuer, a user without an issuer may be a user of that issuer.
  const isClear = !isForeign(session, issuer) || Object.hasOwn(user, 'iss')
  return isClear ? bySimple(user, issuer) : undefined
}

/** The formats that an identifier of a session may have. Others, such as an email address, name no session. */
const SESSION_FORMATS: readonly unknown[] = [undefined, 'opaque', 'iss_sub']

function bySession(session: RawClaims, issuer: string): RevokedName | undefined {
  if (isForeign(session, issuer) || !SESSION_FORMATS.includes(getOwn(session, 'format'))) return undefined
  const sessionId = firstName(session, 'id', 'sid')
  return sessionId === undefined ? undefined : { sessionId, issuer }
}

/** Only the member that belongs to the format counts: an `iss_sub` with a `jti` still names a user (RFC 9493 §3.2). */
function bySimple(id: RawClaims, issuer: string): RevokedName | undefined {
  if (isForeign(id, issuer)) return undefined
  const [format, tokenId] = [getOwn(id, 'format'), firstName(id, 'jti')]
  const subject = subjectIn(id, format)
  if (subject !== undefined) return { subject, issuer }
  const mayBeToken = format === undefined || format === 'jwt_id'
  return tokenId === undefined || !mayBeToken ? undefined : { tokenId, issuer }
}

/** Earlier drafts had no format. Other formats than these, such as an email address, are no `sub`. */
function subjectIn(id: RawClaims, format: unknown): string | undefined {
  if (format === 'opaque') return firstName(id, 'id', 'sub')
  return format === 'iss_sub' || format === undefined ? firstName(id, 'sub', 'id') : undefined
}

function isForeign(id: RawClaims | undefined, issuer: string): boolean {
  return id !== undefined && Object.hasOwn(id, 'iss') && id.iss !== issuer
}

function objectIn(id: RawClaims, name: string): RawClaims | undefined {
  const value = getOwn(id, name)
  return isObject(value) ? value : undefined
}

function firstName(id: RawClaims, ...members: readonly string[]): string | undefined {
  return members.map((member) => nameIn(id, member)).find((name) => typeof name === 'string')
}

/**
 * Returns a name, also one that the sender wrote as a number. `undefined` if it is missing, `null` if it is neither a number nor a
 * text, or is empty.
 */
export function nameIn(object: RawClaims, member: string): string | null | undefined {
  const value = getOwn(object, member)
  if (typeof value === 'number') return String(value)
  return value === undefined || (typeof value === 'string' && value !== '') ? value : null
}
