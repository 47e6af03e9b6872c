/** Keys that the options contain as a secret or in PEM, and tokens without `exp` (RFC 7518 §3.2, RFC 7468). */

import { createGate, type JwtOptions, jwt, multiIssuerJwt } from '@bearergate/core'
import { base64url, type CryptoKey, exportSPKI, SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { outcome } from '../../../support/forge.ts'
import { AUDIENCE, createKeyPair, goodClaims, ISSUER, NOW } from '../../../support/issuer.ts'

const SECRET = 'a secret of this test: exactly 64 bytes, as HS512 needs, no more.'.slice(0, 64)
const bytes = new TextEncoder().encode(SECRET)
const now = () => NOW * 1000
const common = { issuer: ISSUER, audience: AUDIENCE, now }

function signed(key: Uint8Array | CryptoKey, header: { alg: string; kid?: string }, claims: object = {}) {
  return new SignJWT({ ...goodClaims(), ...claims }).setProtectedHeader(header).sign(key)
}

function answered(options: Partial<JwtOptions>, token: string): Promise<string> {
  return outcome(createGate({ ...common, ...options } as never), token)
}

describe('a secret', () => {
  it.each([
    ['text', SECRET],
    ['bytes', bytes],
  ])('given as %s verifies HS256, and ignores the kid of a token', async (_form, secret) => {
    expect(await answered({ secret }, await signed(bytes, { alg: 'HS256' }))).toBe('ok')
    expect(await answered({ secret }, await signed(bytes, { alg: 'HS256', kid: 'any' }))).toBe('ok')
    const other = new TextEncoder().encode(SECRET.toUpperCase())
    expect(await answered({ secret }, await signed(other, { alg: 'HS256' }))).toBe('401 invalid_signature')
  })

  it('verifies another HMAC only if "algorithms" says so, and then no other', async () => {
    const hs512 = await signed(bytes, { alg: 'HS512' })
    expect(await answered({ secret: SECRET }, hs512)).toBe('401 algorithm_not_allowed')
    expect(await answered({ secret: SECRET, algorithms: ['HS512'] }, hs512)).toBe('ok')
  })

  it('beside discovery leaves the public keys of the issuer in use', async () => {
    const { privateKey, publicKey } = await createKeyPair('ES256')
    const jwk = { ...(await crypto.subtle.exportKey('jwk', publicKey)), kid: 'a' }
    const options = {
      secret: SECRET,
      jwksUri: `${ISSUER}/jwks`,
      fetch: async () => Response.json({ keys: [jwk] }),
    }
    expect(await answered(options, await signed(bytes, { alg: 'HS256' }))).toBe('ok')
    expect(await answered(options, await signed(privateKey, { alg: 'ES256', kid: 'a' }))).toBe('ok')
  })

  it('is not in the description, and works for one issuer of several', async () => {
    const verifier = jwt({ ...common, secret: SECRET })
    expect(JSON.stringify(verifier.describe?.())).not.toContain(SECRET.slice(0, 8))
    expect(verifier.describe?.()).toMatchObject({ algorithms: ['HS256'], keySet: { state: 'given' } })
    const trusted = { issuer: ISSUER, audience: AUDIENCE, secret: bytes }
    const several = [multiIssuerJwt([trusted], { now }), multiIssuerJwt(() => trusted, { now })]
    for (const one of several)
      expect(await one.verify(await signed(bytes, { alg: 'HS256' }))).toMatchObject({ active: true })
  })
})

describe('the bytes of a public key as a secret', () => {
  /** Returns the bytes of a public key in each form in which a file or a variable may contain it. */
  async function formsOf(alg: string): Promise<Readonly<Record<string, Uint8Array>>> {
    const { publicKey } = await createKeyPair(alg)
    const pem = await exportSPKI(publicKey)
    const jwk = JSON.stringify(await crypto.subtle.exportKey('jwk', publicKey), undefined, 2)
    const der = new Uint8Array(await crypto.subtle.exportKey('spki', publicKey))
    const encode = (text: string) => new TextEncoder().encode(text)
    return {
      'a PEM': encode(pem),
      'a PEM in UTF-16': new Uint8Array([...encode(pem)].flatMap((byte) => [byte, 0])),
      'a PEM in JSON': encode(JSON.stringify({ pem })),
      'a PEM in base64': encode(base64url.encode(pem)),
      'the body of a PEM': encode(pem.split('\n').slice(1, -1).join('\n')),
      'a JWK': encode(jwk),
      'a JWK in JSON text': encode(JSON.stringify(jwk)),
      DER: der,
      'DER in base64url': encode(base64url.encode(der)),
      'a line of OpenSSH': encode(`ssh-rsa ${base64url.encode(der)} emma@example.com`),
      'a blob of OpenSSH': new Uint8Array([0, 0, 0, 11, ...encode('ssh-ed25519'), 0, 0, 0, 32, ...der]),
    }
  }

  it.each(['RS256', 'ES256'])(
    'throws as "secret" and as a JWK, in any form of a key for %s (E01)',
    async (alg) => {
      for (const [form, key] of Object.entries(await formsOf(alg))) {
        expect(() => jwt({ ...common, secret: key }), form).toThrow(
          '"secret" must be a shared secret, but is a ',
        )
        const jwk = { kty: 'oct', k: base64url.encode(key) }
        const options = { ...common, keys: { keys: [jwk] }, algorithms: ['RS256', 'HS256'] as const }
        expect(() => jwt(options), form).toThrow(
          'The "k" of the key at index 0 of "keys" must be a shared secret',
        )
      }
    },
  )

  it('throws in PKCS #1 and in a certificate too (E01)', async () => {
    const { publicKey } = await createKeyPair('RS256')
    const spki = new Uint8Array(await crypto.subtle.exportKey('spki', publicKey))
    // The modulus of 2048 bits begins after 24 bytes of SPKI.
    const pkcs1 = spki.subarray(24)
    expect(() => jwt({ ...common, secret: pkcs1 })).toThrow('but is a key in DER')
    const fields = [element(2, [1]), element(48, []), element(48, []), element(48, []), element(48, [])]
    const certificate = element(48, element(48, [...fields.flat(), ...spki]))
    expect(() => jwt({ ...common, secret: new Uint8Array(certificate) })).toThrow('but is a key in DER')
  })

  it.each([
    ['random bytes', () => crypto.getRandomValues(new Uint8Array(48))],
    [
      'bytes that begin like DER',
      () => new Uint8Array([48, 46, ...crypto.getRandomValues(new Uint8Array(46))]),
    ],
    ['base64 of random bytes', () => base64url.encode(crypto.getRandomValues(new Uint8Array(48)))],
    ['a sentence', () => SECRET],
  ])('does not throw for %s', (_form, secret) => {
    for (let round = 0; round < 100; round += 1)
      expect(() => jwt({ ...common, secret: secret() })).not.toThrow()
  })
})

/** Encodes one element of DER. */
function element(tag: number, content: readonly number[]): readonly number[] {
  const length = content.length < 128 ? [content.length] : [0x82, content.length >> 8, content.length & 0xff]
  return [tag, ...length, ...content]
}

describe('a public key in PEM', () => {
  it.each(['RS256', 'ES256', 'ES384', 'ES512', 'EdDSA'])(
    'verifies %s, and ignores the kid of a token',
    async (alg) => {
      const { privateKey, publicKey } = await createKeyPair(alg)
      const pem = await exportSPKI(publicKey)
      expect(await answered({ publicKey: pem }, await signed(privateKey, { alg, kid: 'any' }))).toBe('ok')
    },
  )

  it('does not verify a token that was signed with its text as a secret (RFC 8725 §2.1)', async () => {
    const { publicKey } = await createKeyPair('RS256')
    const pem = await exportSPKI(publicKey)
    const forged = await signed(new TextEncoder().encode(pem), { alg: 'HS256' })
    expect(await answered({ publicKey: pem }, forged)).toBe('401 algorithm_not_allowed')
    expect(() => jwt({ ...common, secret: pem })).toThrow('"secret" must be a shared secret, but is a PEM')
    expect(() => jwt({ ...common, publicKey: pem, algorithms: ['HS256'] })).toThrow('needs a shared secret')
  })
})

describe('a token without exp', () => {
  const without = (claims: object) => signed(bytes, { alg: 'HS256' }, { exp: undefined, ...claims })
  const allowed = { secret: SECRET, allowMissingExp: true, maxTokenAge: 3_600 }

  it('is rejected unless "allowMissingExp" is set, also with "maxTokenAge"', async () => {
    const token = await without({})
    expect(await answered({ secret: SECRET }, token)).toBe('401 missing_claim')
    expect(await answered({ secret: SECRET, maxTokenAge: 3_600 }, token)).toBe('401 missing_claim')
    expect(await answered(allowed, token)).toBe('ok')
  })

  it('is accepted until "maxTokenAge", also out of the cache', async () => {
    let time = NOW
    const gate = createGate({ ...common, ...allowed, now: () => time * 1000 })
    const token = await without({ iat: NOW })
    expect(await outcome(gate, token)).toBe('ok')
    time = NOW + 3_600 + 29
    expect(await outcome(gate, token)).toBe('ok')
    time = NOW + 3_600 + 30
    expect(await outcome(gate, token)).toBe('401 max_age_exceeded')
  })

  it('needs iat, and one with exp still expires', async () => {
    expect(await answered(allowed, await without({ iat: undefined }))).toBe('401 missing_claim')
    expect(await answered(allowed, await without({ exp: NOW - 31 }))).toBe('401 expired')
  })

  it('is in the description of the verifier', () => {
    expect(jwt({ ...common, ...allowed }).describe?.()).toMatchObject({
      allowMissingExp: true,
      maxTokenAge: 3_600,
    })
    expect(jwt({ ...common, secret: SECRET }).describe?.()).not.toHaveProperty('allowMissingExp')
  })

  it('cannot be allowed with the profile rfc9068, nor without "maxTokenAge"', () => {
    expect(() => jwt({ ...common, ...allowed, profile: 'rfc9068' })).toThrow(
      '"allowMissingExp" cannot be combined',
    )
    expect(() => jwt({ ...common, ...allowed, maxTokenAge: undefined })).toThrow(
      '"allowMissingExp" needs "maxTokenAge"',
    )
  })
})
