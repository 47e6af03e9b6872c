/**
 * Decides which JSON Web Keys may verify a signature, and with which algorithm (RFC 7517 §4, RFC 7518 §3 and §6).
 *
 * Each key verifies one algorithm only (RFC 8725 §3.1). The algorithm comes from the key and the configuration, never from
 * the token: a token that chooses its algorithm could have a public RSA key used as an HMAC secret.
 */

import type { JWK } from 'jose'
import { getIfSet, getOwn, isObject } from '../../lib/json.ts'
import { bytesOf, canonicalBase64, integerOf } from './key-material.ts'

/**
 * The signature algorithms that the option `algorithms` can allow (RFC 7518 §3.1, RFC 8037, RFC 9864). `none` is not one of
 * them, so it can never be allowed. The first eleven are the default, in this order.
 */
export const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
  'ML-DSA-44',
  'ML-DSA-65',
  'ML-DSA-87',
  'HS256',
  'HS384',
  'HS512',
] as const

export type Algorithm = (typeof ALGORITHMS)[number]

/** The default of the option `algorithms`: every asymmetric algorithm of RFC 7518 and RFC 8037. */
export const DEFAULT_ALGORITHMS: readonly Algorithm[] = ALGORITHMS.slice(0, 11)

/** A key that may verify signatures. */
export interface VerificationKey {
  /** Equal for the same key in another set, so that a refresh keeps the object and with it the cached results of the key. */
  readonly id: string
  /** The name of the key, for the `kid` of tokens. A key without one is tried for tokens without one only. */
  readonly kid: string | undefined
  /** The values of `alg` that it verifies: its own, or the names of the one algorithm that fits it (RFC 8725 §3.1). */
  readonly algorithms: readonly Algorithm[]
  /** Whether the key has no `alg`, and others of its type verify other algorithms. */
  readonly isAssumed: boolean
  /** Its public members only. It has no prototype, because runtimes also read optional members, such as `d`, if inherited. */
  readonly jwk: JWK
  /**
   * The length of its signatures in bytes, for RSA: that of the modulus (RFC 8017 §8.1.2 and §8.2.2). OpenSSL accepts a PSS
   * signature without its leading zero, which would be a second text for the same token.
   */
  readonly signatureLength: number | undefined
  /** A sequence number, set when the key verifies a token. The key with the largest one succeeded last, and is tried first. */
  lastSuccess?: number
}

/** The algorithms of each curve. X25519 and others are for key agreement, so they have none. */
const CURVES: Readonly<Record<string, readonly Algorithm[]>> = Object.assign(Object.create(null), {
  'P-256': ['ES256'],
  'P-384': ['ES384'],
  'P-521': ['ES512'],
  Ed25519: ['EdDSA', 'Ed25519'],
})

/** The members that make up the public key, by key type. */
const MEMBERS: Readonly<Record<string, readonly string[]>> = Object.assign(Object.create(null), {
  RSA: ['n', 'e'],
  EC: ['crv', 'x', 'y'],
  OKP: ['crv', 'x'],
  AKP: ['pub'],
  oct: ['k'],
})

/**
 * Reads a JWK as a verification key. Returns the reason as a text if it is not usable. Entries that are not usable are normal
 * in a published set, for example keys for encryption, so this is no error.
 * @param jwk an entry of a key set, of any type
 * @param allowed the algorithms that the configuration allows
 * @param secrets whether HMAC secrets are accepted: only in configured sets
 */
