/**
 * Checks the claims of access tokens (RFC 7519 §4.1, RFC 8725, RFC 9068).
 *
 * Checks that a token is an access token, is from this issuer, for this API, and valid now. Each check depends only on the
 * token, the policy and the time. They come before the signature check, because they cost less: a token that they reject
 * causes no request to the issuer.
 */

import { getOwn, isObject, isStrings } from '../../lib/json.ts'
import { isNumericDate, type Seconds } from '../../model/units.ts'
import { audienceOf, clientOf, oddClaim, type RawClaims } from '../claims/values.ts'
import { type Inactive, inactive } from '../verification.ts'
import { mediaType } from './jws.ts'

/**
 * How strict the form of tokens is checked. `rfc9068`: all rules of RFC 9068, for issuers that follow it. `generic`: the
 * claims that security depends on, for all other issuers.
 */
export type Profile = 'generic' | 'rfc9068'

/** Claims of ID tokens that some issuers also put into their access tokens. */
export const ID_TOKEN_CLAIMS = ['nonce', 'at_hash'] as const

export type IdTokenClaim = (typeof ID_TOKEN_CLAIMS)[number]

/** The rules for the claims of one issuer. A cached result is valid only for the policy object that accepted it. */
export interface ClaimsPolicy {
  /** With `null` a token must have no `iss`. */
  readonly issuer: string | null
  /** One of these must be in `aud`. With `null`, `aud` is not checked. */
  readonly audience: readonly string[] | null
  readonly profile: Profile
  /** The claims of ID tokens that the access tokens of this issuer have, too. */
  readonly idTokenClaims: readonly IdTokenClaim[]
  readonly clockTolerance: Seconds
  readonly maxTokenAge: Seconds | undefined
}

/** The required claims by profile (RFC 9068 §2.2). Without `exp` a stolen token would be valid forever. */
const REQUIRED = {
  generic: ['iss', 'exp'],
  rfc9068: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
} as const
/** The media types that `typ` may have by profile. `at+jwt` is that of access tokens (RFC 9068 §2.1). */
const TYPES = { generic: [undefined, 'jwt', 'at+jwt'], rfc9068: ['at+jwt'] } as const
const DATES = ['exp', 'nbf', 'iat'] as const

type KindPolicy = Pick<ClaimsPolicy, 'profile' | 'audience' | 'idTokenClaims'>

/**
 * Checks the `typ` of the header, and without a decisive one the claims. One kind of JWT must not be accepted as another (RFC
 * 8725 §3.11, RFC 9068 §4): a client would otherwise get the rights of the user from any ID token.
 */
export function checkType(header: RawClaims, claims: RawClaims, policy: KindPolicy): Inactive | undefined {
  const { profile } = policy
  const typ = getOwn(header, 'typ')
  const type = mediaType(typ)
  if ((typ !== undefined && type === undefined) || !(TYPES[profile] as readonly unknown[]).includes(type))
    return inactive('not_an_access_token', 'typ')
  // The type is signed, and no other kind of token has it (RFC 9068 §2.1). So the claims need not be looked at.
  return type === 'at+jwt' ? undefined : checkKind(claims, policy)
}

/**
 * Claims that mark another kind of token (RFC 8725 §3.12): ID tokens (OpenID Connect Core §2 and §3.3.2.11), logout tokens and
 * security events (RFC 8417 §2.2), introspection responses (RFC 9701 §5), verifiable credentials and presentations, SD-JWTs
 * (RFC 9901 §4.1), and DPoP proofs (RFC 9449 §4.2). A token is of that kind if it has all claims of one entry.
 */
export const MARKS: readonly (readonly string[])[] = [
  ['nonce'],
  ['at_hash'],
  ['c_hash'],
  ['s_hash'],
  ['events'],
  ['token_introspection'],
  ['vc'],
  ['vp'],
  ['_sd'],
  ['_sd_alg'],
  ['htm', 'htu'],
]

/**
 * The values with which issuers mark access tokens and other tokens: in the claim `typ` (Keycloak), in `token_use` (Cognito,
 * Hydra), or in `token_type` of an introspection response.
 */
const ACCESS_USE = /^(?:bearer|dpop|access(?:[_-]token)?|(?:application\/)?at\+jwt)$/i
const OTHER_USE = /^(?:id|refresh|offline|logout)(?:[_-]token)?$|\+(?:sd-)?jwt$/i

