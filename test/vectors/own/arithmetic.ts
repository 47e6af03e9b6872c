/**
 * Makes signatures with every number in the caller's hands, so that odd ones can be made too. Uses node:crypto and
 * BigInt only. Slow and not constant-time: good for test vectors, and for nothing else.
 */

import {
  constants,
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  type JsonWebKey,
  type KeyObject,
  privateEncrypt,
} from 'node:crypto'

export function toInteger(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
}

/** Encodes a number in exactly `length` bytes, the most significant byte first. */
export function toBytes(value: bigint, length: number): Buffer {
  const hex = value.toString(16)
  if (value < 0n || hex.length > 2 * length) throw new RangeError(`${value} does not fit in ${length} bytes`)
  return Buffer.from(hex.padStart(2 * length, '0'), 'hex')
}

export function toLittleEndian(value: bigint, length: number): Buffer {
  return toBytes(value, length).reverse()
}

export function fromLittleEndian(bytes: Uint8Array): bigint {
  return toInteger(Buffer.from(bytes).reverse())
}

function modulo(value: bigint, modulus: bigint): bigint {
  return ((value % modulus) + modulus) % modulus
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  for (let factor = modulo(base, modulus), rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * factor) % modulus
    factor = (factor * factor) % modulus
  }
  return result
}

/** Inverts by Euclid's algorithm. The modulus is a prime. */
function inverse(value: bigint, prime: bigint): bigint {
  let [previous, current] = [prime, modulo(value, prime)]
  let [before, factor] = [0n, 1n]
  while (current !== 0n) {
    const quotient = previous / current
    ;[previous, current] = [current, previous - quotient * current]
    ;[before, factor] = [factor, before - quotient * factor]
  }
  return modulo(before, prime)
}

/** Returns the largest integer whose cube is at most `value`. */
export function cubeRoot(value: bigint): bigint {
  let [low, high] = [0n, 1n << BigInt(Math.ceil(value.toString(2).length / 3) + 1)]
  while (low < high) {
    const middle = (low + high + 1n) / 2n
    if (middle ** 3n <= value) low = middle
    else high = middle - 1n
  }
  return low
}

export interface Curve {
  readonly alg: 'ES256' | 'ES384' | 'ES512'
  readonly crv: string
  readonly node: string
  readonly hash: string
  /** The length of r, of s and of a coordinate. */
  readonly bytes: number
  /** The order of the group (FIPS 186-4, appendix D.1.2). */
  readonly n: bigint
}

export const P256: Curve = {
  alg: 'ES256',
  crv: 'P-256',
  node: 'prime256v1',
  hash: 'sha256',
  bytes: 32,
  n: BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'),
}

export const P384: Curve = {
  alg: 'ES384',
  crv: 'P-384',
  node: 'secp384r1',
  hash: 'sha384',
  bytes: 48,
  n: BigInt(
    '0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
  ),
}

export const P521: Curve = {
  alg: 'ES512',
  crv: 'P-521',
  node: 'secp521r1',
  hash: 'sha512',
  bytes: 66,
  n: BigInt(`0x01${'f'.repeat(64)}fa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409`),
}

export interface EcdsaSignature {
  readonly r: bigint
  readonly s: bigint
}

/** Returns the public point of a scalar as an uncompressed pair of coordinates. */
function multiplyBase(curve: Curve, scalar: bigint): { readonly x: Buffer; readonly y: Buffer } {
  const ecdh = createECDH(curve.node)
  ecdh.setPrivateKey(toBytes(scalar, curve.bytes))
  const point = ecdh.getPublicKey()
  return { x: point.subarray(1, 1 + curve.bytes), y: point.subarray(1 + curve.bytes) }
}

function digest(curve: Curve, input: string): bigint {
  const hash = toInteger(createHash(curve.hash).update(input).digest())
  return hash % curve.n
}

/**
 * Signs with ECDSA. The nonce is an HMAC of the input and a counter under the private key, so that the same input gives
 * the same signature. The counter grows until the signature is wanted.
 */
export function signEcdsa(
  curve: Curve,
  d: bigint,
  input: string,
  wanted: (signature: EcdsaSignature) => boolean = () => true,
): EcdsaSignature {
  for (let counter = 0; counter < 100_000; counter += 1) {
    const mac = (half: number) =>
      createHmac('sha512', toBytes(d, curve.bytes)).update(`${half}|${counter}|${input}`).digest()
    const k = (toInteger(Buffer.concat([mac(0), mac(1)])) % (curve.n - 1n)) + 1n
    const r = toInteger(multiplyBase(curve, k).x) % curve.n
    const s = modulo(inverse(k, curve.n) * (digest(curve, input) + r * d), curve.n)
    if (r !== 0n && s !== 0n && wanted({ r, s })) return { r, s }
  }
  throw new Error('No nonce gives such a signature')
}

