/** Finds the key that made the signature of a token which is not an access token of a request. */

import type { VerificationKey } from '../keys/jwk.ts'
import type { KeySet } from '../keys/key-set.ts'
import { KeyTries } from '../keys/key-tries.ts'
import { type CompactJws, signingKey } from './jws.ts'

export interface Tried {
  /** The key that made the signature. `undefined` if none of them did. */
  readonly key: VerificationKey | undefined
  /** The keys that fit the header of the token. */
  readonly tried: readonly VerificationKey[]
}

/**
 * Tries the keys of a set, and then those of a newer set, as for an unknown caller.
 * @throws UnavailableError if there are no keys, or a newer set could have the key but is not available
 */
export async function findSigningKey(jws: CompactJws, keys: KeySet): Promise<Tried> {
  const { alg, kid } = jws
  const tries = new KeyTries(keys.tries.unknown)
  const known = await keys.find(alg, kid)
  const key = await signingKey(jws, known, tries)
  if (key !== undefined) return { key, tried: known }
  const unseen = await keys.search(alg, kid, known, undefined).catch((cause) => {
    if (known.length > 0) return []
    throw cause
  })
  return { key: await signingKey(jws, unseen, tries), tried: [...known, ...unseen] }
}
