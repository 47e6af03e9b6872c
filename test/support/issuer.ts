/** An issuer of the tests' own: real keys, and tokens signed with them. */

import {
  type CryptoKey,
  exportJWK,
  type GenerateKeyPairResult,
  generateKeyPair,
  importJWK,
  type JWK,
  SignJWT,
} from 'jose'
import RSA_KEYS from './rsa-keys.json' with { type: 'json' }

export const ISSUER = 'https://id.example.com'
export const AUDIENCE = 'https://api.example.com'
/** 2026-01-01T00:00:00Z: the time by which the tests' tokens are made. */
export const NOW = 1_767_225_600

export interface TestKey {
  readonly kid: string
  readonly alg: string
  readonly jwk: JWK
  /** Signs a token. What is `undefined` in the claims or the header is left out. */
  sign(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>
}

/** The claims of a good access token, by RFC 9068. */
export function goodClaims(): Record<string, unknown> {
  return {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'emma',
    client_id: 'web',
    scope: 'read write',
    iat: NOW - 10,
    exp: NOW + 600,
    jti: 'token-1',
  }
}

/** Creates a key that signs tokens. */
export async function createKey(alg = 'ES256', kid = `${alg}-1`): Promise<TestKey> {
  const { privateKey, publicKey } = await createKeyPair(alg)
  const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' }
  return {
    kid,
    alg,
    jwk,
    sign: (claims = {}, header = {}) =>
      new SignJWT(defined({ ...goodClaims(), ...claims }))
        .setProtectedHeader(defined({ typ: 'at+jwt', alg, kid, ...header }) as { alg: string })
        .sign(privateKey),
  }
}

let rsaKeys = 0

/** Creates a key pair. RSA keys come from four fixed ones in turn, because generating one takes up to half a second. */
export async function createKeyPair(alg: string): Promise<GenerateKeyPairResult> {
  if (!/^[RP]S/.test(alg)) return generateKeyPair(alg, { extractable: true })
  const jwk = RSA_KEYS[rsaKeys++ % RSA_KEYS.length] as JWK
  const { kty, n, e } = jwk
  const [privateKey, publicKey] = await Promise.all(
    [jwk, { kty, n, e } as JWK].map((key) => importJWK(key, alg, { extractable: true })),
  )
  return { privateKey: privateKey as CryptoKey, publicKey: publicKey as CryptoKey }
}

function defined(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}
