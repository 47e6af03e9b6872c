/** Verifies the signed tokens in which an issuer reports events: logout tokens and security event tokens (RFC 8417). */

import { getOwn, isObject } from '../lib/json.ts'
import { quoted, quotedList } from '../lib/received.ts'
import { isNumericDate, type Seconds } from '../model/units.ts'
import { audienceOf, type RawClaims } from '../verify/claims/values.ts'
import { decodeJws, mediaType, parseJws } from '../verify/jwt/jws.ts'
import { findSigningKey } from '../verify/jwt/signing-key.ts'
import type { Algorithm } from '../verify/keys/jwk.ts'
import type { KeySet } from '../verify/keys/key-set.ts'
import { isInactive } from '../verify/verification.ts'

/** Why an event token is rejected, by the error codes of RFC 8935 §2.4. */
export type EventError = 'invalid_request' | 'invalid_key' | 'invalid_issuer' | 'invalid_audience'

export interface Rejected {
  readonly error: EventError
  readonly description: string
}

/** The rules for the event tokens of one issuer. */
export interface EventPolicy {
  readonly issuer: string
  /** One of these must be in `aud`. */
  readonly audience: readonly string[]
  /** The media types that `typ` may have. `undefined` stands for none. */
  readonly types: readonly (string | undefined)[]
  /** `required`: the token must have an `exp`, which must not have passed. `forbidden`: it must have none. */
  readonly exp: 'required' | 'forbidden'
  /** `objects`: each member of `events` must be an object (RFC 8417 §2.2). `any`: members that are no objects are ignored. */
  readonly events: 'objects' | 'any'
  readonly algorithms: readonly Algorithm[]
  readonly clockTolerance: Seconds
}

/** A verified event token. */
export interface EventToken {
  readonly id: string
  readonly issuedAt: Seconds
  readonly claims: RawClaims
  /** The events, by their type. At least one. */
  readonly events: Readonly<Record<string, RawClaims>>
}

/**
 * Verifies an event token.
 * @throws UnavailableError if its signature cannot be checked now
 */
export async function verifyEventToken(
  text: string,
  policy: EventPolicy,
  keys: KeySet,
  now: Seconds,
): Promise<EventToken | Rejected> {
  const decoded = decodeJws(text)
  if (isInactive(decoded) || decoded.claims === undefined) return invalid('it is no signed JWT')
  const { header, claims } = decoded
  const typ = getOwn(header, 'typ')
  if (!policy.types.includes(typ === undefined ? undefined : mediaType(typ)))
    return invalid(`its "typ" is not ${quotedList(policy.types.filter((type) => type !== undefined))}`)
  const jws = parseJws(decoded, policy.algorithms)
  if (isInactive(jws)) return invalid('its header is not accepted')
  const wrong = checkClaims(claims, policy, now)
  if (wrong !== undefined) return wrong
  const { key } = await findSigningKey(jws, keys)
  if (key === undefined)
    return { error: 'invalid_key', description: 'no key of the issuer made the signature' }
  return {
    id: claims.jti as string,
    issuedAt: claims.iat as Seconds,
    claims,
    events: Object.fromEntries(
      Object.entries(claims.events as EventToken['events']).filter(([, event]) => isObject(event)),
    ),
  }
}

const NAMES = ['iss', 'aud', 'jti', 'iat', 'exp', 'nonce', 'events'] as const

/** Checks the claims before the signature, because that costs less (RFC 8417 §2.2, OpenID Connect Back-Channel Logout §2.6). */
function checkClaims(claims: RawClaims, policy: EventPolicy, now: Seconds): Rejected | undefined {
  const [iss, aud, jti, iat, exp, nonce, events] = NAMES.map((name) => getOwn(claims, name))
  if (iss !== policy.issuer)
    return { error: 'invalid_issuer', description: `"iss" is not ${quoted(policy.issuer)}` }
  if (!audienceOf(aud).some((one) => policy.audience.includes(one)))
    return { error: 'invalid_audience', description: `"aud" does not contain ${quotedList(policy.audience)}` }
  if (typeof jti !== 'string' || jti === '') return invalid('"jti" is missing')
  if (!isNumericDate(iat)) return invalid('"iat" is missing')
  if (iat > now + policy.clockTolerance) return invalid('"iat" is in the future')
  if (policy.exp === 'forbidden' ? exp !== undefined : !isNumericDate(exp))
    return invalid(policy.exp === 'forbidden' ? 'it has an "exp"' : '"exp" is missing')
  if (isNumericDate(exp) && now >= exp + policy.clockTolerance) return invalid('it has expired')
  // An ID token with events must not pass for a logout token.
  if (nonce !== undefined) return invalid('it has a "nonce"')
  const members = isObject(events) ? Object.values(events) : []
  const isAccepted = members.some(isObject) && (policy.events === 'any' || members.every(isObject))
  return isAccepted ? undefined : invalid('its "events" is missing, or contains no event')
}

/** Rejects a token that breaks another rule than those with a code of their own. */
export function invalid(problem: string): Rejected {
  return { error: 'invalid_request', description: `The token is not accepted: ${problem}` }
}
