/** What the vectors have in common: their form, their keys and their claims. */

import type { JsonWebKey } from 'node:crypto'
import keys from './keys.json' with { type: 'json' }

export interface Vector {
  readonly id: string
  readonly comment: string
  /** The one key of the verifier: a public key, or a secret. */
  readonly key: JsonWebKey
  /** The algorithms that the verifier allows, the preferred one first. */
  readonly algorithms: readonly string[]
  readonly token: string
  readonly result: 'valid' | 'invalid'
  /** Why this library rejects the token; `unusable_key` if the key itself is rejected. */
  readonly reason?: string
}

export interface VectorFile {
  readonly about: string
  readonly vectors: readonly Vector[]
}

/** What the claims say, and when the tokens are good. */
export const SETTING = {
  issuer: 'https://id.example.com',
  audience: 'https://api.example.com',
  now: 1_767_225_600,
} as const

export const KEYS: Readonly<Record<Exclude<keyof typeof keys, 'warning'>, JsonWebKey>> = keys

/** Returns the claims of a good token, as JSON text. */
export function claimsText(id: string): string {
  const { issuer, audience, now } = SETTING
  return JSON.stringify({ iss: issuer, aud: audience, sub: 'emma', iat: now - 10, exp: now + 600, jti: id })
}

export function encode(value: string | Uint8Array): string {
  return Buffer.from(value).toString('base64url')
}

/** Returns what is signed: a header with this algorithm and good claims. */
export function signingInput(alg: string, id: string): string {
  return `${encode(JSON.stringify({ alg, typ: 'at+jwt' }))}.${encode(claimsText(id))}`
}

/** Returns the public members of a key; a secret is returned whole. */
export function publicJwk({ kty, n, e, crv, x, y, k }: JsonWebKey): JsonWebKey {
  const members = Object.entries({ kty, n, e, crv, x, y, k }).filter(([, value]) => value !== undefined)
  return Object.fromEntries(members)
}

export interface Given {
  readonly key: JsonWebKey
  readonly algorithms: readonly string[]
  readonly token: string
  /** Absent: the token is valid. */
  readonly reason?: string
}

/** Collects vectors whose ids begin with `prefix`. */
export function collector(prefix: string) {
  const vectors: Vector[] = []
  return {
    vectors,
    add(name: string, comment: string, { key, algorithms, token, reason }: Given): void {
      const outcome =
        reason === undefined ? { result: 'valid' as const } : { result: 'invalid' as const, reason }
      vectors.push({ id: `${prefix}-${name}`, comment, key, algorithms, token, ...outcome })
    },
  }
}
