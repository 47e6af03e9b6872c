/** Vectors for HMAC (RFC 7518 §3.2) and for Ed25519 (RFC 8037 §3.1, RFC 8032 §5.1). */

import { createHmac, createPrivateKey, type JsonWebKey, sign } from 'node:crypto'
import {
  addEdPoints,
  decodeEdPoint,
  ED_BASE,
  ED_IDENTITY,
  ED_L,
  ED_P,
  edChallenge,
  edPointOfOrder8,
  edSecret,
  encodeEdPoint,
  fromLittleEndian,
  multiplyEdPoint,
  toLittleEndian,
} from './arithmetic.ts'
import { collector, encode, KEYS, publicJwk, signingInput, type VectorFile } from './vector.ts'

const BAD = 'invalid_signature'

export function macVectors(): VectorFile {
  const { add, vectors } = collector('hmac')
  const secrets = { 256: KEYS.secret32, 384: KEYS.secret48, 512: KEYS.secret64 } as const

  for (const size of [256, 384, 512] as const) {
    const alg = `HS${size}`
    const name = alg.toLowerCase()
    const jwk = secrets[size]
    const secret = Buffer.from(String(jwk.k), 'base64url')
    const input = signingInput(alg, `hmac-${name}`)
    const mac = createHmac(`sha${size}`, secret).update(input).digest()
    const check = (id: string, comment: string, code: Buffer, reason?: string, key: JsonWebKey = jwk) =>
      add(`${name}-${id}`, comment, {
        key,
        algorithms: [alg],
        token: `${input}.${encode(code)}`,
        ...(reason !== undefined && { reason }),
      })
    const flipped = Buffer.from(mac)
    flipped[0] = (flipped[0] ?? 0) ^ 0x80

    check('valid', 'a code by the secret', mac)
    check(
      'zero-added-to-secret',
      'a zero byte more in the secret: HMAC pads with zeros, so it is the same secret',
      mac,
      undefined,
      {
        ...jwk,
        k: encode(Buffer.concat([secret, Buffer.alloc(1)])),
      },
    )
    check('first-half', 'the first half of the code', mac.subarray(0, mac.length / 2), BAD)
    check('last-byte-cut', 'the last byte is missing', mac.subarray(0, -1), BAD)
    check('first-byte-cut', 'the first byte is missing', mac.subarray(1), BAD)
    check('one-byte', 'the first byte alone', mac.subarray(0, 1), BAD)
    check('zero-behind', 'a zero byte behind the code', Buffer.concat([mac, Buffer.alloc(1)]), BAD)
    check('zero-before', 'a zero byte before the code', Buffer.concat([Buffer.alloc(1), mac]), BAD)
    check('doubled', 'the code twice', Buffer.concat([mac, mac]), BAD)
    check('first-bit', 'the first bit is flipped', flipped, BAD)
    check('all-zero', 'all bytes are zero', Buffer.alloc(mac.length), BAD)
    check(
      'of-empty-secret',
      'the code by an empty secret',
      createHmac(`sha${size}`, '').update(input).digest(),
      BAD,
    )
    check(
      'secret-too-short',
      'the secret is one byte shorter than the hash',
      createHmac(`sha${size}`, secret.subarray(1)).update(input).digest(),
      'unusable_key',
      {
        ...jwk,
        k: encode(secret.subarray(1)),
      },
    )
    check(
      'secret-empty',
      'the secret is empty',
      createHmac(`sha${size}`, '').update(input).digest(),
      'unusable_key',
      {
        ...jwk,
        k: '',
      },
    )
    for (const other of [256, 384, 512].filter((value) => value !== size)) {
      const code = createHmac(`sha${other}`, secret).update(input).digest()
      check(`by-sha${other}`, `the hash is SHA-${other}`, code, BAD)
      if (other > size)
        check(
          `by-sha${other}-cut`,
          `the hash is SHA-${other}, cut to ${mac.length} bytes`,
          code.subarray(0, mac.length),
          BAD,
        )
    }
  }
  return { about: 'HMAC codes and secrets at the edges of RFC 7518 §3.2', vectors }
}

