/** Maps claims to an identity, with one name for claims that issuers name differently (RFC 9068 §2.2). */

import { assertFunction } from '../../lib/assert.ts'
import { frozen, frozenJson } from '../../lib/freeze.ts'
import { getOwn, isObject, isStrings } from '../../lib/json.ts'
import { ignoreRejection, isPromiseLike } from '../../lib/promise.ts'
import { createWholeIdentity, type Identity, setIgnoredClaims } from '../../model/identity.ts'
import { MistakeError } from '../../model/unavailable.ts'
import { type Inactive, isInactive } from '../verification.ts'
import { type RequiredClaims, requiredChecks } from './required.ts'
import { conform, type StandardSchema, schema } from './schema.ts'
import {
  audienceOf,
  clientOf,
  dateOf,
  listOf,
  member,
  NONE,
  nameOf,
  namesOf,
  oddClaims,
  type RawClaims,
  SCOPE_CLAIMS,
  stringOf,
} from './values.ts'

/** The options for the claims of a valid token: which are required, and how they become an identity. */
export interface ClaimsOptions<Claims = RawClaims> {
  /**
   * A Standard Schema for the claims. Its output becomes the `claims` of the identity, with its type. If it rejects them, the
   * answer is 401, with the reason `invalid_claim`. If it throws, the answer is 503. Default: all claims, unchanged.
   *
   * @example
   * const verifier = jwt({ issuer, audience, claims: z.object({ tenant: z.string() }).passthrough() })
   * // with it, `auth.identity(req).claims.tenant` is a string
   */
  claims?: StandardSchema<Claims> | undefined
  /**
   * The claims that a token must have. For each of them, write its value, an array of allowed values, or a function that
   * returns `true` for allowed values. If a claim of the token is an array, one of its values must be allowed. Default: none.
   *
   * If a claim is missing or not allowed, the answer is 401, with the reason `missing_claim` or `invalid_claim`. For the rights
   * that a route needs, use the requirement `claim(…)`: its answer is 403.
   *
   * @example
   * requiredClaims: { tenant: ['acme', 'globex'], email_verified: true, level: (value) => Number(value) >= 2 }
   */
  requiredClaims?: RequiredClaims | undefined
  /**
   * Returns the scopes of the identity. If it throws, the answer is 503. Default: the first of the claims `scope` (RFC 9068
   * §2.2.3), `scp` and `permissions` that the token has.
   */
  scopes?: ((claims: RawClaims) => readonly string[]) | undefined
  /**
   * Returns the roles of the identity. If it throws, the answer is 503. Default: `roles` (RFC 9068 §2.2.3.1),
   * `realm_access.roles`, and the `roles` of each configured audience in `resource_access`.
   */
  roles?: ((claims: RawClaims) => readonly string[]) | undefined
}

/** The names of `ClaimsOptions`, for the check of unknown options. */
export const CLAIMS_OPTIONS = ['claims', 'requiredClaims', 'scopes', 'roles'] as const

/**
 * Makes an identity of checked claims, or rejects them. The claims must belong to nothing else: they are frozen in place.
 * @param all the claims before some were left out, such as those without a value. Default: the same
 */
export type ReadClaims<Claims> = (
  claims: RawClaims,
  all?: RawClaims,
) => Identity<Claims> | Inactive | Promise<Identity<Claims> | Inactive>

/**
 * Creates the function that maps claims to identities.
 * @param audience the configured audience, which selects the roles in `resource_access`
 * @param issuer the issuer of claims without `iss`: that of the authorization server which returned them
 * @throws TypeError if an option is invalid
 */
