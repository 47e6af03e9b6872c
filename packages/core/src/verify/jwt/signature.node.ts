/**
 * Verifies signatures on Node, on the thread pool. The twin of `signature.ts`.
 *
 * WebCrypto on Node does the same work, but takes about 1.6 times as much time of the event loop for each signature. That time
 * limits how many tokens a process can verify.
 */

import { Buffer } from 'node:buffer'
import {
  constants,
  createHmac,
  createPublicKey,
  createSecretKey,
  type KeyObject,
  timingSafeEqual,
  type VerifyKeyObjectInput,
  verify,
} from 'node:crypto'
// Not the global function, which tests of applications replace by a fake one.
import { setImmediate } from 'node:timers'
import type { VerificationKey } from '../keys/jwk.ts'

/** The hash, and a secret for HMAC, or a public key with the parameters of its algorithm. EdDSA and ML-DSA have no hash. */
type Imported =
  | { readonly hash: string; readonly secret: KeyObject; readonly input?: undefined }
  | { readonly hash: string | null; readonly secret: undefined; readonly input: VerifyKeyObjectInput }

/** The imported keys. A `WeakMap`, so that the key of a replaced set is released with it. */
const imported = new WeakMap<VerificationKey, Imported>()

/** Imports a key unless that was done before. Rejects if the runtime does not accept it, such as a point off its curve. */
export async function importKey(key: VerificationKey): Promise<void> {
  if (!imported.has(key)) importNow(key)
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
  const known = imported.get(key) ?? importNow(key)
  const data = Buffer.from(signed, 'latin1')
  const made = Buffer.from(signature, 'base64url')
  // HMAC is faster than a turn of the thread pool. The comparison takes the same time for every wrong signature.
  if (known.secret !== undefined) {
    const expected = createHmac(known.hash, known.secret).update(data).digest()
    return expected.length === made.length && timingSafeEqual(expected, made)
  }
  return new Promise((resolve, reject) => {
    if (waiting.length === 0) setImmediate(startAll)
    waiting.push(() => {
      try {
        verify(known.hash, data, known.input, made, (cause, isValid) =>
          cause === null ? resolve(isValid) : reject(cause),
        )
      } catch (cause) {
        reject(cause) // Not thrown: the other checks would not start.
      }
    })
  })
}

/** Signature checks that start together, after this turn of the event loop has handled all requests that have arrived. */
let waiting: (() => void)[] = []

/**
 * Starts the waiting checks one right after the other. Each start wakes a sleeping thread of the pool, which may take the core
 * of the event loop for the time of a whole check. In a row, the threads are awake already.
 */
function startAll(): void {
  const starts = waiting
  waiting = []
  for (const start of starts) start()
}

/** Imports a key for its one algorithm. */
function importNow(key: VerificationKey): Imported {
  const { alg = '', k } = key.jwk
  const made: Imported =
    k === undefined
      ? // Its own member, so that one on `Object.prototype` cannot make a public key a secret.
        { hash: hashOf(alg), secret: undefined, input: inputOf(alg, publicKeyOf(key)) }
      : { hash: `sha${alg.slice(2)}`, secret: createSecretKey(Buffer.from(k, 'base64url')) }
  imported.set(key, made)
  return made
}

function publicKeyOf({ jwk }: VerificationKey): KeyObject {
  return createPublicKey(withoutPrototype({ key: jwk, format: 'jwk' as const }))
}

/** Returns the hash of an algorithm, or `null` for those that have none, as `crypto.verify` expects it. */
function hashOf(alg: string): string | null {
  return /^(?:RS|PS|ES)/.test(alg) ? `sha${alg.slice(2)}` : null
}

/** Returns a key with the parameters that RFC 7518 §3.3 to §3.5 define. JWS has ECDSA signatures as two numbers, not in DER. */
function inputOf(alg: string, key: KeyObject): VerifyKeyObjectInput {
  const parameters = alg.startsWith('RS')
    ? { padding: constants.RSA_PKCS1_PADDING }
    : alg.startsWith('PS')
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : alg.startsWith('ES')
        ? { dsaEncoding: 'ieee-p1363' as const }
        : {}
  return withoutPrototype({ key, ...parameters })
}

/** Removes the prototype. Node reads optional parameters, which must not come from a polluted `Object.prototype`. */
function withoutPrototype<T extends object>(members: T): T {
  return Object.assign(Object.create(null), members)
}
