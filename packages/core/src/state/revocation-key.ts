/** Creates the keys under which revocations of token ids, sessions and subjects are stored. */

import { type Identity, isRounded } from '../model/identity.ts'

/**
 * Returns the key of a name. The first letter tells texts from numbers, and names with an issuer from those without. The length
 * tells where the issuer ends. So no two names have the same key.
 */
export function keyOf(name: string | number, issuer?: string): string {
  const isNumber = typeof name === 'number'
  if (issuer === undefined) return `${isNumber ? 'n' : 't'}${name}`
  return `${isNumber ? 'N' : 'T'}${issuer.length} ${issuer}${name}`
}

/**
 * Returns the names that a revocation is stored under. An integer above 2^53 is also stored as a number, for tokens in which
 * the claim is a number: `JSON.parse` rounds it, so its digits are lost (RFC 8259 §6).
 */
export function storedNames(name: string): readonly (string | number)[] {
  const number = Number(name)
  return isRounded(number) ? [name, number] : [name]
}

/** Returns the issuer that a revocation of this identity must name, if it names any. `undefined` if it is not known. */
export function issuerOf({ source, issuer }: Identity<unknown>): string | undefined {
  return source?.issuer ?? issuer
}
