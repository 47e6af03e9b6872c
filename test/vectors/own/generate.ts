/**
 * Writes the vectors of this folder again:
 *
 *     node --import tsx test/vectors/own/generate.ts
 *
 * They depend on keys.json alone, so that each run writes the same bytes, and the tests check that they are what is
 * committed. PKCS #1 and Ed25519 signatures are deterministic anyway. PSS gets a fixed salt. ECDSA gets a nonce that is
 * an HMAC of what is signed under the private key. It is not the nonce of RFC 6979, because a vector may need the next
 * one, and the next, until the signature has the wanted form. `arithmetic.ts` makes both from BigInt, and from the
 * point multiplication and the raw RSA operation of node:crypto.
 *
 * A vector is `{ id, comment, key, algorithms, token, result, reason? }`: a verifier with this one key and these
 * algorithms accepts or rejects the token. `result` follows the RFCs, `reason` is this library's. Issuer, audience and
 * time of a verifier are in `SETTING` of vector.ts.
 */

import { writeFileSync } from 'node:fs'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'
import { ecdsaVectors } from './ecdsa.ts'
import { eddsaVectors, macVectors } from './mac-eddsa.ts'
import { rsaVectors } from './rsa.ts'
import { confusionVectors, jsonVectors, textVectors } from './text.ts'
import type { VectorFile } from './vector.ts'

const FAMILIES: Readonly<Record<string, () => VectorFile>> = {
  ecdsa: ecdsaVectors,
  rsa: rsaVectors,
  hmac: macVectors,
  eddsa: eddsaVectors,
  text: textVectors,
  json: jsonVectors,
  confusion: confusionVectors,
}

/** Returns the content of each file by its name. */
export function generate(): ReadonlyMap<string, string> {
  return new Map(Object.entries(FAMILIES).map(([name, make]) => [`${name}.json`, format(make())]))
}

/** Formats as the formatter of the repository does: short arrays stand in one line. */
function format(file: VectorFile): string {
  const text = JSON.stringify(file, null, 2)
  return `${text.replace(/\[\s+("[^"\]]*"(?:,\s+"[^"\]]*")*)\s+\]/g, (_, items: string) => `[${items.replace(/,\s+/g, ', ')}]`)}\n`
}

if (argv[1] === fileURLToPath(import.meta.url))
  for (const [name, content] of generate()) writeFileSync(new URL(name, import.meta.url), content)
