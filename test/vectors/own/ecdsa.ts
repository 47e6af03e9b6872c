/** Vectors for ECDSA (RFC 7518 §3.4). */

import type { JsonWebKey } from 'node:crypto'
import {
  type Curve,
  der,
  type EcdsaSignature,
  keyForSignature,
  P256,
  P384,
  P521,
  p1363,
  signEcdsa,
  toBytes,
  toInteger,
} from './arithmetic.ts'
import { collector, encode, KEYS, publicJwk, signingInput, type VectorFile } from './vector.ts'

const BAD = 'invalid_signature'

const scalarOf = ({ d }: JsonWebKey) => toInteger(Buffer.from(String(d), 'base64url'))

export function ecdsaVectors(): VectorFile {
  const { add, vectors } = collector('ecdsa')

  for (const [curve, secret] of [
    [P256, KEYS.p256],
    [P384, KEYS.p384],
    [P521, KEYS.p521],
  ] as const)
    addCurve(curve, secret, add)

  const input = signingInput('ES256', 'ecdsa-curves')
  const good = p1363(signEcdsa(P256, scalarOf(KEYS.p256), input), 32)
  const p256 = publicJwk(KEYS.p256)
  const x = Buffer.from(String(p256.x), 'base64url')
  const y = Buffer.from(String(p256.y), 'base64url')
  const all = ['ES256', 'ES384', 'ES512']

  add('wrong-key', 'signed by another key of the same curve', {
    key: publicJwk(KEYS.otherP256),
    algorithms: ['ES256'],
    token: `${input}.${encode(good)}`,
    reason: BAD,
  })
  for (const [name, comment, key, reason] of [
    [
      'point-off-curve',
      'the point of the key is not on the curve',
      { y: encode(flipLastBit(y)) },
      'unavailable',
    ],
    [
      'point-zero',
      'the point of the key is (0, 0)',
      { x: encode(Buffer.alloc(32)), y: encode(Buffer.alloc(32)) },
      'unavailable',
    ],
    ['point-swapped', 'x and y of the key are swapped', { x: encode(y), y: encode(x) }, 'unavailable'],
    [
      'point-negated',
      'the key is the negated point',
      { y: encode(toBytes(P256_PRIME - toInteger(y), 32)) },
      BAD,
    ],
    [
      'point-above-field',
      'x of the key is not below the prime of the field',
      { x: encode(Buffer.alloc(32, 0xff)) },
      'unavailable',
    ],
    ['point-without-y', 'the key has no y', { y: undefined }, 'unusable_key'],
    ['point-called-p384', 'the key calls its P-256 point one of P-384', { crv: 'P-384' }, 'unusable_key'],
    ['curve-in-lower-case', 'the name of the curve is in lower case', { crv: 'p-256' }, 'unusable_key'],
  ] as const)
    add(name, comment, {
      key: JSON.parse(JSON.stringify({ ...p256, ...key })),
      algorithms: ['ES256'],
      token: `${input}.${encode(good)}`,
      reason,
    })

  for (const [alg, key, curve, secret, name] of [
    ['ES256', KEYS.p384, P384, KEYS.p384, 'p384'],
    ['ES256', KEYS.p521, P521, KEYS.p521, 'p521'],
    ['ES384', KEYS.p256, P256, KEYS.p256, 'p256'],
    ['ES512', KEYS.p256, P256, KEYS.p256, 'p256'],
  ] as const) {
    const id = `${alg.toLowerCase()}-by-${name}`
    const text = signingInput(alg, `ecdsa-${id}`)
    // The hash is that of the header's algorithm; only the curve is wrong.
    const hash = `sha${alg.slice(2)}`
    const signature = signEcdsa({ ...curve, hash }, scalarOf(secret), text)
    const token = `${text}.${encode(p1363(signature, curve.bytes))}`
    const comment = `the header says ${alg}, the key is of ${curve.crv}`
    const jwk = publicJwk(key)
    add(id, `${comment}; only ${alg} is allowed`, {
      key: jwk,
      algorithms: [alg],
      token,
      reason: 'unusable_key',
    })
    add(`${id}-all`, `${comment}; all ECDSA algorithms are allowed`, {
      key: jwk,
      algorithms: all,
      token,
      reason: 'unknown_key',
    })
  }
  add('secp256k1', 'the key is of secp256k1', {
    key: publicJwk(KEYS.secp256k1),
    algorithms: ['ES256'],
    token: `${input}.${encode(good)}`,
    reason: 'unusable_key',
  })

  return { about: 'ECDSA signatures and keys at the edges of RFC 7518 §3.4 and §6.2', vectors }
}

const P256_PRIME = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n

/** The smallest multiples of the base point whose x begins with a zero byte; with two of them for P-521. */
const NONCE_OF_SHORT_R = { ES256: 379n, ES384: 197n, ES512: 273n } as const

function flipLastBit(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes)
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
  return changed
}

