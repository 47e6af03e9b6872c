/** What the claims of an access token must say (RFC 7519 §4.1, RFC 8725, RFC 9068). */

import { getOwn, isObject, isStrings } from '../../lib/json.ts'
import { isNumericDate, type Seconds } from '../../model/units.ts'
import { audienceOf, clientOf, oddClaim, type RawClaims } from '../claims/values.ts'
import { type Inactive, inactive } from '../verification.ts'
import { mediaType } from './jws.ts'

export type Profile = 'generic' | 'rfc9068'

/** Claims of ID tokens that some issuers also put into their access tokens. */
export const ID_TOKEN_CLAIMS = ['nonce', 'at_hash'] as const

export type IdTokenClaim = (typeof ID_TOKEN_CLAIMS)[number]

export interface ClaimsPolicy {
  /** With `null` a token must have no `iss`. */
  readonly issuer: string | null
  /** One of these must be in `aud`; with `null` nothing is asked of it. */
  readonly audience: readonly string[] | null
  readonly profile: Profile
  /** The marks of ID tokens that the access tokens of this issuer have, too. */
  readonly idTokenClaims: readonly IdTokenClaim[]
  readonly clockTolerance: Seconds
  readonly maxTokenAge: Seconds | undefined
}

/** RFC 9068 §2.2. */
const REQUIRED = {
  generic: ['iss', 'exp'],
  rfc9068: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
} as const
const TYPES = { generic: [undefined, 'jwt', 'at+jwt'], rfc9068: ['at+jwt'] } as const
const DATES = ['exp', 'nbf', 'iat'] as const

type KindPolicy = Pick<ClaimsPolicy, 'profile' | 'audience' | 'idTokenClaims'>

/** Checks the `typ` of the header: one kind of JWT must not pass for another (RFC 8725 §3.11, RFC 9068 §4). */
export function checkType(header: RawClaims, claims: RawClaims, policy: KindPolicy): Inactive | undefined {
  const { profile } = policy
  const typ = getOwn(header, 'typ')
  const type = mediaType(typ)
  if ((typ !== undefined && type === undefined) || !(TYPES[profile] as readonly unknown[]).includes(type))
    return inactive('not_an_access_token', 'typ')
  // The type is signed, and says it all (RFC 9068 §2.1).
  return type === 'at+jwt' ? undefined : checkKind(claims, policy)
}

/**
 * Claims that mark another kind of token, whatever its source (RFC 8725 §3.12): ID tokens (OpenID Connect Core §2 and
 * §3.3.2.11), logout tokens and security events (RFC 8417 §2.2), introspection answers (RFC 9701 §5), verifiable
 * credentials and presentations, SD-JWTs (RFC 9901 §4.1), and DPoP proofs (RFC 9449 §4.2), which have all of theirs.
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
 * How issuers say in `typ` (Keycloak), `token_use` (Cognito, Hydra) or `token_type` of an introspection response that a token
 * is an access token, and that it is not.
 */
const ACCESS_USE = /^(?:bearer|dpop|access(?:[_-]token)?|(?:application\/)?at\+jwt)$/i
const OTHER_USE = /^(?:id|refresh|offline|logout)(?:[_-]token)?$|\+(?:sd-)?jwt$/i

/**
 * Checks that the claims are not those of another kind of token. A claim that names the kind decides; only without one do
 * the marks count, since some issuers put the `nonce` of an authorization request into its access token.
 * @param policy which marks of ID tokens the configuration allows
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
 * Rejects what may be the ID token of a client of ours, where marks of ID tokens are allowed. `aud` of an ID token contains its
 * client (OpenID Connect Core §2), so the client must not be one of our audiences. If `aud` has several values, the token must
 * say which of them is its client.
 */
function checkClient(claims: RawClaims, ours: readonly string[]): Inactive | undefined {
  const client = clientOf(claims)
  if (client === undefined && audienceOf(getOwn(claims, 'aud')).length > 1)
    return inactive('not_an_access_token', 'several values of "aud", and neither "client_id" nor "azp"')
  return client !== undefined && ours.includes(client)
    ? inactive('not_an_access_token', 'its audience is its client, as in an ID token')
    : undefined
}

/**
 * Checks issuer, audience and dates, and the form of the claims that decide. Others may have any form outside RFC 9068, since
 * the identity leaves them out then.
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

/** Checks an introspection response beyond `active`. The server has checked what the response does not contain (RFC 7662 §2.2, §4). */
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

/** Checks `token_type` (RFC 7662 §2.2). Some servers say `access_token` instead of the type of RFC 6749 §7.1, such as `Bearer`. */
function checkTokenType(claims: RawClaims): Inactive | undefined {
  const type = getOwn(claims, 'token_type')
  if (type !== undefined && !(typeof type === 'string' && ACCESS_USE.test(type)))
    return inactive('not_an_access_token', 'token_type')
  if (type?.toLowerCase() === 'dpop' && !Object.hasOwn(claims, 'cnf'))
    return inactive('not_an_access_token', 'token_type without cnf')
  return checkKind(claims)
}

function checkForm(claims: RawClaims, profile: Profile): Inactive | undefined {
  const invalid =
    DATES.find((name) => Object.hasOwn(claims, name) && !isNumericDate(claims[name])) ??
    // What binds a token to a key is not left out: the token would pass for one that anybody may use.
    ['cnf'].find((name) => Object.hasOwn(claims, name) && !isObject(claims[name])) ??
    (profile === 'rfc9068' ? (oddClaim(claims) ?? listedScope(claims)) : undefined)
  return invalid === undefined ? undefined : inactive('invalid_claim', invalid)
}

/** RFC 9068 §2.2.3 has scopes in one string. */
function listedScope(claims: RawClaims): string | undefined {
  return ['scope', 'scp'].find((name) => Object.hasOwn(claims, name) && typeof claims[name] !== 'string')
}

function checkIssuer(claims: RawClaims, { issuer }: Pick<ClaimsPolicy, 'issuer'>): Inactive | undefined {
  const iss = getOwn(claims, 'iss')
  if (issuer !== null) return iss === issuer ? undefined : foreignIssuer(iss, [issuer])
  return Object.hasOwn(claims, 'iss')
    ? inactive('issuer_mismatch', 'the token has an "iss": name it as "issuer" instead of null')
    : undefined
}

/** The refusal of an `iss` that is none of ours. */
export function foreignIssuer(iss: unknown, ours: readonly string[]): Inactive {
  if (typeof iss !== 'string') return inactive('issuer_mismatch', 'iss is not a string')
  return inactive('issuer_mismatch', () => `iss ${nearestMiss([iss], ours) ?? 'is another issuer'}`)
}

/** How many values of a token, and of the configuration, are compared for a diagnosis, and how long they may be. */
const MAX_COMPARED = 8
const MAX_COMPARED_LENGTH = 256

function nearestMiss(actual: readonly string[], expected: readonly string[]): string | undefined {
  for (const value of actual.slice(0, MAX_COMPARED))
    for (const ours of expected.slice(0, MAX_COMPARED)) {
      const miss = value.length > MAX_COMPARED_LENGTH ? undefined : nearMiss(value, ours)
      if (miss !== undefined) return miss
    }
  return undefined
}

/** Says what costs people a day: compared exactly, the two differ, but they hardly look it. */
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
  return inactive('audience_mismatch', () => {
    const near = nearestMiss(named, audience)
    if (near !== undefined) return `aud ${near}`
    return all.length > MAX_AUDIENCES
      ? `aud has ${all.length} entries, and only the first ${MAX_AUDIENCES} are compared`
      : undefined
  })
}

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