export function claimsReader<Claims = RawClaims>(
  kind: 'jwt' | 'introspection',
  options: ClaimsOptions<Claims>,
  audience: readonly string[] | null,
  issuer?: string,
): ReadClaims<Claims> {
  const checks = requiredChecks(options.requiredClaims)
  const scopesOf = listReader('scopes', options.scopes, scopes)
  const rolesOf = listReader('roles', options.roles, (claims) => roles(claims, audience ?? NONE))
  const wanted = options.claims === undefined ? undefined : schema('claims', options.claims)

  function identity(raw: RawClaims, claims: Claims, all: RawClaims): Identity<Claims> {
    const act = getOwn(raw, 'act')
    const made = createWholeIdentity<Claims>(kind, {
      subject: nameOf(raw, 'sub'),
      issuer: stringOf(raw, 'iss') ?? issuer,
      clientId: clientOf(raw),
      audience: audienceOf(getOwn(raw, 'aud')),
      scopes: scopesOf(raw, all),
      roles: rolesOf(raw, all),
      expiresAt: dateOf(raw, 'exp'),
      issuedAt: dateOf(raw, 'iat'),
      tokenId: nameOf(raw, 'jti'),
      sessionId: nameOf(raw, 'sid'),
      acr: stringOf(raw, 'acr'),
      authenticatedAt: dateOf(raw, 'auth_time'),
      claims,
      actor: isObject(act) ? act : undefined,
      confirmation: getOwn(raw, 'cnf') as RawClaims | undefined,
    })
    setIgnoredClaims(made, oddClaims(raw), raw)
    return made
  }

  return (given, all = given) => {
    const raw = frozenJson(given)
    for (const check of checks) {
      const rejection = check(raw)
      if (rejection !== undefined) return rejection
    }
    if (wanted === undefined) return identity(raw, raw as Claims, all)
    const finish = (result: { value: Claims } | Inactive) =>
      isInactive(result) ? result : identity(raw, frozen(result.value), all)
    const result = conform(wanted, raw)
    return isPromiseLike(result) ? result.then(finish) : finish(result)
  }
}

/**
 * Returns the scopes of the first claim that exists. A second one may list rights that this token does not have: Auth0, for
 * example, writes the permissions of the user in addition to the scopes of the client. That is also so if the first claim has
 * no value, and was left out for that reason.
 */
function scopes(claims: RawClaims, all: RawClaims): readonly string[] {
  const name = SCOPE_CLAIMS.find((candidate) => Object.hasOwn(all, candidate))
  return name === undefined ? NONE : listOf(getOwn(claims, name))
}

/** The claims that may contain roles. Most tokens have none of them, so nothing else is read. */
const ROLES = ['roles', 'realm_access', 'resource_access']

/**
 * Returns the roles for this API. Those of other APIs in `resource_access` do not count, although they may have the same
 * names. Returns the claim itself if it is the only list and names no role twice, so that an identity takes less memory.
 */
function roles(claims: RawClaims, audience: readonly string[]): readonly string[] {
  if (!ROLES.some((name) => Object.hasOwn(claims, name))) return NONE
  const resources = member(claims, 'resource_access')
  const lists = [
    getOwn(claims, 'roles'),
    getOwn(member(claims, 'realm_access'), 'roles'),
    ...audience.map((name) => getOwn(member(resources, name), 'roles')),
  ]
    .map(namesOf)
    .filter((list) => list.length > 0)
  const [first] = lists
  const all = new Set(lists.flat())
  return lists.length === 1 && first?.length === all.size ? first : [...all]
}

type ListReader = (claims: RawClaims) => readonly string[]
type PresetReader = (claims: RawClaims, all: RawClaims) => readonly string[]

/**
 * Creates the function that copies the list which the function in an option returns. It throws an `UnavailableError` if that
 * is not an array of strings.
 */
function listReader(name: string, given: ListReader | undefined, preset: PresetReader): PresetReader {
  const read = assertFunction<ListReader, undefined>(name, given, undefined)
  if (read === undefined) return preset
  return (claims) => {
    const list: unknown = read(claims)
    if (isStrings(list)) return [...list]
    ignoreRejection(list)
    throw new MistakeError(`"${name}" must return an array of strings`)
  }
}