function addCurve(curve: Curve, secret: JsonWebKey, add: ReturnType<typeof collector>['add']): void {
  const { alg, bytes, n } = curve
  const d = scalarOf(secret)
  const key = publicJwk(secret)
  const name = alg.toLowerCase()
  const zero = Buffer.alloc(1)

  const check = (id: string, comment: string, signature: Buffer, input: string, reason?: string) =>
    add(`${name}-${id}`, comment, {
      key,
      algorithms: [alg],
      token: `${input}.${encode(signature)}`,
      ...(reason !== undefined && { reason }),
    })

  const input = signingInput(alg, `ecdsa-${name}`)
  const good = signEcdsa(curve, d, input)
  const { r, s } = good
  const text = p1363(good, bytes)

  check('valid', 'a signature of the key', text, input)
  check(
    'high-s-twin',
    'n - s in place of s: the RFC does not forbid the twin',
    p1363({ r, s: n - s }, bytes),
    input,
  )

  const numbers: readonly (readonly [string, string, EcdsaSignature])[] = [
    ['r-zero', 'r = 0', { r: 0n, s }],
    ['s-zero', 's = 0', { r, s: 0n }],
    ['both-zero', 'r = s = 0 (CVE-2022-21449)', { r: 0n, s: 0n }],
    ['r-order', 'r = n', { r: n, s }],
    ['s-order', 's = n', { r, s: n }],
    ['both-order', 'r = s = n', { r: n, s: n }],
    ['r-order-less-one', 'r = n - 1', { r: n - 1n, s }],
    ['s-order-less-one', 's = n - 1', { r, s: n - 1n }],
    ['r-order-plus-one', 'r = n + 1', { r: n + 1n, s }],
    ['s-order-plus-one', 's = n + 1', { r, s: n + 1n }],
    ['both-one', 'r = s = 1', { r: 1n, s: 1n }],
    ['r-largest', 'all bits of r are set', { r: 256n ** BigInt(bytes) - 1n, s }],
    ['s-largest', 'all bits of s are set', { r, s: 256n ** BigInt(bytes) - 1n }],
    ['r-negated', 'n - r in place of r', { r: n - r, s }],
    ['swapped', 's before r', { r: s, s: r }],
    // A number above n fits in the bytes of P-521 only: 528 bits for 521.
    ...(curve === P521
      ? ([
          ['r-plus-order', 'r + n in place of r: the same number modulo n', { r: r + n, s }],
          ['s-plus-order', 's + n in place of s: the same number modulo n', { r, s: s + n }],
        ] as const)
      : []),
  ]
  for (const [id, comment, signature] of numbers) check(id, comment, p1363(signature, bytes), input, BAD)

  check('der', 'the signature is in DER', der(good), input, BAD)
  check('zero-before', 'a zero byte before the signature', Buffer.concat([zero, text]), input, BAD)
  check('zero-behind', 'a zero byte behind the signature', Buffer.concat([text, zero]), input, BAD)
  check(
    'zero-before-each',
    'a zero byte before r and before s',
    Buffer.concat([zero, text.subarray(0, bytes), zero, text.subarray(bytes)]),
    input,
    BAD,
  )
  check('first-byte-cut', 'the first byte is missing', text.subarray(1), input, BAD)
  check('last-byte-cut', 'the last byte is missing', text.subarray(0, -1), input, BAD)
  check('r-only', 'r without s', text.subarray(0, bytes), input, BAD)
  check('doubled', 'the signature twice', Buffer.concat([text, text]), input, BAD)
  check(
    'other-payload',
    'the signature of another payload',
    text,
    signingInput(alg, `ecdsa-${name}-other`),
    BAD,
  )

  // Both by keys that are made for the signature: r depends on the nonce alone, and s may be chosen.
  for (const [member, nonce, value] of [
    ['r', NONCE_OF_SHORT_R[alg], n / 3n],
    ['s', 7n, n >> 16n],
  ] as const) {
    const padded = signingInput(alg, `ecdsa-${name}-${member}`)
    const { jwk, signature } = keyForSignature(curve, padded, nonce, value)
    const whole = p1363(signature, bytes)
    const start = member === 'r' ? 0 : bytes
    if (whole[start] !== 0) throw new Error(`${member} does not begin with a zero byte`)
    const cut = Buffer.concat([whole.subarray(0, start), whole.subarray(start + 1)])
    const given = { key: jwk, algorithms: [alg] }
    add(`${name}-${member}-leading-zero`, `${member} begins with a zero byte`, {
      ...given,
      token: `${padded}.${encode(whole)}`,
    })
    add(`${name}-${member}-leading-zero-cut`, `the zero byte that ${member} begins with is missing`, {
      ...given,
      token: `${padded}.${encode(cut)}`,
      reason: BAD,
    })
  }

  for (const [id, nonce, value, comment] of [
    ['s-is-one', 7n, 1n, 's = 1, by a key that was made for it'],
    ['s-is-order-less-one', 7n, n - 1n, 's = n - 1, by a key that was made for it'],
    ['nonce-is-one', 1n, n / 2n, 'r is x of the base point, by a key that was made for it'],
    [
      'nonce-is-order-less-one',
      n - 1n,
      n / 2n,
      'r is x of the negated base point, by a key that was made for it',
    ],
  ] as const) {
    const made = signingInput(alg, `ecdsa-${name}-${id}`)
    const { jwk, signature } = keyForSignature(curve, made, nonce, value)
    const token = `${made}.${encode(p1363(signature, bytes))}`
    add(`${name}-${id}`, comment, { key: jwk, algorithms: [alg], token })
  }
}
