/** Both twins of the signature check, and what each says of a signature. */

import * as node from '../../packages/core/src/verify/jwt/signature.node.ts'
import * as portable from '../../packages/core/src/verify/jwt/signature.ts'
import type { VerificationKey } from '../../packages/core/src/verify/keys/jwk.ts'

export type Twin = typeof portable

export const TWINS: readonly (readonly [name: string, twin: Twin])[] = [
  ['Node twin', node],
  ['portable twin', portable],
]

/** Whether a twin accepts the signature of a compact JWS; `unusable` if it does not accept the key. */
export async function outcomeOf(
  twin: Twin,
  key: VerificationKey,
  token: string,
): Promise<boolean | 'unusable'> {
  const end = token.lastIndexOf('.')
  try {
    return await twin.verifySignature(key, token.slice(0, end), token.slice(end + 1))
  } catch {
    return 'unusable'
  }
}

/** The same outcome of both twins. Throws if they disagree. */
export async function outcomeOfBoth(key: VerificationKey, token: string): Promise<boolean | 'unusable'> {
  const [one, other] = await Promise.all(TWINS.map(([, twin]) => outcomeOf(twin, key, token)))
  if (one !== other || one === undefined)
    throw new Error(`The twins disagree by ${key.jwk.alg}: ${one} on Node, ${other} elsewhere`)
  return one
}
