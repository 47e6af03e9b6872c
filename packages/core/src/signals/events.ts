/** Turns the events of an issuer into revocations (Shared Signals: CAEP 1.0 §3, RISC 1.0 §2, RFC 9493). */

import type { Revocation } from '../gate/revoke.ts'
import { getOwn, isObject } from '../lib/json.ts'
import { isNumericDate, type Seconds } from '../model/units.ts'
import type { RawClaims } from '../verify/claims/values.ts'
import type { EventToken } from './event-token.ts'

const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/'
const RISC = 'https://schemas.openid.net/secevent/risc/event-type/'

/** The events after which the tokens of their subject must not be used any more. */
const REVOKING: readonly string[] = [
  `${CAEP}session-revoked`,
  `${CAEP}token-claims-change`,
  `${CAEP}credential-change`,
  `${RISC}account-disabled`,
  `${RISC}account-purged`,
  `${RISC}sessions-revoked`,
]

/** The events of a token, as revocations, and the types of those that revoke nothing. */
export interface Effects {
  readonly revocations: readonly Exclude<Revocation, string>[]
  readonly ignored: readonly string[]
}

/** @param issuer of the tokens that the sender may report about. Events about tokens of others are ignored */
export function effectsOf({ events, claims, issuedAt }: EventToken, issuer: string): Effects {
  const revocations: Exclude<Revocation, string>[] = []
  const ignored: string[] = []
  for (const [type, event] of Object.entries(events)) {
    const named = REVOKING.includes(type) ? namedBy(subjectOf(event, claims), issuer) : undefined
    if (named === undefined) ignored.push(type)
    else if ('subject' in named) revocations.push({ ...named, issuedBefore: timeOf(event, issuedAt) })
    else revocations.push(named)
  }
  return { revocations, ignored }
}

/** The subject identifier: `sub_id` of the token (RFC 9493 §3), or `subject` of the event in earlier drafts. */
function subjectOf(event: RawClaims, claims: RawClaims): RawClaims {
  const given = [getOwn(claims, 'sub_id'), getOwn(event, 'subject')].find(isObject)
  if (given !== undefined) return given
  const sub = getOwn(claims, 'sub')
  return typeof sub === 'string' ? { format: 'opaque', id: sub } : {}
}

/** The revocation that a subject identifier names. A complex one names its session rather than its user (SSF §3.3). */
function namedBy(id: RawClaims, issuer: string): Exclude<Revocation, string> | undefined {
  const [session, user] = [getOwn(id, 'session'), getOwn(id, 'user')]
  if (isObject(session)) return bySession(session, issuer)
  if (isObject(user)) return namedBy(user, issuer)
  if (isForeign(id, issuer) || !isNamedBy(id)) return undefined
  const [sub, jti] = [text(id, 'sub') ?? text(id, 'id'), text(id, 'jti')]
  if (jti !== undefined) return { tokenId: jti, issuer }
  return sub === undefined ? undefined : { subject: sub, issuer }
}

function bySession(session: RawClaims, issuer: string): Exclude<Revocation, string> | undefined {
  const id = text(session, 'id') ?? text(session, 'sid')
  return id === undefined || isForeign(session, issuer) ? undefined : { sessionId: id, issuer }
}

/** Whether the format names a user or a token. Others, such as an email address, are no `sub` (RFC 9493 §3.2). */
function isNamedBy(id: RawClaims): boolean {
  const format = getOwn(id, 'format')
  return format === undefined || format === 'iss_sub' || format === 'opaque' || format === 'jwt_id'
}

/** Whether an identifier names another issuer: one sender must not end the sessions of another. */
function isForeign(id: RawClaims, issuer: string): boolean {
  return Object.hasOwn(id, 'iss') && id.iss !== issuer
}

/**
 * The end of the second in which the event happened: tokens that were issued later are not affected. Some senders write
 * milliseconds.
 */
function timeOf(event: RawClaims, issuedAt: Seconds): Seconds {
  const given = getOwn(event, 'event_timestamp')
  const time = typeof given === 'number' && given > 1e11 ? given / 1000 : given
  // Never later than the report: tokens that were issued after it are not affected.
  return Math.floor(isNumericDate(time) ? Math.min(time, issuedAt) : issuedAt) + 1
}

function text(object: RawClaims, name: string): string | undefined {
  const value = getOwn(object, name)
  return typeof value === 'string' && value !== '' ? value : undefined
}