export function verificationKey(
  jwk: unknown,
  allowed: readonly Algorithm[],
  secrets: 'refuse-secrets' | 'allow-secrets',
): VerificationKey | string {
  if (!isObject(jwk)) return 'not an object'
  const kty = getOwn(jwk, 'kty')
  const kid = getIfSet(jwk, 'kid')
  if (typeof kty !== 'string' || MEMBERS[kty] === undefined) return 'its "kty" is not known'
  if (kid !== undefined && typeof kid !== 'string') return 'its "kid" is not a string'
  const other = otherUse(jwk)
  if (other !== undefined) return other
  if (['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'priv'].some((name) => getIfSet(jwk, name) !== undefined))
    return 'it is a private key'
  if (kty === 'oct' && secrets === 'refuse-secrets') return 'it is a secret'

  const material: Record<string, string> = Object.assign(Object.create(null), { kty })
  for (const name of MEMBERS[kty]) {
    const value = getOwn(jwk, name)
    if (typeof value !== 'string') return `its "${name}" is not a string`
    // What is not base64 is rejected below, or by the runtime.
    material[name] = (isBase64(kty, name) ? canonicalBase64(value) : undefined) ?? value
  }
  const alg = getIfSet(jwk, 'alg')
  const algorithms = algorithmsOf(kty, material, alg, allowed)
  if (algorithms.length === 0) return 'it is for no allowed algorithm'
  const weakness = weaknessOf(kty, material, algorithms)
  if (weakness !== undefined) return weakness
  return {
    id: JSON.stringify([kid, algorithms, material]),
    kid,
    algorithms,
    isAssumed: alg === undefined && material.crv === undefined,
    signatureLength: kty === 'RSA' ? integerOf(material.n)?.length : undefined,
    // EdDSA with Ed25519 has two names. Every runtime accepts the older one in a key (RFC 8037 §3.1).
    jwk: Object.assign(Object.create(null), material, {
      alg: kty === 'OKP' ? 'EdDSA' : algorithms[0],
      use: 'sig',
      key_ops: ['verify'],
      ext: true,
    }),
  }
}

/**
 * Whether a member is published in base64, and so has a canonical form. A secret is the text of the application, and stays as
 * it is.
 */
function isBase64(kty: string, name: string): boolean {
  return kty !== 'oct' && name !== 'crv'
}

/** Returns why a key is for another use, such as encryption (RFC 7517 §4.2 and §4.3), or `undefined` if it is not. */
export function otherUse(jwk: object): string | undefined {
  const use = getIfSet(jwk, 'use')
  const operations = getIfSet(jwk, 'key_ops')
  if (use !== undefined && use !== 'sig') return 'its "use" is not "sig"'
  if (operations === undefined || (Array.isArray(operations) && operations.includes('verify')))
    return undefined
  return 'its "key_ops" do not include "verify"'
}

/**
 * Returns the algorithm of a key: its own `alg`, or the one that follows from its type. The result has two entries only for
 * Ed25519, whose algorithm has two names. An RSA key without `alg` has the first RSA algorithm that is allowed, for any
 * token (RFC 8725 §3.1).
 */
function algorithmsOf(
  kty: string,
  { crv }: Readonly<Record<string, string>>,
  alg: unknown,
  allowed: readonly Algorithm[],
): readonly Algorithm[] {
  const fitting =
    crv !== undefined
      ? (CURVES[crv] ?? [])
      : ALGORITHMS.filter((name) => (kty === 'RSA' ? /^[RP]S/ : kty === 'oct' ? /^HS/ : /^ML-DSA/).test(name))
  if ((crv?.startsWith('P-') ?? false) !== (kty === 'EC')) return []
  const candidates = allowed.filter((name) => fitting.includes(name))
  if (alg !== undefined) return candidates.filter((name) => name === alg)
  if (kty === 'AKP') return []
  return crv === undefined ? candidates.slice(0, 1) : candidates
}

/** RFC 7518 §3.3 requires 2048 bits or more. */
const MIN_RSA_BITS = 2048
/** The time of a check grows with the square of the length, and an issuer could publish a key that blocks the thread pool. */
const MAX_RSA_BITS = 8192
/** A check takes one step for each bit of the exponent. Nearly all keys have 65537. */
const MAX_EXPONENT_BYTES = 8

/**
 * Returns why a key is too weak or too expensive to be used, or `undefined`. The runtimes accept all of these keys. With an
 * exponent of 1 or a point of small order, anyone can compute a signature without the private key.
 */
function weaknessOf(
  kty: string,
  material: Readonly<Record<string, string>>,
  [alg]: readonly Algorithm[],
): string | undefined {
  if (kty === 'RSA') {
    const modulus = integerOf(material.n)
    const exponent = integerOf(material.e)
    if (modulus === undefined || exponent === undefined) return 'its "n" or "e" is not base64url'
    const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24
    if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS)
      return `its modulus is not of ${MIN_RSA_BITS} to ${MAX_RSA_BITS} bits`
    const last = exponent.at(-1) ?? 0
    if (last % 2 === 0 || (exponent.length === 1 && last === 1) || exponent.length > MAX_EXPONENT_BYTES)
      return 'its public exponent is 1, even, or longer than 64 bits'
  }
  if (kty === 'OKP') {
    const point = bytesOf(material.x)
    if (point?.length !== ED25519_BYTES) return `its "x" is not of ${ED25519_BYTES} bytes`
    if (isOfSmallOrder(point)) return 'it is a point of small order, for which anyone can forge signatures'
  }
  if (kty === 'oct') {
    const bytes = Number(alg?.slice(2)) / 8
    if ((bytesOf(material.k)?.length ?? 0) < bytes) return `it is shorter than ${bytes} bytes`
  }
  return undefined
}

/** The length of an Ed25519 public key (RFC 8032 §5.1.5). */
const ED25519_BYTES = 32

/**
 * The y coordinates of the points of Ed25519 whose order divides 8, in little-endian hex, with those that are not reduced:
 * 0, 1, p - 1, p, p + 1, and the two of order 8 (RFC 7748 §6.1 and RFC 8032 §5.1.7 leave the check to the application).
 */
const SMALL_ORDER: readonly string[] = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
]

/** Whether a public key is a point of small order. Ignores the last bit, the sign of x, because both points have that order. */
function isOfSmallOrder(point: Uint8Array): boolean {
  const bytes = [...point]
  bytes[ED25519_BYTES - 1] = (bytes[ED25519_BYTES - 1] ?? 0) & 0x7f
  return SMALL_ORDER.includes(bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(''))
}
