/** Turns the events of an issuer into revocations (Shared Signals: CAEP 1.0 §3, RISC 1.0 §2). */

import type { Revocation } from '../gate/revoke.ts'
import { getOwn, isObject } from '../lib/json.ts'
import { isNumericDate, type Seconds } from '../model/units.ts'
import type { RawClaims } from '../verify/claims/values.ts'
import type { EventToken } from './event-token.ts'
import { namedBy } from './subject.ts'

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
  return { format: 'opaque', id: getOwn(claims, 'sub') }
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
