/** Reads the keys that the options contain: `keys`, `secret` or `publicKey` (RFC 7517 §5, RFC 7518 §3.2). */

import { base64url } from 'jose'
import { configurationError } from '../../lib/configuration-error.ts'
import { isObject } from '../../lib/json.ts'
import { quoted, received } from '../../lib/received.ts'
import { type Algorithm, MISFIT, otherUse, type VerificationKey, verificationKey } from '../keys/jwk.ts'
import { jwkFromPem } from '../keys/pem.ts'
import type { JsonWebKeySet, JwtOptions } from './options.ts'
import { publicKeyForm } from './public-key-form.ts'

const NAMES = ['keys', 'secret', 'publicKey'] as const

type Given = Pick<JwtOptions<unknown>, (typeof NAMES)[number]>

/** Whether the options contain keys. */
export function hasGivenKeys(options: Given): boolean {
  return NAMES.some((name) => options[name] !== undefined)
}

/** Whether secrets may be among the keys. Only then may HMAC be allowed. */
export function maySign({ keys, secret }: Given): boolean {
  return keys !== undefined || secret !== undefined
}

/**
 * Returns the keys of the options, or `undefined` if there are none.
 * @throws TypeError if a key is unusable, or the keys are given in two ways
 */
export function givenKeys(
  options: Given,
  allowed: readonly Algorithm[],
): readonly VerificationKey[] | undefined {
  const [name, another] = NAMES.filter((one) => options[one] !== undefined)
  if (another !== undefined)
    throw configurationError(
      'CONFLICTING_OPTIONS',
      `"${name}" and "${another}" exclude each other: for several keys, write keys: { keys: [jwk, …] }`,
    )
  switch (name) {
    case 'keys':
      return fromJwks(options.keys as JsonWebKeySet, allowed)
    case 'secret':
      return [fromSecret(options.secret, allowed)]
    case 'publicKey':
      return [fromPem(options.publicKey, allowed)]
    default:
      return undefined
  }
}

/** The number of bytes that a secret needs, by the algorithm: as many as the hash has (RFC 7518 §3.2). */
const MIN_BYTES: Readonly<Record<string, number>> = { HS256: 32, HS384: 48, HS512: 64 }

function fromSecret(secret: unknown, allowed: readonly Algorithm[]): VerificationKey {
  const bytes =
    typeof secret === 'string'
      ? new TextEncoder().encode(secret)
      : secret instanceof Uint8Array
        ? secret
        : undefined
  if (bytes === undefined)
    throw configurationError(
      'INVALID_KEY',
      `"secret" must be a string or a Uint8Array, but is ${received(secret)}`,
    )
  assertNoPublicKey('"secret"', bytes)
  if (typeof secret === 'string' && secret !== secret.trim())
    throw configurationError(
      'INVALID_KEY',
      '"secret" must not begin or end with white space, such as the line break of a file: write secret: text.trim(). If the white space is a part of the secret, write secret: new TextEncoder().encode(text)',
    )
  const alg = allowed.find((name) => MIN_BYTES[name] !== undefined)
  if (alg === undefined)
    throw configurationError(
      'INVALID_ALGORITHM',
      `"secret" is for HMAC, but "algorithms" allows only ${allowed.join(', ')}: write algorithms: ['HS256']`,
    )
  const second = allowed.find((name) => name !== alg && MIN_BYTES[name] !== undefined)
  if (second !== undefined)
    throw configurationError(
      'INVALID_ALGORITHM',
      `"secret" is a key for one algorithm, but "algorithms" allows ${alg} and ${second}: write algorithms: ['${alg}'], or give each algorithm a secret of its own in "keys"`,
    )
  const needed = MIN_BYTES[alg] as number
  if (bytes.length < needed)
    throw configurationError(
      'INVALID_KEY',
      `"secret" is too short for ${alg}: it must have at least ${needed} bytes (RFC 7518 §3.2), but has ${bytes.length}. Create one with: openssl rand -base64 ${needed}`,
    )
  return usable('secret', { kty: 'oct', k: base64url.encode(bytes), alg }, allowed)
}

/** Rejects a secret that others may know. The texts of PEM files are the usual mistake, also as the bytes of `readFile`. */
function assertNoPublicKey(name: string, secret: Uint8Array): void {
  const form = publicKeyForm(secret)
  if (form !== undefined)
    throw configurationError(
      'INVALID_KEY',
      `${name} must be a shared secret, but is ${form}. If it is the public key of the issuer (for RS256 or ES256, for example), write it in PEM and pass it as "publicKey", or pass it as a JWK in "keys"`,
    )
}

function fromPem(pem: unknown, allowed: readonly Algorithm[]): VerificationKey {
  if (typeof pem !== 'string')
    throw configurationError(
      'INVALID_KEY',
      `"publicKey" must be a PEM, such as the content of public.pem, but is ${received(pem)}`,
    )
  const jwk = jwkFromPem(pem)
  if (typeof jwk !== 'string') return usable('publicKey', jwk, allowed)
  throw configurationError('INVALID_KEY', `"publicKey" must be a PEM of a public key: ${jwk}`)
}

function usable(option: string, jwk: object, allowed: readonly Algorithm[]): VerificationKey {
  const key = verificationKey(jwk, allowed, 'allow-secrets')
  if (typeof key !== 'string') return key
  throw configurationError('INVALID_KEY', `"${option}" is unusable: ${key}${misfit(key, jwk, allowed)}`)
}

/** Says which algorithms a key is for, and which ones are allowed. */
function misfit(problem: string, jwk: unknown, allowed: readonly Algorithm[]): string {
  if (problem !== MISFIT || !isObject(jwk)) return ''
  const own = typeof jwk.alg === 'string' ? `Its "alg" is ${quoted(jwk.alg, 32)}` : `Its "kty" is ${jwk.kty}`
  const hint = jwk.kty === 'oct' ? ". For a shared secret, write algorithms: ['HS256']" : ''
  return `. ${own}, and "algorithms" allows ${allowed.join(', ')}${hint}`
}

function fromJwks(keys: JsonWebKeySet, allowed: readonly Algorithm[]): readonly VerificationKey[] {
  if (!Array.isArray(keys?.keys) || keys.keys.length === 0)
    throw configurationError(
      'INVALID_KEY',
      `"keys" must be a JSON Web Key Set with at least one key: { keys: [jwk] }; received ${isObject(keys) && 'kty' in keys ? 'a single key: write keys: { keys: [jwk] }' : received(keys)}`,
    )
  const all = keys.keys.map((jwk, index) => {
    // A published set may also contain keys for encryption.
    if (isObject(jwk) && otherUse(jwk) !== undefined) return undefined
    const key = verificationKey(jwk, allowed, 'allow-secrets')
    if (typeof key === 'string')
      throw configurationError(
        'INVALID_KEY',
        `"keys" has an unusable key at index ${index}: ${key}${misfit(key, jwk, allowed)}`,
      )
    if (key.jwk.k !== undefined)
      assertNoPublicKey(`The "k" of the key at index ${index} of "keys"`, base64url.decode(key.jwk.k))
    return key
  })
  const fit = all.filter((key) => key !== undefined)
  if (fit.length === 0)
    throw configurationError(
      'INVALID_KEY',
      '"keys" has no key for signatures: the "use" or "key_ops" of each key is for something else',
    )
  return fit
}