/**
 * Checks that the claims are not those of another kind of token. A claim that names the kind decides. Only without one do the
 * marks count, because some issuers put the `nonce` of an authorization request into its access token.
 * @param policy the marks of ID tokens that the configuration allows, and the audience
 */
function checkKind(
  claims: RawClaims,
  { audience, idTokenClaims }: Omit<KindPolicy, 'profile'> = { audience: null, idTokenClaims: [] },
): Inactive | undefined {
  const uses = ['typ', 'token_use'].filter((name) => typeof getOwn(claims, name) === 'string')
  const isAccess = (name: string) => ACCESS_USE.test(claims[name] as string)
  const other = uses.find((name) => !isAccess(name) && OTHER_USE.test(claims[name] as string))
  if (other !== undefined) return inactive('not_an_access_token', `the claim "${other}"`)
  if (uses.some(isAccess)) return undefined
  const marks = MARKS.filter((names) => names.every((name) => Object.hasOwn(claims, name)))
  const mark = marks.find(([name]) => !(idTokenClaims as readonly unknown[]).includes(name))
  if (mark !== undefined) return inactive('not_an_access_token', `the claim "${mark[0]}"`)
  return marks.length === 0 ? undefined : checkClient(claims, audience ?? [])
}

/**
 * Rejects a token that may be the ID token of one of this API's own clients, if marks of ID tokens are allowed. `aud` of an ID
 * token contains its client (OpenID Connect Core §2), so the client must not be one of the configured audiences. If `aud` has
 * several values, the token must say which of them is its client.
 */
function checkClient(claims: RawClaims, ours: readonly string[]): Inactive | undefined {
  const client = clientOf(claims)
  if (client === undefined && audienceOf(getOwn(claims, 'aud')).length > 1)
    return inactive('not_an_access_token', 'several values of "aud", and neither "client_id" nor "azp"')
  return client !== undefined && ours.includes(client)
    ? inactive('not_an_access_token', 'its client is also its audience, as in an ID token')
    : undefined
}

/**
 * Checks issuer, audience and dates, and the form of the claims that decide. Except in the profile `rfc9068`, other claims may
 * have any form, because the identity leaves out those of the wrong one.
 */
