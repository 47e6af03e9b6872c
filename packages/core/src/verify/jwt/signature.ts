/** Verifies signatures with WebCrypto, on every runtime except Node. The twin of `signature.node.ts`. */

import { base64url, type CryptoKey, type JWK } from 'jose'
import type { VerificationKey } from '../keys/jwk.ts'

/** The imported keys. A `WeakMap`, so that the key of a replaced set is released with it. */
const imported = new WeakMap<VerificationKey, CryptoKey>()
const encoder = new TextEncoder()

/** Imports a key unless that was done before. Rejects if the runtime does not accept it, such as a point off its curve. */
export async function importKey(key: VerificationKey): Promise<void> {
  if (!imported.has(key)) await importNow(key)
}

/**
 * Checks a signature by the algorithm of the key (RFC 7515 §5.2). Returns `false` for a signature that the key did not make.
 * @param signed the header and payload of a compact JWS, with the dot between them
 * @param signature canonical base64url
 * @throws if the runtime does not accept the key
 */
export function verifySignature(
  key: VerificationKey,
  signed: string,
  signature: string,
): boolean | Promise<boolean> {
  return verify(key, signed, signature)
}

async function verify(key: VerificationKey, signed: string, signature: string): Promise<boolean> {
  const known = imported.get(key) ?? (await importNow(key))
  const made = base64url.decode(signature) as Uint8Array<ArrayBuffer>
  try {
    return await crypto.subtle.verify(parametersOf(key.jwk), known, made, encoder.encode(signed))
  } catch {
    // Workers throw for a signature of the wrong length.
    return false
  }
}

/** Imports a key for its one algorithm. WebCrypto checks that the key and the algorithm belong together. */
async function importNow(key: VerificationKey): Promise<CryptoKey> {
  const made = await crypto.subtle.importKey('jwk', key.jwk, parametersOf(key.jwk), true, ['verify'])
  imported.set(key, made)
  return made
}

/** The parameters of WebCrypto for an algorithm. */
interface AlgorithmParameters {
  readonly name: string
  readonly hash?: string
  readonly namedCurve?: string
  readonly saltLength?: number
}

/** Returns the algorithm of a key in the terms of WebCrypto, with the parameters that RFC 7518 §3.2 to §3.5 define. */
function parametersOf({ alg = '', crv = alg }: JWK): AlgorithmParameters {
  const bits = Number(alg.slice(2))
  const hash = `SHA-${bits}`
  if (alg.startsWith('HS')) return withoutPrototype({ name: 'HMAC', hash })
  if (alg.startsWith('RS')) return withoutPrototype({ name: 'RSASSA-PKCS1-v1_5', hash })
  if (alg.startsWith('PS')) return withoutPrototype({ name: 'RSA-PSS', hash, saltLength: bits / 8 })
  if (alg.startsWith('ES')) return withoutPrototype({ name: 'ECDSA', hash, namedCurve: crv })
  return withoutPrototype({ name: crv })
}

/** Removes the prototype. WebCrypto reads optional parameters, which must not come from a polluted `Object.prototype`. */
function withoutPrototype<T extends object>(members: T): T {
  return Object.assign(Object.create(null), members)
}
