/**
 * Reads values of claims whose types differ between issuers (RFC 7519 §4.1, RFC 8693 §4.2).
 *
 * A claim of the wrong type is left out instead of rejecting the token, if nothing depends on it. Otherwise one `null` in a
 * claim that the application never reads would keep all users of an issuer out.
 */

import { getOwn, isObject, isStrings } from '../../lib/json.ts'
import { isNumericDate, type Seconds } from '../../model/units.ts'

/** The members of a JWT, or of an introspection response. */
export type RawClaims = Readonly<Record<string, unknown>>

/** An empty list, which identities share. */
export const NONE: readonly string[] = Object.freeze([])

/** Returns a claim if it is a string. */
export function stringOf(claims: RawClaims, name: string): string | undefined {
  const value = getOwn(claims, name)
  return typeof value === 'string' ? value : undefined
}

/** Returns a claim if it is a string that is not empty. An empty name would make all callers without a name the same one. */
export function nameOf(claims: RawClaims, name: string): string | undefined {
  return stringOf(claims, name) || undefined
}

/** The claims that name a client: `client_id` (RFC 9068 §2.2), and the names of other issuers for it. */
export const CLIENT_CLAIMS: readonly string[] = ['client_id', 'azp', 'appid', 'cid']

/** Returns the client that a token was issued to: the first of these claims that names one. */
export function clientOf(claims: RawClaims): string | undefined {
  for (const claim of CLIENT_CLAIMS) {
    const client = nameOf(claims, claim)
    if (client !== undefined) return client
  }
  return undefined
}

/** The claims that list scopes: `scope` (RFC 9068 §2.2.3), and the names of other issuers for it. */
export const SCOPE_CLAIMS: readonly string[] = ['scope', 'scp', 'permissions']

/** Returns a claim if it is a NumericDate (RFC 7519 §2). */
export function dateOf(claims: RawClaims, name: string): Seconds | undefined {
  const value = getOwn(claims, name)
  return isNumericDate(value) ? value : undefined
}

/** Returns a claim if it is an object, or an empty object. */
export function member(claims: RawClaims, name: string): RawClaims {
  const value = getOwn(claims, name)
  return isObject(value) ? value : {}
}

/** Reads `aud`: one string, or an array of strings (RFC 7519 §4.1.3). */
export function audienceOf(aud: unknown): readonly string[] {
  return typeof aud === 'string' ? [aud] : isStrings(aud) ? aud : NONE
}

/** Reads names. A string is one name, with its spaces: `Billing admin` is not `admin`. Anything but strings has none. */
export function namesOf(value: unknown): readonly string[] {
  return typeof value === 'string' ? [value] : isStrings(value) ? value : NONE
}

/** Reads a list: the parts of a string between spaces, or an array of strings. Anything else is empty. */
export function listOf(value: unknown): readonly string[] {
  if (typeof value !== 'string') return isStrings(value) ? value : NONE
  const parts = value.split(' ')
  return parts.includes('') ? parts.filter((item) => item !== '') : parts
}

// The forms of claims, for the lists below.
const isName = (value: unknown) => typeof value === 'string' && value !== ''
const isText = (value: unknown) => typeof value === 'string'
const isList = (value: unknown) => typeof value === 'string' || isStrings(value)

/**
 * The forms of the claims that an identity is made of, and that decide nothing by themselves (RFC 7519 §4.1, RFC 9068 §2.2).
 */
const FORMS: readonly (readonly [name: string, hasForm: (value: unknown) => boolean])[] = [
  ['auth_time', isNumericDate],
  ...['sub', 'client_id', 'jti'].map((name) => [name, isName] as const),
  ['act', isObject],
  ...['scope', 'scp'].map((name) => [name, isList] as const),
]

/** The same for claims of single issuers. No profile requires a form of them. */
const OTHER_FORMS: typeof FORMS = [
  ['acr', isText],
  ...['azp', 'appid', 'cid'].map((name) => [name, isName] as const),
  ...['permissions', 'roles'].map((name) => [name, isList] as const),
]

const ALL_FORMS: typeof FORMS = [...FORMS, ...OTHER_FORMS]

/** Whether a claim is there, but not in its form. */
const isOdd =
  (claims: RawClaims) =>
  ([name, hasForm]: (typeof FORMS)[number]) =>
    Object.hasOwn(claims, name) && !hasForm(claims[name])

/** Returns the name of the first claim of RFC 9068 that an identity cannot have because of its form. */
export function oddClaim(claims: RawClaims): string | undefined {
  return FORMS.find(isOdd(claims))?.[0]
}

/**
 * Returns the names of all claims that an identity leaves out because of their form, for `onDecision`. `null` is not reported,
 * because some issuers write it for a claim that they do not have.
 */
export function oddClaims(claims: RawClaims): readonly string[] {
  const isReported = isOdd(claims)
  const odd = ALL_FORMS.filter((form) => isReported(form) && claims[form[0]] !== null)
  return odd.length === 0 ? NONE : odd.map(([name]) => name)
}
