/** Explains to operators why a token was rejected. A detail is created only if a listener reads it. */

import { MAX_SHOWN, quoted, quotedList, received } from '../../lib/received.ts'
import { isNumericDate, type Seconds } from '../../model/units.ts'
import { ALGORITHMS, type Algorithm } from '../keys/jwk.ts'
import { algorithmMismatch, type KeySetDescription } from '../keys/key-set.ts'
import { nearestMiss } from './near-miss.ts'

/** Compares the values of `iss` or `aud`, which are no secrets, with the configured ones. */
export function mismatch(claim: string, actual: readonly string[], expected: readonly string[]): string {
  const values = `${quotedList(actual, MAX_SHOWN)}, expected ${quotedList(expected, MAX_SHOWN) || 'none'}`
  const near = nearestMiss(actual, expected)
  return near === undefined
    ? `${claim} is ${values}`
    : `${claim} differs ${near.difference} only: it is ${values}`
}

/** Says how far a date is away, such as `expired 120 s ago, tolerance 30 s`. */
export function distance(what: string, seconds: Seconds, suffix: string, tolerance: Seconds): string {
  return `${what} ${rounded(seconds)} s ${suffix}, tolerance ${tolerance} s`
}

function rounded(seconds: Seconds): number {
  return Math.round(seconds * 10) / 10
}

/** Says why a claim is no date. Its value is not shown: it may be anything. */
export function dateDetail(claim: string, value: unknown): string {
  const found =
    typeof value !== 'number'
      ? received(value)
      : isNumericDate(value / 1000)
        ? 'a number that looks like milliseconds'
        : 'a number that is out of range'
  return `${claim} must be a NumericDate, in seconds since the epoch, but is ${found}`
}

/** Names the `typ` of a token, and those that are allowed. `undefined` stands for a token without `typ`. */
export function typeDetail(typ: unknown, allowed: readonly (string | undefined)[]): string {
  const names = quotedList(allowed.filter((name) => name !== undefined))
  const given = typ === undefined ? 'typ is missing' : kindDetail('typ', typ)
  return `${given}, allowed ${allowed.includes(undefined) ? `are ${names}, or no typ` : `is ${names}`}`
}

/** A media type of JWTs (RFC 8725 §3.11), or a name that issuers use for a kind of token. */
const KIND =
  /^(?:jwt|jws|jose|bearer|dpop|(?:access|id|refresh|offline|logout)(?:[_-]token)?|(?:application\/)?[a-z]{1,16}(?:-[a-z]{1,16}){0,3}\+(?:sd-)?jwt)$/i

/** Names a value of a token that says which kind of token it is. Any other text is not shown: it may be anything. */
export function kindDetail(name: string, value: unknown): string {
  if (typeof value !== 'string') return `${name} is ${received(value)}`
  return `${name} is ${KIND.test(value) ? quoted(value) : 'unknown'}`
}

/** Names the algorithm of a token, and those that are allowed. */
export function algorithmDetail(alg: unknown, allowed: readonly Algorithm[]): string {
  // Only a name that is known is shown: any other text may be anything.
  const given = [...ALGORITHMS, 'none'].includes(alg as Algorithm) ? `"${alg}"` : 'unknown'
  const isHmac = typeof alg === 'string' && /^HS\d/.test(alg)
  const hint = isHmac
    ? allowed.some((name) => name.startsWith('HS'))
      ? `. If the issuer signs with it, write algorithms: ['${alg}']`
      : '. A token with a shared secret needs the option "secret"'
    : allowed.every((name) => name.startsWith('HS'))
      ? '. A token that is signed with a private key needs "publicKey", "jwksUri" or discovery instead of "secret"'
      : ''
  return `alg is ${given}, allowed are ${allowed.join(', ')}${hint}`
}

/** Names the `kid` of a token, the keys of the set, and when the set may be fetched again. */
export function unknownKeyDetail(keySet: KeySetDescription, alg: Algorithm, kid: string | undefined): string {
  const { refetchIn } = keySet
  const next =
    refetchIn === undefined
      ? ''
      : `. The gate may fetch the keys again because of a token with an unknown key ${refetchIn > 0 ? `in ${Math.ceil(refetchIn)} s` : 'now'}`
  const mismatched = algorithmMismatch(keySet, alg, kid)
  if (mismatched !== undefined) return mismatched
  return `${kid === undefined ? `no key is for ${alg}` : `no key has the kid ${quoted(kid, MAX_SHOWN)}`}: the keys are ${keyNames(keySet)}${next}`
}

/** Names the key that a token claims to be signed with. */
export function signatureDetail(tried: number, alg: Algorithm, kid: string | undefined): string {
  const key = kid === undefined ? `none of ${tried} keys` : `no key with the kid ${quoted(kid, MAX_SHOWN)}`
  return `${key} made the signature (${alg})`
}

/** Names the keys of a set. */
export function keyNames({ keys, given = [] }: KeySetDescription): string {
  const names = [...given, ...keys].map(
    ({ kid, algorithms }) => kid ?? `one without kid for ${algorithms[0]}`,
  )
  return names.length === 0 ? 'none' : quotedList(names, MAX_SHOWN)
}
