/**
 * Checks the claims of access tokens (RFC 7519 §4.1, RFC 8725, RFC 9068).
 *
 * Checks that a token is from this issuer, for this API, and valid now. Each check depends only on the token, the policy and
 * the time. They come before the signature check, because they cost less: a token that they reject causes no request to the
 * issuer.
 */

import { getOwn, isObject, isStrings } from '../../lib/json.ts'
import { received } from '../../lib/received.ts'
import type { Identity } from '../../model/identity.ts'
import { isNumericDate, type Seconds } from '../../model/units.ts'
import { audienceOf, oddClaim, type RawClaims } from '../claims/values.ts'
import { type Inactive, inactive } from '../verification.ts'
import { dateDetail, distance, mismatch } from './details.ts'
import { checkTokenType, type IdTokenClaim } from './token-kind.ts'

/**
 * How strictly the form of tokens is checked. `rfc9068`: all rules of RFC 9068, for issuers that follow it. `generic`: the
 * claims that security depends on, for all other issuers.
 */
export type Profile = 'generic' | 'rfc9068'

/** The rules for the claims of one issuer. A cached result is valid only for the policy object that accepted it. */
export interface ClaimsPolicy {
  /** With `null` a token must have no `iss`. */
  readonly issuer: string | null
  /** One of these must be in `aud`. With `null`, `aud` is not checked. */
  readonly audience: readonly string[] | null
  readonly profile: Profile
  /** The claims of ID tokens that the access tokens of this issuer also have. */
  readonly idTokenClaims: readonly IdTokenClaim[]
  readonly clockTolerance: Seconds
  readonly maxTokenAge: Seconds | undefined
  /** Whether tokens without `exp` are rejected. If not, there is a `maxTokenAge`. */
  readonly needsExp: boolean
}

/** The required claims by profile (RFC 9068 §2.2). Without `exp` a stolen token would be valid forever. */
const REQUIRED = {
  generic: ['iss', 'exp'],
  rfc9068: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
} as const
const DATES = ['exp', 'nbf', 'iat'] as const

/**
 * Checks issuer, audience and dates, and the form of the claims that decide. Except in the profile `rfc9068`, other claims may
 * have any form, because the identity leaves out claims of the wrong form.
 */
export function checkClaims(claims: RawClaims, policy: ClaimsPolicy, now: Seconds): Inactive | undefined {
  return (
    checkRequired(claims, policy) ??
    checkForm(claims, policy.profile) ??
    checkIssuer(claims, policy) ??
    checkAudience(claims, policy) ??
    checkDates(claims, policy, now)
  )
}

/** Checks that all claims exist that the profile and the options require. */
export function checkRequired(claims: RawClaims, policy: ClaimsPolicy): Inactive | undefined {
  for (const name of REQUIRED[policy.profile])
    if (!Object.hasOwn(claims, name) && isNeeded(name, policy))
      return inactive('missing_claim', () => `${name} is missing, but ${requirementOf(name, policy)}`)
  return undefined
}

/** Returns the names of the claims that a token must have. */
export function requiredNames(policy: ClaimsPolicy): readonly string[] {
  return REQUIRED[policy.profile].filter((name) => isNeeded(name, policy))
}

function isNeeded(name: string, { issuer, needsExp }: ClaimsPolicy): boolean {
  if (name === 'iss') return issuer !== null
  return name !== 'exp' || needsExp
}

/** Says what requires a claim, for the detail of a rejection. */
function requirementOf(name: (typeof REQUIRED)[Profile][number], { profile }: ClaimsPolicy): string {
  if (profile === 'rfc9068') return 'the profile "rfc9068" requires it'
  return name === 'iss' ? 'the option "issuer" requires it' : 'the option "allowMissingExp" is not set'
}

/**
 * Checks an introspection response beyond `active`. A claim that the response does not contain is not required, because the
 * server has checked the token (RFC 7662 §2.2, §4). One that it contains is checked, because servers differ in what they check.
 */
export function checkIntrospected(
  claims: RawClaims,
  policy: Pick<ClaimsPolicy, 'audience' | 'clockTolerance'> & { readonly issuer: string | undefined },
  now: Seconds,
): Inactive | undefined {
  const { issuer, audience, clockTolerance } = policy
  return (
    checkForm(claims, 'generic') ??
    checkTokenType(claims) ??
    (issuer !== undefined && Object.hasOwn(claims, 'iss') ? checkIssuer(claims, { issuer }) : undefined) ??
    checkAudience(claims, { audience }) ??
    checkDates(claims, { clockTolerance, maxTokenAge: undefined }, now)
  )
}

/**
 * Checks the form of the claims that later checks depend on: dates, and `cnf`. The profile `rfc9068` checks all of its claims.
 */
