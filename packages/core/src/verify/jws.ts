/** Signed tokens in compact form: their text, their header and their signature (RFC 7515). */

import { base64url, compactVerify, errors } from 'jose'
import { isNestedTooDeeply, isObject, own } from '../identity.ts'
import { Unavailable } from '../rejection.ts'
import { type Algorithm, importKey, type VerificationKey } from './jwk.ts'
import type { KeyTries } from './key-tries.ts'
import { type Inactive, inactive } from './verifier.ts'

const COMPACT_JWS = /^[\w-]+\.[\w-]*\.[\w-]+$/
const COMPACT_JWE = /^[\w-]*(?:\.[\w-]*){4}$/

const MAX_KID_LENGTH = 256

/** What is wrong with the text of a token, before anything is decoded: each token has just one spelling that passes. */
export function checkText(token: string): Inactive | undefined {
  if (isCompactJws(token)) return undefined
  return inactive(COMPACT_JWE.test(token) ? 'encrypted_token' : 'malformed_token')
}

function isCompactJws(token: string): boolean {
  if (!COMPACT_JWS.test(token)) return false
  const [first, last] = [token.indexOf('.'), token.lastIndexOf('.')]
  return (
    isCanonical(token, 0, first) &&
    isCanonical(token, first + 1, last) &&
    isCanonical(token, last + 1, token.length)
  )
}

/** Whether a segment is one of whole bytes, with nothing in the bits that its last character does not use (RFC 4648 §3.5). */
function isCanonical(token: string, start: number, end: number): boolean {
  const rest = (end - start) % 4
  const last = token.charAt(end - 1)
  return (
    rest === 0 || (rest === 2 && 'AQgw'.includes(last)) || (rest === 3 && 'AEIMQUYcgkosw048'.includes(last))
  )
}

export interface CompactJws {
  readonly text: string
  readonly payload: string
  readonly header: Readonly<Record<string, unknown>>
  readonly alg: Algorithm
  readonly kid: string | undefined
}

/** Takes a token apart whose text was checked, and checks its header. */
export function parseJws(token: string, allowed: readonly Algorithm[]): CompactJws | Inactive {
  const [encodedHeader = '', payload = ''] = token.split('.', 2)
  const header = decodeObject(encodedHeader)
  if (header === undefined)
    return inactive('malformed_token', 'the header is not a JSON object in UTF-8, or nested too deeply')
  if (Object.hasOwn(header, 'enc')) return inactive('encrypted_token')
  const alg = own(header, 'alg')
  if (!allowed.includes(alg as Algorithm)) return inactive('algorithm_not_allowed')
  // RFC 7515 §4.1.11, RFC 7797 §7: no extension is understood; RFC 7519 §5.2: nor is a token in a token.
  for (const name of ['crit', 'b64', 'zip'])
    if (Object.hasOwn(header, name)) return inactive('unsupported_header', name)
  if (mediaType(own(header, 'cty')) === 'jwt') return inactive('unsupported_header', 'cty')
  const kid = own(header, 'kid')
  if (kid !== undefined && !(typeof kid === 'string' && kid !== '' && kid.length <= MAX_KID_LENGTH))
    return inactive('unknown_key', 'the "kid" is not a string of 1 to 256 characters')
  return { text: token, payload, header, alg: alg as Algorithm, kid }
}

/**
 * Finds the key that made the signature.
 * @throws Unavailable if none did, but one of them cannot be used, or not all of them may be tried
 */
export async function signingKey(
  { text, alg }: CompactJws,
  keys: readonly VerificationKey[],
  tries: KeyTries,
): Promise<VerificationKey | undefined> {
  let failure: unknown
  for (const key of keys) {
    tries.begin()
    try {
      await compactVerify(text, key.imported ?? (await importKey(key)), { algorithms: [alg] })
      tries.succeeded(key)
      return key
    } catch (cause) {
      if (!(cause instanceof errors.JWSSignatureVerificationFailed)) failure ??= cause
    }
  }
  if (failure !== undefined) throw new Unavailable('A key cannot be used', { cause: failure })
  return undefined
}

/**
 * The text by which a token is known whatever its signature: of the same JWT there are two that are valid by ECDSA. A token
 * that is no signed JWT is its own.
 */
export function signedText(token: string): string {
  if (isCompactJws(token) && typeof own(decodeObject(token.split('.')[0] ?? '') ?? {}, 'alg') === 'string')
    return token.slice(0, token.lastIndexOf('.'))
  return token
}

/** The `iss` that a token claims for itself, if it is a signed JWT. It is good for choosing who is to verify it, nothing else. */
export function unverifiedIssuer(token: string): string | undefined {
  if (checkText(token) !== undefined) return undefined
  const iss = own(decodeObject(token.split('.')[1] ?? '') ?? {}, 'iss')
  return typeof iss === 'string' ? iss : undefined
}

/** Strict UTF-8; a byte order mark is not skipped, so that JSON refuses it (RFC 8725 §3.7). */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A JSON object from a segment of a text that was checked, or `undefined`. */
export function decodeObject(segment: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(decodeText(segment))
    return isObject(value) && !isNestedTooDeeply(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Nearly all JSON is ASCII, which needs no decoder. */
function decodeText(segment: string): string {
  const binary = atob(segment.replaceAll('-', '+').replaceAll('_', '/'))
  return /[^\0-\x7f]/.test(binary) ? utf8.decode(base64url.decode(segment)) : binary
}

/** A media type in lower case and without `application/`, which may be left out (RFC 7515 §4.1.9). */
export function mediaType(value: unknown): string | undefined {
  return typeof value === 'string' ? value.toLowerCase().replace(/^application\/(?=[^/]*$)/, '') : undefined
}
