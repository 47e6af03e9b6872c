/** An issuer of the tests' own: real keys, and tokens signed with them. */

import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'

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

export async function createKey(alg = 'ES256', kid = `${alg}-1`): Promise<TestKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
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

function defined(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}