/** Makes a key for which the signature of `input` with this nonce has the given `s`. */
export function keyForSignature(
  curve: Curve,
  input: string,
  nonce: bigint,
  s: bigint,
): { readonly jwk: JsonWebKey; readonly signature: EcdsaSignature } {
  const r = toInteger(multiplyBase(curve, nonce).x) % curve.n
  const d = modulo((s * nonce - digest(curve, input)) * inverse(r, curve.n), curve.n)
  const { x, y } = multiplyBase(curve, d)
  const jwk = { kty: 'EC', crv: curve.crv, x: x.toString('base64url'), y: y.toString('base64url') }
  return { jwk, signature: { r, s } }
}

/** Encodes a signature as JWS wants it: r and s side by side (RFC 7518 §3.4). */
export function p1363({ r, s }: EcdsaSignature, length: number): Buffer {
  return Buffer.concat([toBytes(r, length), toBytes(s, length)])
}

/** Encodes a signature as X.509 and TLS have it: a DER sequence of two integers. */
export function der({ r, s }: EcdsaSignature): Buffer {
  const body = Buffer.concat([r, s].map(derInteger))
  const length = body.length < 128 ? [body.length] : [0x81, body.length]
  return Buffer.concat([Buffer.from([0x30, ...length]), body])
}