export function checkForm(claims: RawClaims, profile: Profile): Inactive | undefined {
  const date = DATES.find((name) => Object.hasOwn(claims, name) && !isNumericDate(claims[name]))
  if (date !== undefined) return inactive('invalid_claim', () => dateDetail(date, claims[date]))
  // A malformed `cnf` is not left out of the identity: the token would then count as one that is not bound to a key.
  if (Object.hasOwn(claims, 'cnf') && !isObject(claims.cnf))
    return inactive('invalid_claim', `cnf must be an object, but is ${received(claims.cnf)}`)
  const odd = profile === 'rfc9068' ? (oddClaim(claims) ?? listedScope(claims)) : undefined
  return odd === undefined
    ? undefined
    : inactive('invalid_claim', `${odd} must have the form that the profile "rfc9068" requires`)
}

/** Returns the name of a scope claim that is not one string, as RFC 9068 §2.2.3 requires. */
function listedScope(claims: RawClaims): string | undefined {
  return ['scope', 'scp'].find((name) => Object.hasOwn(claims, name) && typeof claims[name] !== 'string')
}

/** Compares `iss` character by character (RFC 7519 §4.1.1). With the issuer `null`, there must be none. */
export function checkIssuer(
  claims: RawClaims,
  { issuer }: Pick<ClaimsPolicy, 'issuer'>,
): Inactive | undefined {
  const iss = getOwn(claims, 'iss')
  if (issuer !== null) return iss === issuer ? undefined : foreignIssuer(iss, [issuer])
  return Object.hasOwn(claims, 'iss')
    ? inactive(
        'issuer_mismatch',
        'the token has an "iss", but "issuer" is null: set "issuer" to the value of "iss"',
      )
    : undefined
}

/** Rejects an `iss` that is not one of the configured issuers. The detail tells operators if they hardly differ. */
export function foreignIssuer(iss: unknown, ours: readonly string[]): Inactive {
  if (typeof iss !== 'string') return inactive('issuer_mismatch', 'iss is not a string')
  return inactive('issuer_mismatch', () => mismatch('iss', [iss], ours))
}

/** The number of entries of `aud` that are compared, so that a token is cheap to reject before its signature is checked. */
const MAX_AUDIENCES = 16

/**
 * Checks that one entry of `aud` is a configured audience (RFC 7519 §4.1.3). A token for another API must not be accepted
 * here.
 */
export function checkAudience(
  claims: RawClaims,
  { audience }: Pick<ClaimsPolicy, 'audience'>,
): Inactive | undefined {
  const aud = getOwn(claims, 'aud')
  if (aud !== undefined && typeof aud !== 'string' && !(isStrings(aud) && aud.length > 0))
    return inactive(
      'invalid_claim',
      `aud must be a string or a non-empty array of strings, but is ${received(aud)}`,
    )
  if (audience === null) return undefined
  if (aud === undefined)
    return inactive('missing_claim', 'aud is missing, but the option "audience" requires it')
  const all = audienceOf(aud)
  const named = all.slice(0, MAX_AUDIENCES)
  if (named.some((name) => audience.includes(name))) return undefined
  const { length } = all
  return inactive('audience_mismatch', () => {
    const rest =
      length > MAX_AUDIENCES
        ? `, and only the first ${MAX_AUDIENCES} of its ${length} entries are compared`
        : ''
    return mismatch('aud', named, audience) + rest
  })
}

/** Checks `exp`, `nbf` and `iat` with the clock tolerance (RFC 7519 §4.1.4 to §4.1.6), and the largest age of a token. */
export function checkDates(
  claims: RawClaims,
  policy: Pick<ClaimsPolicy, 'clockTolerance' | 'maxTokenAge'>,
  now: Seconds,
): Inactive | undefined {
  const [exp, nbf, iat] = ['exp', 'nbf', 'iat'].map((name) => getOwn(claims, name) as Seconds | undefined)
  const { clockTolerance, maxTokenAge } = policy
  if (exp !== undefined && now >= exp + clockTolerance)
    return inactive('expired', () => distance('expired', now - exp, 'ago', clockTolerance))
  if (nbf !== undefined && now < nbf - clockTolerance)
    return inactive('not_yet_valid', () => distance('valid in', nbf - now, 'from now', clockTolerance))
  if (iat !== undefined && iat > now + clockTolerance)
    return inactive('issued_in_future', () =>
      distance('issued', iat - now, 'ahead of this clock', clockTolerance),
    )
  if (maxTokenAge === undefined) return undefined
  if (iat === undefined)
    return inactive('missing_claim', 'iat is missing, but the option "maxTokenAge" requires it')
  return now >= iat + maxTokenAge + clockTolerance
    ? inactive('max_age_exceeded', () =>
        distance('issued', now - iat, `ago, "maxTokenAge" is ${maxTokenAge} s`, clockTolerance),
      )
    : undefined
}

/** Returns when a token stops being accepted, with the clock tolerance. In seconds since the epoch. */
export function endOf(
  { expiresAt, issuedAt }: Pick<Identity<unknown>, 'expiresAt' | 'issuedAt'>,
  { maxTokenAge, clockTolerance }: ClaimsPolicy,
): Seconds | undefined {
  const oldest = maxTokenAge === undefined || issuedAt === undefined ? undefined : issuedAt + maxTokenAge
  const ends = [expiresAt, oldest].filter((end) => end !== undefined)
  return ends.length === 0 ? undefined : Math.min(...ends) + clockTolerance
}
