/** From claims to an identity: the same words for what issuers call by different names. */

import { assertFunction, ignoreRejection, isPromiseLike, type Seconds } from '../../lib/assert.ts'
import {
  frozen,
  frozenIdentity,
  frozenJson,
  getOwn,
  type Identity,
  isNumericDate,
  isObject,
  isStrings,
} from '../../model/identity.ts'
import { UnavailableError } from '../../model/rejection.ts'
import { type Inactive, inactive, isInactive } from '../verifier.ts'
import { conform, type StandardSchema, schema } from './schema.ts'

/** The members of a JWT, or of an introspection response. */
export type RawClaims = Readonly<Record<string, unknown>>

type ClaimValue = string | number | boolean

/** What becomes of the claims of a good token. */
export interface ClaimsOptions<Claims = RawClaims> {
  /**
   * A Standard Schema for the claims. What it gives is the identity's `claims`, typed; what it refuses is `invalid_claim`.
   * Default: all claims, as they are.
   */
  claims?: StandardSchema<Claims> | undefined
  /**
   * Claims that must be there with this value, or one of these values, or one that the function says `true` to; a claim
   * that is an array must contain one. `missing_claim` or `invalid_claim` where it is not so. Default: none.
   */
  requiredClaims?:
    | Readonly<Record<string, ClaimValue | readonly ClaimValue[] | ((value: unknown) => boolean)>>
    | undefined
  /** The identity's scopes. Default: the first that is there of `scope` (RFC 9068 §2.2.3), `scp` and `permissions`. */
  scopes?: ((claims: RawClaims) => readonly string[]) | undefined
  /**
   * The identity's roles. Default: `roles` (RFC 9068 §2.2.3.1), `realm_access.roles`, and the `roles` of those of
   * `resource_access` that are named as the audience.
   */
  roles?: ((claims: RawClaims) => readonly string[]) | undefined
}

export const CLAIMS_OPTIONS = ['claims', 'requiredClaims', 'scopes', 'roles'] as const

/** Makes an identity of claims whose form and source were checked, and which were parsed for it: they are frozen as they are. */
export type ReadClaims<Claims> = (
  claims: RawClaims,
) => Identity<Claims> | Inactive | Promise<Identity<Claims> | Inactive>

/**
 * @param audience who we are, by which our part of `resource_access` is found
 * @param issuer who vouches for claims without `iss`: the issuer of the authorization server that was asked
 */
export function claimsReader<Claims = RawClaims>(
  kind: 'jwt' | 'introspection',
  options: ClaimsOptions<Claims>,
  audience: readonly string[] | null,
  issuer?: string,
): ReadClaims<Claims> {
  const required = requirements(options.requiredClaims)
  const scopesOf = assertFunction('scopes', options.scopes, scopes)
  const rolesOf = assertFunction('roles', options.roles, (claims: RawClaims) => roles(claims, audience ?? []))
  const wanted = options.claims === undefined ? undefined : schema('claims', options.claims)

  const issuerOf = (raw: RawClaims) => textOf(raw, 'iss') ?? issuer

  function identity(raw: RawClaims, claims: Claims): Identity<Claims> {
    return frozenIdentity<Claims>({
      kind,
      subject: textOf(raw, 'sub'),
      issuer: issuerOf(raw),
      clientId: textOf(raw, 'client_id') ?? textOf(raw, 'azp') ?? textOf(raw, 'appid') ?? textOf(raw, 'cid'),
      audience: audienceOf(getOwn(raw, 'aud')),
      scopes: listFrom('scopes', scopesOf(raw)),
      roles: listFrom('roles', rolesOf(raw)),
      expiresAt: dateOf(raw, 'exp'),
      issuedAt: dateOf(raw, 'iat'),
      tokenId: textOf(raw, 'jti'),
      acr: textOf(raw, 'acr'),
      authenticatedAt: dateOf(raw, 'auth_time'),
      claims,
      actor: getOwn(raw, 'act') as RawClaims | undefined,
      confirmation: getOwn(raw, 'cnf') as RawClaims | undefined,
      source: { verifier: kind, issuer: issuerOf(raw), tokenFrom: 'header' },
    })
  }

  return (given) => {
    const raw = frozenJson(given)
    for (const check of required) {
      const refusal = check(raw)
      if (refusal !== undefined) return refusal
    }
    if (wanted === undefined) return identity(raw, raw as Claims)
    const judge = (result: { value: Claims } | Inactive) =>
      isInactive(result) ? result : identity(raw, frozen(result.value))
    const result = conform(wanted, raw)
    return isPromiseLike(result) ? result.then(judge) : judge(result)
  }
}

