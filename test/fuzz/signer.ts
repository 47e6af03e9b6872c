/**
 * Signs anything with node:crypto, and checks signatures with it: nothing here is jose's or the core's. Keys are new in
 * each run: a seed says what is done to them, not which they are.
 */

import {
  constants,
  createHmac,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  sign,
  type VerifyKeyObjectInput,
  verify,
} from 'node:crypto'

/** The algorithms that a token of the tests may have, each with the key that it takes. */
export const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519', 'HS256'],
]

const CURVES: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }

export interface Signer {
  readonly alg: string
  readonly kid: string
  /** What the core is given: the public key, or the secret. */
  readonly jwk: JsonWebKey
  readonly key: KeyObject
  /** A compact JWS of any header and any payload: texts are taken as they are, all else as JSON. */
  token(header: unknown, payload: unknown): string
}

export function createSigner(alg: string, kid = `${alg}-1`): Signer {
  const { key, secret } = keyFor(alg)
  return {
    alg,
    kid,
    key,
    jwk: { ...key.export({ format: 'jwk' }), kid, alg, ...(alg.startsWith('HS') ? {} : { use: 'sig' }) },
    token(header, payload) {
      const input = `${encoded(header)}.${encoded(payload)}`
      return `${input}.${signature(alg, secret, input).toString('base64url')}`
    },
  }
}

export function encoded(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
}

/** Whether the key made the signature with the algorithm. */
export function isSigned(alg: string, key: KeyObject, input: string, made: Buffer): boolean {
  if (alg.startsWith('HS')) return made.equals(signature(alg, key, input))
  return verify(digestOf(alg), Buffer.from(input), inputFor(alg, key), made)
}

export function publicKeyOf(jwk: JsonWebKey): KeyObject {
  return jwk.kty === 'oct'
    ? createSecretKey(Buffer.from(String(jwk.k), 'base64url'))
    : createPublicKey({ key: jwk, format: 'jwk' })
}

function keyFor(alg: string): { key: KeyObject; secret: KeyObject } {
  if (alg.startsWith('HS')) {
    const secret = createSecretKey(Buffer.from('0123456789abcdef0123456789abcdef'))
    return { key: secret, secret }
  }
  const namedCurve = CURVES[alg]
  const { publicKey, privateKey } = /^[RP]S/.test(alg)
    ? generateKeyPairSync('rsa', { modulusLength: 2048 })
    : namedCurve === undefined
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve })
  return { key: publicKey, secret: privateKey }
}

function signature(alg: string, secret: KeyObject, input: string): Buffer {
  if (alg.startsWith('HS')) return createHmac('sha256', secret).update(input).digest()
  return sign(digestOf(alg), Buffer.from(input), inputFor(alg, secret))
}

function digestOf(alg: string): string | null {
  return alg.startsWith('Ed') ? null : `sha${alg.slice(2)}`
}

function inputFor(alg: string, key: KeyObject): VerifyKeyObjectInput {
  if (!alg.startsWith('PS')) return { key, dsaEncoding: 'ieee-p1363' }
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
}