export function checkClaims(claims: RawClaims, policy: ClaimsPolicy, now: Seconds): Inactive | undefined {
  for (const name of REQUIRED[policy.profile])
    if (!Object.hasOwn(claims, name) && !(name === 'iss' && policy.issuer === null))
      return inactive('missing_claim', name)
  return (
    checkForm(claims, policy.profile) ??
    checkIssuer(claims, policy) ??
    checkAudience(claims, policy) ??
    checkDates(claims, policy, now)
  )
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
 * Checks `token_type` (RFC 7662 §2.2). Some servers say `access_token` instead of the type of RFC 6749 §7.1, such as `Bearer`.
 */
function checkTokenType(claims: RawClaims): Inactive | undefined {
  const type = getOwn(claims, 'token_type')
  if (type !== undefined && !(typeof type === 'string' && ACCESS_USE.test(type)))
    return inactive('not_an_access_token', 'token_type')
  if (type?.toLowerCase() === 'dpop' && !Object.hasOwn(claims, 'cnf'))
    return inactive('not_an_access_token', 'token_type without cnf')
  return checkKind(claims)
}

/**
 * Checks the form of the claims that later checks depend on: dates, and `cnf`. The profile `rfc9068` checks all of its claims.
 */
function checkForm(claims: RawClaims, profile: Profile): Inactive | undefined {
  const invalid =
    DATES.find((name) => Object.hasOwn(claims, name) && !isNumericDate(claims[name])) ??
    // A malformed `cnf` is not left out of the identity: the token would then count as one that is not bound to a key.
    ['cnf'].find((name) => Object.hasOwn(claims, name) && !isObject(claims[name])) ??
    (profile === 'rfc9068' ? (oddClaim(claims) ?? listedScope(claims)) : undefined)
  return invalid === undefined ? undefined : inactive('invalid_claim', invalid)
}

/** Returns the name of a scope claim that is not one string, as RFC 9068 §2.2.3 requires. */
function listedScope(claims: RawClaims): string | undefined {
  return ['scope', 'scp'].find((name) => Object.hasOwn(claims, name) && typeof claims[name] !== 'string')
}

/** Compares `iss` character by character (RFC 7519 §4.1.1). With the issuer `null`, there must be none. */
function checkIssuer(claims: RawClaims, { issuer }: Pick<ClaimsPolicy, 'issuer'>): Inactive | undefined {
  const iss = getOwn(claims, 'iss')
  if (issuer !== null) return iss === issuer ? undefined : foreignIssuer(iss, [issuer])
  return Object.hasOwn(claims, 'iss')
    ? inactive('issuer_mismatch', 'the token has an "iss": name it as "issuer" instead of null')
    : undefined
}

/** Rejects an `iss` that is not one of the configured issuers. The detail tells operators if they hardly differ. */
export function foreignIssuer(iss: unknown, ours: readonly string[]): Inactive {
  if (typeof iss !== 'string') return inactive('issuer_mismatch', 'iss is not a string')
  const compared = comparable([iss])
  return inactive('issuer_mismatch', () => `iss ${nearestMiss(compared, ours) ?? 'is another issuer'}`)
}

/** The number of values of a token and of the configuration that are compared for a diagnosis, and their longest length. */
const MAX_COMPARED = 8
const MAX_COMPARED_LENGTH = 256

/** Picks the values that a diagnosis compares. A rejection that is cached keeps only these. */
function comparable(values: readonly string[]): readonly string[] {
  return values.slice(0, MAX_COMPARED).filter((value) => value.length <= MAX_COMPARED_LENGTH)
}

/**
 * Describes the first value of a token that is nearly one of the expected values. Bounded, because clients choose the values.
 */
function nearestMiss(actual: readonly string[], expected: readonly string[]): string | undefined {
  for (const value of actual)
    for (const ours of expected.slice(0, MAX_COMPARED)) {
      const miss = nearMiss(value, ours)
      if (miss !== undefined) return miss
    }
  return undefined
}

/** Describes a small difference between two values, such as a trailing slash. Such differences are hard to see in a log. */
function nearMiss(actual: string, expected: string): string | undefined {
  const bare = (value: string) => value.replace(/\/$/, '')
  if (bare(actual) === bare(expected)) return 'differs by a trailing slash only'
  if (actual.toLowerCase() === expected.toLowerCase()) return 'differs in upper and lower case only'
  if (actual.replace(/^https?:/, '') === expected.replace(/^https?:/, ''))
    return 'differs in http and https only'
  return undefined
}

/** The number of entries of `aud` that are compared, so that a token is cheap to reject before its signature is checked. */
const MAX_AUDIENCES = 16

/**
 * Checks that one entry of `aud` is a configured audience (RFC 7519 §4.1.3). A token for another API must not be accepted
 * here.
 */
function checkAudience(
  claims: RawClaims,
  { audience }: Pick<ClaimsPolicy, 'audience'>,
): Inactive | undefined {
  const aud = getOwn(claims, 'aud')
  if (aud !== undefined && typeof aud !== 'string' && !(isStrings(aud) && aud.length > 0))
    return inactive('invalid_claim', 'aud')
  if (audience === null) return undefined
  if (aud === undefined) return inactive('missing_claim', 'aud')
  const all = audienceOf(aud)
  const named = all.slice(0, MAX_AUDIENCES)
  if (named.some((name) => audience.includes(name))) return undefined
  const [compared, count] = [comparable(named), all.length]
  return inactive('audience_mismatch', () => {
    const near = nearestMiss(compared, audience)
    if (near !== undefined) return `aud ${near}`
    return count > MAX_AUDIENCES
      ? `aud has ${count} entries, and only the first ${MAX_AUDIENCES} are compared`
      : undefined
  })
}

/** Checks `exp`, `nbf` and `iat` with the clock tolerance (RFC 7519 §4.1.4 to §4.1.6), and the largest age of a token. */
function checkDates(
  claims: RawClaims,
  policy: Pick<ClaimsPolicy, 'clockTolerance' | 'maxTokenAge'>,
  now: Seconds,
): Inactive | undefined {
  const [exp, nbf, iat] = ['exp', 'nbf', 'iat'].map((name) => getOwn(claims, name) as Seconds | undefined)
  const { clockTolerance, maxTokenAge } = policy
  if (exp !== undefined && now >= exp + clockTolerance) return inactive('expired')
  if (nbf !== undefined && now < nbf - clockTolerance) return inactive('not_yet_valid')
  if (iat !== undefined && iat > now + clockTolerance) return inactive('issued_in_future')
  if (maxTokenAge === undefined) return undefined
  if (iat === undefined) return inactive('missing_claim', 'iat')
  return now >= iat + maxTokenAge + clockTolerance ? inactive('max_age_exceeded') : undefined
}