export function eddsaVectors(): VectorFile {
  const { add, vectors } = collector('eddsa')
  const jwk = publicJwk(KEYS.ed25519)
  const publicKey = Buffer.from(String(jwk.x), 'base64url')
  const privateKey = createPrivateKey({ key: KEYS.ed25519, format: 'jwk' })
  const { scalar } = edSecret(KEYS.ed25519)
  const algorithms = ['EdDSA', 'Ed25519']

  const input = signingInput('EdDSA', 'eddsa')
  const good = sign(null, Buffer.from(input), privateKey)
  const r = good.subarray(0, 32)
  const s = fromLittleEndian(good.subarray(32))
  const both = (first: Buffer, second: bigint) => Buffer.concat([first, toLittleEndian(second, 32)])
  const check = (id: string, comment: string, signature: Buffer, reason?: string, key: JsonWebKey = jwk) =>
    add(id, comment, {
      key,
      algorithms,
      token: `${input}.${encode(signature)}`,
      ...(reason !== undefined && { reason }),
    })

  check('valid', 'a signature of the key, by the older name of the algorithm', good)
  const named = signingInput('Ed25519', 'eddsa-named')
  add('valid-ed25519', 'a signature of the key, by the newer name of the algorithm (RFC 9864)', {
    key: jwk,
    algorithms,
    token: `${named}.${encode(sign(null, Buffer.from(named), privateKey))}`,
  })

  for (const factor of [1n, 2n, 7n, 14n])
    check(
      `s-plus-${factor}l`,
      `s + ${factor === 1n ? '' : `${factor} * `}L in place of s: the same number modulo L`,
      both(r, s + factor * ED_L),
      BAD,
    )
  check('s-zero', 's = 0', both(r, 0n), BAD)
  check('s-order', 's = L', both(r, ED_L), BAD)
  check('s-largest', 'all bits of s are set', Buffer.concat([r, Buffer.alloc(32, 0xff)]), BAD)
  check('s-negated', 'L - s in place of s', both(r, ED_L - s), BAD)
  check('s-high-bit', 'the highest bit of s is set', both(r, s | (1n << 255n)), BAD)
  check('r-sign', 'the sign of R is flipped', both(flipSign(r), s), BAD)
  check('r-zero', 'R is of zero bytes', both(Buffer.alloc(32), s), BAD)
  check('r-largest', 'all bits of R are set', both(Buffer.alloc(32, 0xff), s), BAD)
  check('all-zero', 'the signature is of zero bytes', Buffer.alloc(64), BAD)
  check('swapped', 's before R', Buffer.concat([good.subarray(32), r]), BAD)
  check('last-byte-cut', 'the last byte is missing', good.subarray(0, -1), BAD)
  check('first-byte-cut', 'the first byte is missing', good.subarray(1), BAD)
  check('zero-behind', 'a zero byte behind the signature', Buffer.concat([good, Buffer.alloc(1)]), BAD)
  check('zero-before', 'a zero byte before the signature', Buffer.concat([Buffer.alloc(1), good]), BAD)
  check('r-only', 'R without s', r, BAD)
  check('doubled', 'the signature twice', Buffer.concat([good, good]), BAD)
  check(
    'big-endian',
    'R and s with the most significant byte first',
    Buffer.concat([Buffer.from(r).reverse(), good.subarray(32).reverse()]),
    BAD,
  )
  add('other-payload', 'the signature of another payload', {
    key: jwk,
    algorithms,
    token: `${signingInput('EdDSA', 'eddsa-other')}.${encode(good)}`,
    reason: BAD,
  })

  // R = 0 is a signature by the nonce 0: the equation of RFC 8032 §5.1.7 holds, and nobody without the key can make it.
  const torsion = edPointOfOrder8()
  const identity = encodeEdPoint(ED_IDENTITY)
  const byNonceZero = (encoded: Buffer) =>
    both(encoded, (edChallenge(encoded, publicKey, input) * scalar) % ED_L)
  check(
    'r-identity',
    'R is the neutral point, which only the owner of the key can use',
    byNonceZero(identity),
  )
  check(
    'r-identity-not-canonical',
    'R is the neutral point, written as y = p + 1',
    byNonceZero(toLittleEndian(ED_P + 1n, 32)),
    BAD,
  )
  check(
    'r-identity-negative',
    'R is the neutral point with the sign of a negative x',
    byNonceZero(flipSign(identity)),
    BAD,
  )
  for (const order of [8, 4, 2]) {
    const small = multiplyEdPoint(torsion, BigInt(8 / order))
    check(
      `r-of-order-${order}`,
      `R is a point of order ${order}: s fits only if the equation is multiplied by 8`,
      byNonceZero(encodeEdPoint(small)),
      BAD,
    )
    const nonce = 123456789n
    const mixed = encodeEdPoint(addEdPoints(multiplyEdPoint(ED_BASE, nonce), small))
    const fitting = (nonce + edChallenge(mixed, publicKey, input) * scalar) % ED_L
    check(
      `r-mixed-order-${order}`,
      `a point of order ${order} is added to R: s fits only if the equation is multiplied by 8`,
      both(mixed, fitting),
      BAD,
    )
  }

  // A key that is the negated point, or one with the wrong length.
  check('key-negated', 'the key is the negated point', good, BAD, { ...jwk, x: encode(flipSign(publicKey)) })
  const short = publicKey.subarray(1)
  check('key-short', 'the key is one byte short', good, 'unusable_key', { ...jwk, x: encode(short) })
  check('key-long', 'the key is one byte long', good, 'unusable_key', {
    ...jwk,
    x: encode(Buffer.concat([publicKey, Buffer.alloc(1)])),
  })
  check('key-off-curve', 'no point has the y of the key', good, BAD, { ...jwk, x: encode(offCurve()) })
  check('key-x25519', 'the key is for X25519', good, 'unusable_key', { ...jwk, crv: 'X25519' })
  check('key-ed448', 'the key is for Ed448', good, 'unusable_key', publicJwk(KEYS.ed448))
  check('key-is-ec', 'the key says that it is of the type EC', good, 'unusable_key', { ...jwk, kty: 'EC' })

  // With a key of small order, R = 0 and s = 0 fit every text (order 1), or one in two, four or eight.
  const weak: readonly (readonly [string, Buffer])[] = [
    ...[1, 2, 4, 8].map(
      (order) => [`order-${order}`, encodeEdPoint(multiplyEdPoint(torsion, BigInt(8 / order)))] as const,
    ),
    ['order-1-not-canonical', toLittleEndian(ED_P + 1n, 32)],
  ]
  for (const [id, x] of weak) {
    const { text, signature } = forgeByWeakKey(x)
    add(`key-${id}`, 'forged: the key is a point of small order', {
      key: { ...jwk, x: encode(x) },
      algorithms,
      token: `${text}.${encode(signature)}`,
      reason: 'unusable_key',
    })
  }
  return { about: 'Ed25519 signatures and keys at the edges of RFC 8032 §5.1', vectors }
}

/** Finds a text that R = 0 and s = 0 sign by a key of small order. */
function forgeByWeakKey(x: Buffer): { readonly text: string; readonly signature: Buffer } {
  const signature = Buffer.concat([encodeEdPoint(ED_IDENTITY), Buffer.alloc(32)])
  const point = decodeEdPoint(x)
  for (let attempt = 0; ; attempt += 1) {
    const text = signingInput('EdDSA', `eddsa-weak-${attempt}`)
    const challenge = edChallenge(signature.subarray(0, 32), x, text)
    const { x: left, y } = multiplyEdPoint(point, challenge % 8n)
    if (left === 0n && y === 1n) return { text, signature }
  }
}

function flipSign(encoded: Buffer): Buffer {
  const flipped = Buffer.from(encoded)
  flipped[31] = (flipped[31] ?? 0) ^ 0x80
  return flipped
}

/** Returns the smallest y for which the curve has no x. */
function offCurve(): Buffer {
  for (let y = 2n; ; y += 1n) {
    const bytes = toLittleEndian(y, 32)
    try {
      decodeEdPoint(bytes)
    } catch {
      return bytes
    }
  }
}
