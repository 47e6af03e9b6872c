/** Which keys may verify, and with which algorithm (RFC 7517 §4, RFC 7518 §3 and §6). */

import { exportJWK, generateKeyPair } from 'jose'
import { describe, expect, it } from 'vitest'
import { type Algorithm, DEFAULT_ALGORITHMS, verificationKey } from '#core/verify/keys/jwk.ts'

const publicJwk = async (alg: string) => exportJWK((await generateKeyPair(alg)).publicKey)
const rsa = await publicJwk('RS256')
const p256 = await publicJwk('ES256')
const p384 = await publicJwk('ES384')
const p521 = await publicJwk('ES512')
const ed25519 = await publicJwk('EdDSA')

const judge = (jwk: unknown, allowed: readonly Algorithm[] = DEFAULT_ALGORITHMS) => {
  const key = verificationKey(jwk, allowed, 'refuse-secrets')
  return typeof key === 'string' ? key : key.algorithms
}
const modulus = (bytes: number) => Buffer.alloc(bytes, 0xff).toString('base64url')

describe('verificationKey', () => {
  it.each([null, 7, 'key', [], undefined, true])('ignores %j (C18)', (entry) => {
    expect(judge(entry)).toBe('not an object')
  })

  it.each([{}, { kty: 'XYZ' }, { kty: 7 }, { kty: '__proto__' }, { kty: 'constructor' }])(
    'ignores an unknown kty: %j (C18)',
    (jwk) => {
      expect(judge(jwk)).toBe('its "kty" is not known')
    },
  )

  it('ignores a key that lacks a member, or has it in another type (C18)', () => {
    for (const [jwk, name] of [
      [rsa, 'n'],
      [rsa, 'e'],
      [p256, 'x'],
      [p256, 'y'],
      [p256, 'crv'],
      [ed25519, 'x'],
    ] as const)
      for (const value of [undefined, 7, null, {}, ['AQAB']])
        expect(judge({ ...jwk, [name]: value })).toBe(`its "${name}" is not a string`)
    expect(judge({ ...rsa, kid: 7 })).toBe('its "kid" is not a string')
    expect(judge({ ...rsa, n: '!!' })).toBe('its "n" or "e" is not base64url')
    expect(judge({ ...rsa, e: '' })).toBe('its "n" or "e" is not base64url')
    expect(judge({ ...rsa, e: 'A' })).toBe('its "n" or "e" is not base64url')
  })

  it('rejects RSA keys under 2,048 and over 8,192 bits (C13)', () => {
    for (const bytes of [64, 128, 255, 1025, 2048])
      expect(judge({ ...rsa, n: modulus(bytes) })).toMatch(/modulus/)
    for (const bytes of [256, 512, 1024]) expect(judge({ ...rsa, n: modulus(bytes) })).toEqual(['RS256'])
    const bits2047 = Buffer.concat([Buffer.from([0x7f]), Buffer.alloc(255, 0xff)])
    expect(judge({ ...rsa, n: bits2047.toString('base64url') })).toMatch(/modulus/)
    expect(
      judge({ ...rsa, n: Buffer.concat([Buffer.alloc(1), Buffer.alloc(255, 0xff)]).toString('base64url') }),
    ).toMatch(/modulus/)
    expect(judge({ ...rsa, n: Buffer.alloc(256).toString('base64url') })).toMatch(/modulus/)
  })

  it('rejects a public exponent of 1, an even one, and one over 64 bits (C13)', () => {
    for (const bytes of [[0], [1], [0, 1], [2], [1, 0], [1, 0, 0], Array(9).fill(1)])
      expect(judge({ ...rsa, e: Buffer.from(bytes).toString('base64url') })).toMatch(/exponent/)
    for (const bytes of [[3], [17], [1, 0, 1], [0, 1, 0, 1]])
      expect(judge({ ...rsa, e: Buffer.from(bytes).toString('base64url') })).toEqual(['RS256'])
  })

  it('gives each curve its algorithm (C16, E02)', () => {
    expect(judge(p256)).toEqual(['ES256'])
    expect(judge(p384)).toEqual(['ES384'])
    expect(judge(p521)).toEqual(['ES512'])
    expect(judge(ed25519)).toEqual(['EdDSA', 'Ed25519'])
    // workerd imports it by no other alg.
    for (const alg of ['EdDSA', 'Ed25519', undefined])
      expect(verificationKey({ ...ed25519, alg }, DEFAULT_ALGORITHMS, 'refuse-secrets')).toMatchObject({
        jwk: { alg: 'EdDSA' },
      })
    expect(judge({ ...p256, crv: 'P-384', alg: 'ES256' })).toBe('it is for no allowed algorithm')
    for (const crv of ['secp256k1', 'Ed448', 'X25519', 'p-256', '__proto__'])
      expect(judge({ ...p256, crv })).toBe('it is for no allowed algorithm')
    expect(judge({ ...ed25519, kty: 'EC', y: 'AA' })).toBe('it is for no allowed algorithm')
    expect(judge({ ...p256, kty: 'OKP' })).toBe('it is for no allowed algorithm')
  })

  it('rejects a use other than sig, and key_ops without verify (C17)', () => {
    for (const use of ['enc', 7]) expect(judge({ ...rsa, use })).toBe('its "use" is not "sig"')
    for (const key_ops of [['encrypt'], ['sign'], 'verify', 7])
      expect(judge({ ...rsa, key_ops })).toBe('its "key_ops" do not include "verify"')
    expect(judge({ ...rsa, use: 'sig', key_ops: ['verify'] })).toEqual(['RS256'])
  })

  it('uses the alg of the key if it is allowed, and no other (C17, E01, E03)', () => {
    expect(judge({ ...rsa, alg: 'PS512' })).toEqual(['PS512'])
    expect(judge({ ...ed25519, alg: 'EdDSA' })).toEqual(['EdDSA'])
    expect(judge({ ...ed25519, alg: 'Ed25519' })).toEqual(['Ed25519'])
    for (const alg of ['HS256', 'ES256', 'RSA-OAEP', 'none', 'rs256', 7])
      expect(judge({ ...rsa, alg })).toBe('it is for no allowed algorithm')
    expect(judge({ ...rsa, alg: 'RS256' }, ['ES256'])).toBe('it is for no allowed algorithm')
  })

  it('rejects secrets and private keys (C19)', () => {
    expect(judge({ kty: 'oct', k: modulus(64), alg: 'HS256' }, ['HS256'])).toBe('it is a secret')
    for (const name of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'priv']) {
      expect(judge({ ...rsa, [name]: 'AQ' })).toBe('it is a private key')
      // As some runtimes export a public key.
      expect(judge({ ...rsa, [name]: undefined })).toEqual(['RS256'])
    }
  })

  it.each([null, '', []])('counts an optional member of %j as unset (FIELD04)', (unset) => {
    const names = ['use', 'key_ops', 'alg', 'kid', 'd', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'priv', 'k', 'x5c']
    for (const name of names) expect(judge({ ...rsa, [name]: unset })).toEqual(['RS256'])
    const dotNet = Object.fromEntries(names.map((name) => [name, unset]))
    expect(judge({ ...rsa, ...dotNet })).toEqual(['RS256'])
    expect(judge({ ...rsa, ...dotNet, d: rsa.n })).toBe('it is a private key')
    expect(judge({ ...rsa, ...dotNet, oth: [{}] })).toBe('it is a private key')
    expect(judge({ ...rsa, ...dotNet, use: 'enc' })).toBe('its "use" is not "sig"')
    expect(judge({ ...rsa, n: unset })).not.toEqual(['RS256'])
  })

  it.each([
    ['RSA', rsa, ['n', 'e']],
    ['P-256', p256, ['x', 'y']],
    ['P-384', p384, ['x', 'y']],
    ['P-521', p521, ['x', 'y']],
    ['Ed25519', ed25519, ['x']],
  ] as const)(
    'reads a key for %s in either alphabet of base64, with padding or without (FIELD06)',
    (_, jwk, members) => {
      const canonical = verificationKey(jwk, DEFAULT_ALGORITHMS, 'refuse-secrets')
      if (typeof canonical === 'string') throw new Error(canonical)
      const spellings: ((value: string) => string)[] = [
        (value) => Buffer.from(value, 'base64url').toString('base64'),
        (value) => Buffer.from(value, 'base64url').toString('base64').replace(/=+$/, ''),
        (value) => value + '='.repeat((4 - (value.length % 4)) % 4),
      ]
      for (const spell of spellings) {
        const spelled = Object.fromEntries(members.map((name) => [name, spell(String(jwk[name]))]))
        const key = verificationKey({ ...jwk, ...spelled }, DEFAULT_ALGORITHMS, 'refuse-secrets')
        expect(key).toEqual(canonical)
      }
    },
  )

  it.each(['A', '=', '====', 'AQ===', 'A Q', 'AQ!', 'ÄÄÄÄ'])(
    'rejects %j in a key, because it is not base64 (FIELD06)',
    (text) => {
      expect(judge({ ...rsa, e: text })).toBe('its "n" or "e" is not base64url')
      expect(judge({ ...ed25519, x: text })).toBe('its "x" is not of 32 bytes')
    },
  )

  it('leaves a secret in base64url only (FIELD06)', () => {
    const secret = (k: string) => verificationKey({ kty: 'oct', k }, ['HS256'], 'allow-secrets')
    const text = Buffer.alloc(64, 0xfb).toString('base64')
    expect(secret(text)).toBe('it is shorter than 32 bytes')
    expect(secret(text.replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_'))).toMatchObject({
      algorithms: ['HS256'],
    })
  })

  it('reads no member of a key from Object.prototype', () => {
    const prototype = Object.prototype as Record<string, unknown>
    for (const [name, value] of [
      ['use', 'enc'],
      ['alg', 'HS256'],
      ['key_ops', []],
      ['d', 'AQ'],
      ['kid', 7],
      ['crv', 'P-256'],
    ] as const) {
      prototype[name] = value
      try {
        expect(judge(rsa)).toEqual(['RS256'])
      } finally {
        delete prototype[name]
      }
    }
  })
})
