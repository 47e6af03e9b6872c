/** The twins of the signature check: the same outcome on every runtime (RFC 7515 §5.2, RFC 7518 §3, RFC 8037 §3.1). */

import { describe, expect, it } from 'vitest'
import { decodeJws, parseJws } from '#core/verify/jwt/jws.ts'
import { ALGORITHMS, type Algorithm, type VerificationKey, verificationKey } from '#core/verify/keys/jwk.ts'
import { candidates } from '#core/verify/keys/key-set.ts'
import { base64url } from '../../../support/forge.ts'
import { createSigner, type Jwk, keyOf, type Signer, signers, tokenOf } from '../../../support/signers.ts'
import { outcomeOf, TWINS, type Twin } from '../../../support/twins.ts'

const others = await Promise.all(signers.map(({ alg }) => createSigner(alg)))
const signerOf = (alg: Algorithm) => signers.find((signer) => signer.alg === alg) as Signer

/** Curve orders (FIPS 186-4 D.1.2), and the order of the group of Ed25519 (RFC 8032 §5.1). */
const ORDERS: Readonly<Record<string, bigint>> = {
  ES256: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  ES384: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  ES512:
    0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
  EdDSA: 2n ** 252n + 27742317777372353535851937790883648493n,
}

const numberOf = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`)
const bytesFor = (value: bigint, length: number) =>
  new Uint8Array(Buffer.from(value.toString(16).padStart(length * 2, '0'), 'hex'))
const joined = (...parts: readonly (Uint8Array | readonly number[])[]) =>
  new Uint8Array(parts.flatMap((part) => [...part]))

/** R and S as ASN.1, the form of X.509 and TLS, which JWS does not use (RFC 7518 §3.4). */
function der(signature: Uint8Array): Uint8Array {
  const half = signature.length / 2
  const integers = [signature.subarray(0, half), signature.subarray(half)].map((part) => {
    const bytes = part.subarray(part.findIndex((byte) => byte !== 0))
    const padded = (bytes[0] ?? 0) > 0x7f ? joined([0], bytes) : bytes
    return joined([2, padded.length], padded)
  })
  const length = integers.reduce((sum, part) => sum + part.length, 0)
  return joined(length > 0x7f ? [0x30, 0x81, length] : [0x30, length], ...integers)
}

/** An RSA signature plus the modulus, which is a second number for the same signature. `undefined` if that is too long. */
function plusModulus({ jwk, signature }: Signer): Uint8Array | undefined {
  const sum = numberOf(signature) + numberOf(Buffer.from(String(jwk.n), 'base64url'))
  return sum >> BigInt(signature.length * 8) === 0n ? bytesFor(sum, signature.length) : undefined
}

/** Signatures that the key did not make, by what is wrong with them. */
function forgeries({ alg, jwk, signature }: Signer): readonly (readonly [string, Uint8Array])[] {
  const length = signature.length
  const half = length / 2
  const [r, s] = [signature.subarray(0, half), signature.subarray(half)]
  const ofAll = [
    ['empty', new Uint8Array()],
    ['of one byte', signature.subarray(0, 1)],
    ['without its first byte', signature.subarray(1)],
    ['without its last byte', signature.subarray(0, -1)],
    ['with a zero in front', joined([0], signature)],
    ['with a zero behind', joined(signature, [0])],
    ['twice', joined(signature, signature)],
    ['of zeros', new Uint8Array(length)],
    ['of ones', new Uint8Array(length).fill(0xff)],
    ['with a bit changed', signature.with(length - 2, (signature.at(-2) ?? 0) ^ 1)],
  ] as const
  const order = ORDERS[alg === 'Ed25519' ? 'EdDSA' : alg]
  if (jwk.kty === 'OKP' && order !== undefined) {
    const plusOrder = bytesFor(numberOf(s.toReversed()) + order, half).toReversed()
    return [...ofAll, ['with S plus the order of the group', joined(r, plusOrder)]]
  }
  if (order === undefined) return ofAll
  const zero = new Uint8Array(half)
  const n = bytesFor(order, half)
  const plusOrder = numberOf(r) + order
  return [
    ...ofAll,
    ['in DER', der(signature)],
    // The same two numbers, so that only the length tells.
    ['with a zero in front of R and of S', joined([0], r, [0], s)],
    ['with two zeros in front of R and of S', joined([0, 0], r, [0, 0], s)],
    ['with R and S swapped', joined(s, r)],
    ['with R = 0', joined(zero, s)],
    ['with S = 0', joined(r, zero)],
    ['with R = n', joined(n, s)],
    ['with S = n', joined(r, n)],
    ['with R = n + 1', joined(bytesFor(order + 1n, half), s)],
    ['with S = n + 1', joined(r, bytesFor(order + 1n, half))],
    ['with R = 1 and S = 1', joined(bytesFor(1n, half), bytesFor(1n, half))],
    // Only the order of P-521 leaves room for it.
    ...(plusOrder >> BigInt(half * 8) === 0n
      ? ([['with R plus n', joined(bytesFor(plusOrder, half), s)]] as const)
      : []),
  ]
}

/** Whether a twin verifies a token by these keys, after the checks that come before the signature. */
async function outcomeOfToken(
  twin: Twin,
  token: string,
  jwks: readonly Jwk[],
  allowed: readonly Algorithm[],
) {
  const decoded = decodeJws(token)
  const jws = 'active' in decoded ? decoded : parseJws(decoded, allowed)
  if ('active' in jws) return jws.reason
  const keys: VerificationKey[] = []
  for (const jwk of jwks) {
    const key = verificationKey(jwk, allowed, 'allow-secrets')
    if (typeof key === 'string') return key
    keys.push(key)
  }
  const [key] = candidates(keys, jws.alg, jws.kid)
  return key === undefined ? 'unknown_key' : outcomeOf(twin, key, token)
}

interface Changes {
  readonly header?: Jwk
  readonly jwk?: Jwk
  readonly allowed?: readonly Algorithm[]
}

/** The forms of the two numbers that DER writes differently: by the first bit, and after a byte of zeros by the next bit. */
const FORMS = ['r: 1', 'r: 00 0', 'r: 00 1', 's: 1', 's: 00 0', 's: 00 1'].sort()

/**
 * Signs texts until there is a signature of each form. Every form is that of one in 512 signatures or more. Each text is new, because
 * Deno signs the same text in the same way.
 */
async function tokensByForm(
  sign: Signer['sign'],
  signed: string,
  half: number,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  // The first byte of the numbers of P-521 has one bit only. It is zero in every second one.
  const first = half === 66 ? 1 : 0
  for (let count = 0; count < 400 && found.size < FORMS.length; count += 1) {
    const texts = Array.from({ length: 64 }, (_, index) => `${signed}${base64url(`${count}.${index}`)}`)
    const made = await Promise.all(texts.map(async (text) => [text, await sign(text)] as const))
    for (const [text, signature] of made)
      for (const [name, at] of [
        ['r', first],
        ['s', half + first],
      ] as const) {
        const [high = 0, low = 0] = signature.subarray(at, at + 2)
        if (high >= 0x80) found.set(`${name}: 1`, tokenOf(text, signature))
        else if (high === 0) found.set(`${name}: 00 ${low >> 7}`, tokenOf(text, signature))
      }
  }
  return found
}

describe.each(TWINS)('the %s', (_, twin) => {
  it.each(signers)('verifies what a key for $alg signed, and nothing else', async (signer) => {
    const { alg, key, signed, signature } = signer
    await twin.importKey(key)
    expect(await outcomeOf(twin, key, tokenOf(signed, signature))).toBe(true)
    expect(await outcomeOf(twin, key, tokenOf(`${signed}A`, signature))).toBe(false)
    expect(await outcomeOf(twin, key, tokenOf('', signature))).toBe(false)
    const other = others.find((one) => one.alg === alg) as Signer
    expect(await outcomeOf(twin, other.key, tokenOf(signed, signature))).toBe(false)
  })

  it('verifies signatures that come together with one whose check cannot be started', async () => {
    const { key, signed, signature } = signers.find(({ alg }) => alg === 'RS256') as Signer
    const unknownHash = { ...key, jwk: Object.assign(Object.create(null), key.jwk, { alg: 'RS999' }) }
    const outcomes = [key, unknownHash, key].map((one) => outcomeOf(twin, one, tokenOf(signed, signature)))
    expect(await Promise.all(outcomes)).toEqual([true, 'unusable', true])
  })

  it.each(signers)(
    'rejects signatures for $alg that are zero, too large, in DER, or of another length',
    async (signer) => {
      const { key, signed } = signer
      const outcomes = await Promise.all(
        forgeries(signer).map(async ([name, forged]) => [
          name,
          await outcomeOf(twin, key, tokenOf(signed, forged)),
        ]),
      )
      expect(outcomes).toEqual(forgeries(signer).map(([name]) => [name, false]))
    },
  )

  it.each(signers.filter(({ alg }) => alg.startsWith('ES')))(
    'verifies signatures for $alg whose numbers begin with a zero or with a bit of 1 (RFC 7518 §3.4)',
    async ({ key, signed, sign, signature: { length } }) => {
      const found = await tokensByForm(sign, signed, length / 2)
      expect([...found.keys()].sort()).toEqual(FORMS)
      for (const [form, token] of found)
        expect([form, await outcomeOf(twin, key, token)]).toEqual([form, true])
    },
  )

  it.each(signers.filter(({ jwk }) => jwk.kty === 'RSA'))(
    'rejects a signature for $alg plus the modulus (RFC 8017 §5.2.2)',
    async (signer) => {
      const outcomes: unknown[] = []
      for (let count = 0; count < 16; count += 1) {
        const signed = `${signer.signed}${'A'.repeat(count)}`
        const sum = plusModulus({ ...signer, signature: await signer.sign(signed) })
        if (sum !== undefined) outcomes.push(await outcomeOf(twin, signer.key, tokenOf(signed, sum)))
      }
      expect(outcomes).toEqual(outcomes.map(() => false))
    },
  )

  it("uses the hash, padding and salt length of the key's algorithm (RFC 7518 §3.3 and §3.5)", async () => {
    for (const alg of ['RS256', 'PS256', 'ES256'] as const) {
      const { jwk, key, signed, sign } = signerOf(alg)
      const token = tokenOf(signed, await sign(signed, {}))
      expect(await outcomeOf(twin, key, token)).toBe(true)
      if (alg === 'ES256') continue
      for (const other of ['RS256', 'RS512', 'PS256', 'PS512'])
        expect(await outcomeOf(twin, keyOf({ ...jwk, alg: other }), token)).toBe(other === alg)
    }
    const { key, signed, sign } = signerOf('PS256')
    for (const saltLength of [0, 20, 31, 33, 222])
      expect(await outcomeOf(twin, key, tokenOf(signed, await sign(signed, { saltLength })))).toBe(false)
    const p256 = signerOf('ES256')
    const withSha384 = await p256.sign(p256.signed, { hash: 'SHA-384' })
    expect(await outcomeOf(twin, p256.key, tokenOf(p256.signed, withSha384))).toBe(false)
  })

  it('takes no parameter from a setter or a constant on Object.prototype', async () => {
    const { jwk, signed, sign } = signerOf('PS256')
    const token = tokenOf(signed, await sign(signed))
    for (const [name, descriptor] of [
      ['padding', { get: () => 1, set: () => {} }],
      ['padding', { value: 1 }],
      ['saltLength', { get: () => 0, set: () => {} }],
      ['context', { value: new Uint8Array(1) }],
    ] as const) {
      Object.defineProperty(Object.prototype, name, { ...descriptor, configurable: true })
      try {
        expect([name, await outcomeOf(twin, keyOf(jwk), token)]).toEqual([name, true])
      } finally {
        Reflect.deleteProperty(Object.prototype, name)
      }
    }
  })

  it('accepts no signature by a point off its curve (C16 E08)', async () => {
    for (const alg of ['ES256', 'ES384', 'ES512'] as const) {
      const { jwk, signed, signature } = signerOf(alg)
      const zero = base64url(new Uint8Array(signature.length / 2))
      for (const point of [{ x: jwk.y, y: jwk.x }, { y: jwk.x }, { x: zero, y: zero }])
        expect(await outcomeOf(twin, keyOf({ ...jwk, ...point }), tokenOf(signed, signature))).not.toBe(true)
    }
  })

  it('does not import a point off its curve (C16, E08)', async () => {
    const { jwk } = signerOf('ES256')
    await expect(twin.importKey(keyOf({ ...jwk, x: jwk.y, y: jwk.x }))).rejects.toThrow()
  })

  describe('is reached only by tokens and keys that passed every check before', () => {
    const signedBy = async ({ alg, sign }: Signer, header: object = {}) => {
      const signed = `${base64url(JSON.stringify({ alg, ...header }))}.${base64url('{}')}`
      return tokenOf(signed, await sign(signed))
    }
    const outcome = async (alg: Algorithm, { header = {}, jwk = {}, allowed = ALGORITHMS }: Changes) => {
      const signer = signerOf(alg)
      const key = { ...signer.jwk, ...jwk }
      return outcomeOfToken(twin, await signedBy(signer, header), [key], allowed)
    }

    it.each(signers)('$alg, as it should be', async ({ alg }) => {
      expect(await outcome(alg, {})).toBe(true)
    })

    it.each<[title: string, alg: Algorithm, changes: Changes, expected: string]>([
      ['"alg" that is not allowed', 'RS256', { allowed: ['PS256'] }, 'algorithm_not_allowed'],
      ['"alg" of none', 'RS256', { header: { alg: 'none' } }, 'algorithm_not_allowed'],
      ['"alg" of HMAC with a public key', 'RS256', { header: { alg: 'HS256' } }, 'unknown_key'],
      ['"alg" other than that of the key', 'RS256', { jwk: { alg: 'PS256' } }, 'unknown_key'],
      ['"alg" of another type of key', 'RS256', { header: { alg: 'ES256' } }, 'unknown_key'],
      ['"alg" of another curve', 'ES256', { jwk: { alg: 'ES384' } }, 'it is for no allowed algorithm'],
      ['"alg" of another curve in the header', 'ES256', { header: { alg: 'ES384' } }, 'unknown_key'],
      ['"crv" that is not allowed', 'ES256', { jwk: { crv: 'secp256k1' } }, 'it is for no allowed algorithm'],
      ['"use" of encryption', 'RS256', { jwk: { use: 'enc' } }, 'its "use" is not "sig"'],
      [
        '"key_ops" without verify',
        'RS256',
        { jwk: { key_ops: ['sign'] } },
        'its "key_ops" do not include "verify"',
      ],
      ['private key', 'RS256', { jwk: { d: 'AQ' } }, 'it is a private key'],
      ['"crit"', 'ES256', { header: { crit: ['exp'] } }, 'unsupported_header'],
      ['"b64"', 'ES256', { header: { b64: false, crit: ['b64'] } }, 'unsupported_header'],
      ['"b64" without "crit"', 'ES256', { header: { b64: true } }, 'unsupported_header'],
      ['secret that is too short', 'HS256', { jwk: { k: 'A'.repeat(42) } }, 'it is shorter than 32 bytes'],
      ['secret that is too short', 'HS512', { jwk: { k: 'A'.repeat(80) } }, 'it is shorter than 64 bytes'],
      [
        'modulus of 2040 bits',
        'RS256',
        { jwk: { n: `_${'A'.repeat(339)}` } },
        'its modulus is not of 2048 to 8192 bits',
      ],
    ])('not with a %s: %s', async (_title, alg, changes, expected) => {
      expect(await outcome(alg, changes)).toBe(expected)
    })
  })
})
