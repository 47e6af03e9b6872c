/** Tells access tokens from other tokens, by the header and by the claims (RFC 8725 §3.11 and §3.12, RFC 9068 §4). */

import { getOwn } from '../../lib/json.ts'
import { audienceOf, CLIENT_CLAIMS, nameOf, type RawClaims } from '../claims/values.ts'
import { type Inactive, inactive } from '../verification.ts'
import { kindDetail, typeDetail } from './details.ts'
import { mediaType } from './jws.ts'

/** Claims of ID tokens that some issuers also put into their access tokens. */
export const ID_TOKEN_CLAIMS = ['nonce', 'at_hash'] as const

export type IdTokenClaim = (typeof ID_TOKEN_CLAIMS)[number]

/** The media types that `typ` may have by profile. `at+jwt` is that of access tokens (RFC 9068 §2.1). */
const TYPES = { generic: [undefined, 'jwt', 'at+jwt'], rfc9068: ['at+jwt'] } as const

/** The rules that tell the access tokens of one issuer from its other tokens. */
interface KindPolicy {
  readonly profile: keyof typeof TYPES
  readonly audience: readonly string[] | null
  /** The claims of ID tokens that the access tokens of this issuer also have. */
  readonly idTokenClaims: readonly IdTokenClaim[]
}

/**
 * Checks the `typ` of the header. If the `typ` does not decide, checks the claims. One kind of JWT must not be accepted as
 * another (RFC 8725 §3.11, RFC 9068 §4): a client would otherwise get the rights of the user from any ID token.
 */
export function checkType(header: RawClaims, claims: RawClaims, policy: KindPolicy): Inactive | undefined {
  const { profile } = policy
  const typ = getOwn(header, 'typ')
  const type = mediaType(typ)
  if ((typ !== undefined && type === undefined) || !(TYPES[profile] as readonly unknown[]).includes(type))
    return inactive('not_an_access_token', () => typeDetail(typ, TYPES[profile]))
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

/** The values with which issuers mark access tokens and other tokens. */
const ACCESS_USE = /^(?:bearer|dpop|access(?:[_-]token)?|(?:application\/)?at\+jwt)$/i
const OTHER_NAME = /^(?:id|refresh|offline|logout)(?:[_-]token)?$/i
const OTHER_USE = new RegExp(`${OTHER_NAME.source}|\\+(?:sd-)?jwt$`, 'i')

/**
 * The claims in which issuers name the kind of a token, each with the values of other kinds: `typ` (Keycloak), `token_use`
 * (Cognito, Hydra), `token_type` (RFC 7662 §2.2, djangorestframework-simplejwt), and `type` (flask-jwt-extended). `type` is
 * also a name for claims of applications, so a media type in it decides nothing.
 */
const KIND_CLAIMS: readonly (readonly [name: string, others: RegExp])[] = [
  ['typ', OTHER_USE],
  ['token_use', OTHER_USE],
  ['token_type', OTHER_USE],
  ['type', OTHER_NAME],
]
/** Of these, the claims that may say `DPoP`. */
const BINDING_CLAIMS = ['typ', 'token_use', 'token_type']
/** Of these, the claims that outweigh the marks. `token_type` says how a token is sent, and ID tokens are sent in the same way. */
const ACCESS_CLAIMS = ['typ', 'token_use']

/**
 * Checks that the claims are not those of another kind of token. A claim that names the kind decides. The marks count only if
 * there is no such claim, because some issuers put the `nonce` of an authorization request into its access token.
 * @param policy the marks of ID tokens that the configuration allows, and the audience
 */
function checkKind(
  claims: RawClaims,
  { audience, idTokenClaims }: Omit<KindPolicy, 'profile'> = { audience: null, idTokenClaims: [] },
): Inactive | undefined {
  const other = KIND_CLAIMS.find(([name, others]) => isOther(getOwn(claims, name), others))?.[0]
  if (other !== undefined)
    return inactive('not_an_access_token', kindDetail(`the claim "${other}"`, claims[other]))
  const unbound = BINDING_CLAIMS.find((name) => isUnboundDpop(claims, name))
  if (unbound !== undefined)
    return inactive('not_an_access_token', `the claim "${unbound}" is "DPoP", but the token has no "cnf"`)
  if (ACCESS_CLAIMS.some((name) => isAccess(getOwn(claims, name)))) return undefined
  const marks = MARKS.filter((names) => names.every((name) => Object.hasOwn(claims, name)))
  const mark = marks.find(([name]) => !(idTokenClaims as readonly unknown[]).includes(name))
  if (mark !== undefined)
    return inactive('not_an_access_token', `it has the claim "${mark[0]}", which marks another kind of token`)
  return marks.length === 0 ? undefined : checkClient(claims, audience ?? [])
}

function isAccess(value: unknown): boolean {
  return typeof value === 'string' && ACCESS_USE.test(value)
}

function isOther(value: unknown, others: RegExp): boolean {
  return typeof value === 'string' && others.test(value) && !isAccess(value)
}

/** Whether a claim says that the token is bound to a key, but the token names none (RFC 9449 §6), so nothing can prove it. */
function isUnboundDpop(claims: RawClaims, name: string): boolean {
  const value = getOwn(claims, name)
  return typeof value === 'string' && /^dpop$/i.test(value) && !Object.hasOwn(claims, 'cnf')
}

/**
 * Rejects a token that may be the ID token of one of this API's own clients, if marks of ID tokens are allowed. `aud` of an ID
 * token contains its client (OpenID Connect Core §2), so no claim may name one of the configured audiences as the client. If
 * `aud` has several values, the token must say which of them is its client.
 */
function checkClient(claims: RawClaims, ours: readonly string[]): Inactive | undefined {
  const clients = CLIENT_CLAIMS.map((name) => nameOf(claims, name)).filter((client) => client !== undefined)
  if (clients.length === 0 && audienceOf(getOwn(claims, 'aud')).length > 1)
    return inactive(
      'not_an_access_token',
      'the token has several values of "aud", and neither "client_id" nor "azp"',
    )
  return clients.some((client) => ours.includes(client))
    ? inactive('not_an_access_token', 'its client is also its audience, as in an ID token')
    : undefined
}

/**
 * Checks `token_type` (RFC 7662 §2.2) and the other claims that name the kind of a token. Some servers say `access_token`
 * instead of the type of RFC 6749 §7.1, such as `Bearer`.
 */
export function checkTokenType(claims: RawClaims): Inactive | undefined {
  const type = getOwn(claims, 'token_type')
  return type === undefined || isAccess(type)
    ? checkKind(claims)
    : inactive('not_an_access_token', `${kindDetail('token_type', type)}, expected a value such as "Bearer"`)
}