function derInteger(value: bigint): Buffer {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  const padded = (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes
  return Buffer.concat([Buffer.from([0x02, padded.length]), padded])
}

export interface RsaKey {
  readonly private: KeyObject
  readonly n: bigint
  /** The length of the modulus. */
  readonly bytes: number
}

export function rsaKey(jwk: JsonWebKey): RsaKey {
  const modulus = Buffer.from(String(jwk.n), 'base64url')
  return {
    private: createPrivateKey({ key: jwk, format: 'jwk' }),
    n: toInteger(modulus),
    bytes: modulus.length,
  }
}

/** Applies the private RSA operation to a block as it is, without any padding. */
export function rsaPrivate(key: RsaKey, block: Buffer): Buffer {
  return privateEncrypt({ key: key.private, padding: constants.RSA_NO_PADDING }, block)
}

/** The DER prefix of a digest in a PKCS #1 signature (RFC 8017 §9.2, note 1). */
export const DIGEST_INFO: Readonly<Record<string, string>> = {
  sha1: '3021300906052b0e03021a05000414',
  sha256: '3031300d060960864801650304020105000420',
  sha384: '3041300d060960864801650304020205000430',
  sha512: '3051300d060960864801650304020305000440',
}

export function digestInfo(hash: string, input: string): Buffer {
  return Buffer.concat([Buffer.from(DIGEST_INFO[hash] ?? '', 'hex'), createHash(hash).update(input).digest()])
}

/** Pads for RSASSA-PKCS1-v1_5 (RFC 8017 §9.2). */
export function pkcs1Block(info: Buffer, length: number, type = 0x01, fill = 0xff): Buffer {
  const padding = Buffer.alloc(length - info.length - 3, fill)
  return Buffer.concat([Buffer.from([0x00, type]), padding, Buffer.from([0x00]), info])
}

export interface PssChoices {
  readonly hash: string
  readonly saltLength: number
  /** The hash of the mask generation. Default: `hash`. */
  readonly maskHash?: string
  /** The last byte of the block. Default 0xbc. */
  readonly trailer?: number
}

/** Encodes for RSASSA-PSS (RFC 8017 §9.1.1) with a salt of `a5` bytes, so that the signature is always the same. */
export function pssBlock(input: string, length: number, choices: PssChoices): Buffer {
  const { hash, saltLength, maskHash = hash, trailer = 0xbc } = choices
  const salt = Buffer.alloc(saltLength, 0xa5)
  const messageHash = createHash(hash).update(input).digest()
  const h = createHash(hash)
    .update(Buffer.concat([Buffer.alloc(8), messageHash, salt]))
    .digest()
  const space = length - h.length - salt.length - 2
  if (space < 0) throw new RangeError('The salt is too long for the key')
  const block = Buffer.concat([Buffer.alloc(space), Buffer.from([0x01]), salt])
  const mask = generateMask(h, block.length, maskHash)
  const masked = Buffer.from(block.map((byte, index) => byte ^ (mask[index] ?? 0)))
  // The modulus has a multiple of eight bits, so that the block has one bit less than whole bytes.
  masked[0] = (masked[0] ?? 0) & 0x7f
  return Buffer.concat([masked, h, Buffer.from([trailer])])
}

/** MGF1 (RFC 8017 §B.2.1). */
function generateMask(seed: Buffer, length: number, hash: string): Buffer {
  const parts: Buffer[] = []
  for (let counter = 0; Buffer.concat(parts).length < length; counter += 1)
    parts.push(
      createHash(hash)
        .update(Buffer.concat([seed, toBytes(BigInt(counter), 4)]))
        .digest(),
    )
  return Buffer.concat(parts).subarray(0, length)
}

/** The field and the order of edwards25519 (RFC 8032 §5.1). */
export const ED_P = 2n ** 255n - 19n
export const ED_L = 2n ** 252n + 27742317777372353535851937790883648493n
const ED_D = modulo(-121665n * inverse(121666n, ED_P), ED_P)

export interface EdPoint {
  readonly x: bigint
  readonly y: bigint
}

export const ED_IDENTITY: EdPoint = { x: 0n, y: 1n }

export const ED_BASE: EdPoint = decodeEdPoint(toLittleEndian(modulo(4n * inverse(5n, ED_P), ED_P), 32))

export function decodeEdPoint(bytes: Uint8Array): EdPoint {
  const value = fromLittleEndian(bytes)
  const [sign, y] = [value >> 255n, value & ((1n << 255n) - 1n)]
  const square = modulo((y * y - 1n) * inverse(ED_D * y * y + 1n, ED_P), ED_P)
  let x = power(square, (ED_P + 3n) / 8n, ED_P)
  if (modulo(x * x - square, ED_P) !== 0n) x = modulo(x * power(2n, (ED_P - 1n) / 4n, ED_P), ED_P)
  if (modulo(x * x - square, ED_P) !== 0n) throw new RangeError('Not a point of the curve')
  return { x: (x & 1n) === sign ? x : modulo(-x, ED_P), y: modulo(y, ED_P) }
}

export function encodeEdPoint({ x, y }: EdPoint): Buffer {
  return toLittleEndian(y | ((x & 1n) << 255n), 32)
}

export function addEdPoints(a: EdPoint, b: EdPoint): EdPoint {
  const product = modulo(ED_D * a.x * b.x * a.y * b.y, ED_P)
  return {
    x: modulo((a.x * b.y + a.y * b.x) * inverse(1n + product, ED_P), ED_P),
    y: modulo((a.y * b.y + a.x * b.x) * inverse(1n - product, ED_P), ED_P),
  }
}

export function multiplyEdPoint(point: EdPoint, scalar: bigint): EdPoint {
  let result = ED_IDENTITY
  for (let addend = point, rest = scalar; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = addEdPoints(result, addend)
    addend = addEdPoints(addend, addend)
  }
  return result
}

/** Returns a point of order 8. Its multiples are the eight points of small order. */
export function edPointOfOrder8(): EdPoint {
  for (let y = 2n; ; y += 1n) {
    try {
      const point = multiplyEdPoint(decodeEdPoint(toLittleEndian(y, 32)), ED_L)
      if (multiplyEdPoint(point, 4n).y !== 1n) return point
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause
    }
  }
}

/** Returns the secret scalar and the prefix of an Ed25519 key (RFC 8032 §5.1.5). */
export function edSecret(jwk: JsonWebKey): { readonly scalar: bigint; readonly prefix: Buffer } {
  const hash = createHash('sha512')
    .update(Buffer.from(String(jwk.d), 'base64url'))
    .digest()
  const lower = Buffer.from(hash.subarray(0, 32))
  lower[0] = (lower[0] ?? 0) & 0xf8
  lower[31] = ((lower[31] ?? 0) & 0x7f) | 0x40
  return { scalar: fromLittleEndian(lower), prefix: hash.subarray(32) }
}

/** The challenge `k` of a signature: a hash of R, of the public key and of what is signed (RFC 8032 §5.1.6). */
export function edChallenge(r: Buffer, publicKey: Buffer, input: string): bigint {
  const hash = createHash('sha512').update(r).update(publicKey).update(input).digest()
  return fromLittleEndian(hash) % ED_L
}

/** Returns the public half of a key: as JWK, as PEM and as DER. */
export function publicForms(jwk: JsonWebKey) {
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  const { kty, crv, x, y, n, e } = key.export({ format: 'jwk' })
  return {
    // In this order on every version of Node: its text is the secret of some vectors.
    jwk: kty === 'OKP' ? { crv, x, kty } : kty === 'EC' ? { kty, x, y, crv } : { kty, n, e },
    pem: String(key.export({ type: 'spki', format: 'pem' })),
    der: key.export({ type: 'spki', format: 'der' }),
  }
}
