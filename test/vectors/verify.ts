/**
 * The way of a compact JWS through the core's own modules, for vectors whose payload is not a claims set. Both twins of the
 * signature check must say the same of each.
 */

import type { Reason } from '@bearergate/core'
import { decodeJws, parseJws, signingKey } from '../../packages/core/src/verify/jwt/jws.ts'
import {
  ALGORITHMS,
  type Algorithm,
  type VerificationKey,
  verificationKey,
} from '../../packages/core/src/verify/keys/jwk.ts'
import { FixedKeySet, type KeySet } from '../../packages/core/src/verify/keys/key-set.ts'
import { KeyTries } from '../../packages/core/src/verify/keys/key-tries.ts'
import { keySetLimits } from '../../packages/core/src/verify/keys/options.ts'
import { RemoteKeySet } from '../../packages/core/src/verify/keys/remote-key-set.ts'
import { outcomeOfBoth } from '../support/twins.ts'

/** `unavailable` is what a gate answers with 503; an unusable key is a `TypeError` at creation. */
export type Outcome = 'verified' | 'unavailable' | Reason | `unusable key: ${string}`

/** The outcome by keys that were given, as with `jwt({ keys })`: secrets are allowed, unusable keys are not. */
export async function verifyByGiven(
  token: string,
  jwks: readonly unknown[],
  allowed: readonly Algorithm[] = ALGORITHMS,
): Promise<Outcome> {
  const keys: VerificationKey[] = []
  for (const jwk of jwks) {
    const key = verificationKey(jwk, allowed, 'allow-secrets')
    if (typeof key === 'string') return `unusable key: ${key}`
    keys.push(key)
  }
  return verify(token, new FixedKeySet(keys), allowed)
}

/** The outcome by keys that an issuer published, as with `jwt({ jwksUri })`: what is unusable is passed over. */
export async function verifyByFetched(token: string, jwks: readonly unknown[]): Promise<Outcome> {
  const keys = new RemoteKeySet({
    issuer: 'https://id.example.com',
    fetchKeys: async () => ({ body: { keys: jwks }, maxAge: undefined }),
    algorithms: ALGORITHMS,
    limits: keySetLimits({}),
  })
  return verify(token, keys, ALGORITHMS)
}

async function verify(token: string, keys: KeySet, allowed: readonly Algorithm[]): Promise<Outcome> {
  const decoded = decodeJws(token)
  const jws = 'active' in decoded ? decoded : parseJws(decoded, allowed)
  if ('active' in jws) return jws.reason
  const candidates = await Promise.resolve(keys.find(jws.alg, jws.kid)).catch(() => undefined)
  if (candidates === undefined) return 'unavailable'
  for (const key of candidates) await outcomeOfBoth(key, token)
  try {
    if ((await signingKey(jws, candidates, new KeyTries(keys.tries.unknown))) !== undefined) return 'verified'
    return candidates.length === 0 ? 'unknown_key' : 'invalid_signature'
  } catch {
    return 'unavailable'
  }
}

/** A published key without its private members. */
export function publicOf(jwk: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const secret = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth']
  return Object.fromEntries(Object.entries(jwk).filter(([name]) => !secret.includes(name)))
}
