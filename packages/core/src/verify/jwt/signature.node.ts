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
  | { readonly hash: string; readonly secret: KeyObject }
  | {
      readonly hash: string | null
      readonly secret: undefined
      readonly publicKey: KeyObject | VerifyKeyObjectInput
      /** The length of an ECDSA signature. `undefined` for other algorithms. */
      readonly ecdsaLength: number | undefined
    }

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
  const { hash, publicKey, ecdsaLength } = known
  if (ecdsaLength !== undefined && made.length !== ecdsaLength) return false
  const given = ecdsaLength === undefined ? made : ecdsaToDer(made)
  return new Promise((resolve, reject) => {
    if (waiting.length === 0) setImmediate(startAll)
    waiting.push(() => {
      try {
        verify(hash, data, publicKey, given, (cause, isValid) =>
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
        {
          hash: hashOf(alg),
          secret: undefined,
          publicKey: publicKeyOf(key, alg),
          ecdsaLength: ECDSA_LENGTHS.get(alg),
        }
      : { hash: `sha${alg.slice(2)}`, secret: createSecretKey(Buffer.from(k, 'base64url')) }
  imported.set(key, made)
  return made
}

/**
 * Imports a public key with the parameters of its algorithm as its own members, where Node reads them. An object around the key
 * works as well, but Node 24 throws and catches two errors to find the key in it, which takes four times as long as the start
 * of a check.
 */
function publicKeyOf({ jwk }: VerificationKey, alg: string): KeyObject | VerifyKeyObjectInput {
  // Without a prototype, because Node reads optional members, which must not come from a polluted `Object.prototype`.
  const input = Object.assign(Object.create(null), { key: jwk, format: 'jwk' as const })
  const [key, parameters] = [createPublicKey(input), parametersOf(alg)]
  isReadFromKey ??= readsFromKey(createPublicKey(input))
  return isReadFromKey
    ? withMembers(key, { ...NO_PARAMETERS, ...parameters })
    : Object.assign(Object.create(null), { key, ...parameters })
}

/** Whether the runtime reads parameters from the key. `undefined` before the first key is imported. */
let isReadFromKey: boolean | undefined

/**
 * Asks the runtime whether it reads parameters from the key: then it rejects an unknown `dsaEncoding`. A bundle for Node may also
 * run on Deno and workerd, which do not read them, and so would check PS256 as RS256.
 */
function readsFromKey(key: KeyObject): boolean {
  try {
    verify('sha256', new Uint8Array(), withMembers(key, { dsaEncoding: 'unknown' }), new Uint8Array(256))
    return false
  } catch (cause) {
    return (cause as { code?: unknown }).code === 'ERR_INVALID_ARG_VALUE'
  }
}

/** Defines members, which an assignment would not do if `Object.prototype` had a setter of that name. */
function withMembers(key: KeyObject, members: object): KeyObject {
  for (const [name, value] of Object.entries(members)) {
    const member = { value, writable: true, enumerable: true, configurable: true }
    Object.defineProperty(key, name, Object.assign(Object.create(null), member))
  }
  return key
}

/** All parameters that Node reads, so that none comes from a polluted `Object.prototype`. */
const NO_PARAMETERS = {
  padding: undefined,
  saltLength: undefined,
  dsaEncoding: undefined,
  context: undefined,
}

/** Returns the hash of an algorithm, or `null` for those that have none, as `crypto.verify` expects it. */
function hashOf(alg: string): string | null {
  return /^(?:RS|PS|ES)/.test(alg) ? `sha${alg.slice(2)}` : null
}

/** Returns the parameters that RFC 7518 §3.3 and §3.5 define, and the form that `ecdsaToDer` returns. */
function parametersOf(alg: string): object {
  if (alg.startsWith('RS')) return { padding: constants.RSA_PKCS1_PADDING }
  if (alg.startsWith('PS'))
    return { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
  return alg.startsWith('ES') ? { dsaEncoding: 'der' } : {}
}

/** The bytes of the signatures with each curve: two numbers of the same length (RFC 7518 §3.4). */
const ECDSA_LENGTHS: ReadonlyMap<string, number> = new Map([
  ['ES256', 64],
  ['ES384', 96],
  ['ES512', 132],
])

/**
 * Converts an ECDSA signature from two numbers (RFC 7518 §3.4) to a DER sequence of them, which OpenSSL expects (RFC 3279
 * §2.2.3). Node converts it as well, but it first converts the key, which takes longer than the start of a check on Node 24.
 */
function ecdsaToDer(signature: Buffer): Buffer {
  const half = signature.length / 2
  // Two numbers with their tags, lengths and zeros, and the tag and length of the sequence, in one or two bytes.
  const der = Buffer.allocUnsafe(signature.length + 9)
  const middle = writeInteger(der, 3, signature.subarray(0, half))
  const end = writeInteger(der, middle, signature.subarray(half))
  const length = end - 3
  const begin = length < 0x80 ? 1 : 0
  if (begin === 0) der[1] = 0x81
  der[begin] = 0x30
  der[2] = length
  return der.subarray(begin, end)
}

/** Writes a DER integer: without needless zeros, and with one if the number would be negative otherwise. Returns its end. */
function writeInteger(der: Buffer, at: number, bytes: Buffer): number {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1
  const zeros = (bytes[start] as number) >= 0x80 ? 1 : 0
  der[at] = 0x02
  der[at + 1] = bytes.length - start + zeros
  der[at + 2] = 0
  return at + 2 + zeros + bytes.copy(der, at + 2 + zeros, start)
}