type Check = (claims: RawClaims) => Inactive | undefined

function requirements(required: ClaimsOptions['requiredClaims']): readonly Check[] {
  if (required === undefined) return []
  if (!isObject(required)) throw new TypeError('"requiredClaims" must be an object of claims')
  return Object.entries(required).map(([name, wanted]) => {
    const isWanted = typeof wanted === 'function' ? asked(name, wanted) : among(name, wanted)
    return (claims) => {
      if (!Object.hasOwn(claims, name)) return inactive('missing_claim', name)
      return isWanted(claims[name]) ? undefined : inactive('invalid_claim', name)
    }
  })
}

function asked(name: string, predicate: (value: unknown) => boolean): (value: unknown) => boolean {
  return (value) => {
    const answer: unknown = predicate(value)
    if (typeof answer === 'boolean') return answer
    ignoreRejection(answer)
    throw new UnavailableError(
      `"requiredClaims" has a function for "${name}" that gave neither true nor false`,
    )
  }
}

function among(name: string, wanted: ClaimValue | readonly ClaimValue[]): (value: unknown) => boolean {
  const values: readonly unknown[] = Array.isArray(wanted) ? [...wanted] : [wanted]
  if (values.length === 0 || !values.every((value) => /^(?:string|number|boolean)$/.test(typeof value)))
    throw new TypeError(`"requiredClaims" must have a value, or a non-empty array of them, for "${name}"`)
  return (value) => (Array.isArray(value) ? value : [value]).some((item) => values.includes(item))
}

/** A list that a function of the user's gave. */
function listFrom(name: string, given: unknown): readonly string[] {
  if (isStrings(given)) return [...given]
  ignoreRejection(given)
  throw new UnavailableError(`"${name}" gave no list of strings`)
}

function textOf(claims: RawClaims, name: string): string | undefined {
  const value = getOwn(claims, name)
  return typeof value === 'string' ? value : undefined
}

function dateOf(claims: RawClaims, name: string): Seconds | undefined {
  const value = getOwn(claims, name)
  return isNumericDate(value) ? value : undefined
}

/** `aud` is one string or an array of them (RFC 7519 §4.1.3). */
export function audienceOf(aud: unknown): readonly string[] {
  return typeof aud === 'string' ? [aud] : isStrings(aud) ? aud : []
}

/** Only the first that is there: what a user may do elsewhere does not widen what this token was given. */
function scopes(claims: RawClaims): readonly string[] {
  const name = ['scope', 'scp', 'permissions'].find((candidate) => Object.hasOwn(claims, candidate))
  return name === undefined ? [] : listOf(claims[name])
}

const ROLES = ['roles', 'realm_access', 'resource_access']

function roles(claims: RawClaims, audience: readonly string[]): readonly string[] {
  if (!ROLES.some((name) => Object.hasOwn(claims, name))) return []
  const resources = member(claims, 'resource_access')
  const all = [
    getOwn(claims, 'roles'),
    getOwn(member(claims, 'realm_access'), 'roles'),
    ...audience.map((name) => getOwn(member(resources, name), 'roles')),
  ]
  return [...new Set(all.flatMap(namesOf))]
}

/** A member that is an object, or an empty one. */
export function member(object: RawClaims, name: string): RawClaims {
  const value = getOwn(object, name)
  return isObject(value) ? value : {}
}

/** A string is one name, spaces and all: `Billing admin` is no `admin`. An array of strings has several, anything else none. */
export function namesOf(value: unknown): readonly string[] {
  return typeof value === 'string' ? [value] : isStrings(value) ? value : []
}

/** Of a string the parts between spaces, of an array of strings its items, of anything else nothing. */
export function listOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return value.split(' ').filter((item) => item !== '')
  return isStrings(value) ? value : []
}
