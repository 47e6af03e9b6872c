/** Signers for each algorithm, which sign with WebCrypto, and the keys that verify what they signed. */

import type { webcrypto } from 'node:crypto'
import {
  ALGORITHMS,
  type Algorithm,
  type VerificationKey,
  verificationKey,
} from '../../packages/core/src/verify/keys/jwk.ts'
import { base64url } from './forge.ts'
import RSA_KEYS from './rsa-keys.json' with { type: 'json' }

export type Jwk = Readonly<Record<string, unknown>>

export interface Signer {
  readonly alg: Algorithm
  readonly jwk: Jwk
  readonly key: VerificationKey
  /** The header and payload, which it signed. */
  readonly signed: string
  readonly signature: Uint8Array
  /** Signs with the parameters of WebCrypto that are given, such as another hash. */
  sign(signed: string, changed?: object): Promise<Uint8Array>
}

const bytesOf = (text: string) => new TextEncoder().encode(text)
const SIGNED = `${base64url('{"alg":"?"}')}.${base64url('{"sub":"emma"}'.repeat(30))}`

const CURVES: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }

function parametersOf(alg: string): Record<string, unknown> {
  const bits = Number(alg.slice(2))
  const hash = `SHA-${bits}`
  const rsa = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) }
  if (alg.startsWith('HS')) return { name: 'HMAC', hash, length: bits }
  if (alg.startsWith('RS')) return { name: 'RSASSA-PKCS1-v1_5', hash, ...rsa }
  if (alg.startsWith('PS')) return { name: 'RSA-PSS', hash, saltLength: bits / 8, ...rsa }
  return alg.startsWith('ES') ? { name: 'ECDSA', hash, namedCurve: CURVES[alg] } : { name: 'Ed25519' }
}

let rsaKeys = 0

/** Fixed RSA keys in turn, because generating them takes long. */
async function rsaKey(parameters: object): Promise<readonly [webcrypto.CryptoKey, Jwk]> {
  const { kty, n, e, ...secret } = RSA_KEYS[rsaKeys++ % RSA_KEYS.length] as Jwk
  const jwk = { kty, n, e, ...secret } as never
  const key = await crypto.subtle.importKey('jwk', jwk, parameters as never, true, ['sign'])
  return [key as webcrypto.CryptoKey, { kty, n, e }]
}

async function newKey(alg: Algorithm, parameters: object): Promise<readonly [webcrypto.CryptoKey, Jwk]> {
  if (/^[RP]S/.test(alg)) return rsaKey(parameters)
  const made = await crypto.subtle.generateKey(parameters as never, true, ['sign', 'verify'])
  const pair = made as unknown as webcrypto.CryptoKeyPair
  const [secret, published] = alg.startsWith('HS') ? [made, made] : [pair.privateKey, pair.publicKey]
  const jwk = await crypto.subtle.exportKey('jwk', published as webcrypto.CryptoKey)
  return [secret as webcrypto.CryptoKey, jwk as Jwk]
}

export async function createSigner(alg: Algorithm): Promise<Signer> {
  const parameters = parametersOf(alg)
  const [secret, exported] = await newKey(alg, parameters)
  const { kty, crv, n, e, x, y, k } = exported
  const members = { kty, crv, n, e, x, y, k, alg, kid: 'one' }
  const jwk = Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
  const sign = async (signed: string, changed = {}) => {
    const input = { ...parameters, ...changed } as never
    return new Uint8Array(await crypto.subtle.sign(input, secret, bytesOf(signed)))
  }
  let signature = await sign(SIGNED)
  // OpenSSL takes a PSS signature without a zero in front. `signatureLength` of the key is for that, not the twins.
  while (alg.startsWith('PS') && signature[0] === 0) signature = await sign(SIGNED)
  return { alg, jwk, key: keyOf(jwk), signed: SIGNED, signature, sign }
}

export function keyOf(jwk: Jwk): VerificationKey {
  const key = verificationKey(jwk, ALGORITHMS, 'allow-secrets')
  if (typeof key === 'string') throw new Error(key)
  return key
}

/** One for each algorithm, except ML-DSA, which not every runtime has. */
export const signers = await Promise.all(
  ALGORITHMS.filter((alg) => !alg.startsWith('ML-DSA')).map((alg) => createSigner(alg)),
)
export const tokenOf = (signed: string, signature: Uint8Array) => `${signed}.${base64url(signature)}`
