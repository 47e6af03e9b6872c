/** Reads values of claims whose types differ between issuers (RFC 7519 §4.1, RFC 8693 §4.2). */

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
