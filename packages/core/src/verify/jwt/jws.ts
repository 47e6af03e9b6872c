/**
 * Reads signed tokens in compact form: their text, their header and their signature (RFC 7515).
 *
 * Accepts exactly one encoding of each token. A lenient base64 decoder accepts several texts for the same bytes. A revoked
 * token in another encoding would have another hash, and so not count as revoked.
 */

import { base64url } from 'jose'
import { verifySignature } from '#signature'
import { getOwn, isObject, isTextNestedTooDeeply } from '../../lib/json.ts'
import type { Algorithm, VerificationKey } from '../keys/jwk.ts'
import type { KeyTries } from '../keys/key-tries.ts'
import { type Inactive, inactive } from '../verification.ts'
import { algorithmDetail } from './details.ts'

const COMPACT_JWS = /^[\w-]+\.[\w-]*\.[\w-]+$/
const COMPACT_JWE = /^[\w-]*(?:\.[\w-]*){4}$/

/** A `kid` is kept while a token waits, and compared with those of all keys, so its length is limited. */
const MAX_KID_LENGTH = 256

/** A token whose text is a compact JWS, with its header and claims. Nothing is verified. Claims are decoded when first read. */
export class DecodedJws {
  readonly text: string
  readonly header: Readonly<Record<string, unknown>>
  #claims: Readonly<Record<string, unknown>> | undefined | null = null

  constructor(text: string, header: Readonly<Record<string, unknown>>) {
    this.text = text
    this.header = header
  }

  /** The claims. `undefined` if the payload is not a JSON object in strict UTF-8, or nested too deeply. */
  get claims(): Readonly<Record<string, unknown>> | undefined {
    if (this.#claims === null) {
      const start = this.text.indexOf('.') + 1
      this.#claims = decodeObject(this.text.slice(start, this.text.indexOf('.', start)))
    }
    return this.#claims
  }
}

/**
 * Returns the signed part of a compact JWS: header and payload with the dot between them (RFC 7515 §5.1). It identifies the
 * token better than the whole text, because every ECDSA signature can be turned into a second valid one without the key.
 */
export function signedText(text: string): string {
  return text.slice(0, text.lastIndexOf('.'))
}

/** Decodes the text of a token, or says why it is no signed JWT. Accepts only one encoding of header, payload and signature. */
export function decodeJws(token: string): DecodedJws | Inactive {
  if (!isCompactJws(token)) return inactive(COMPACT_JWE.test(token) ? 'encrypted_token' : 'malformed_token')
  const header = decodeObject(token.slice(0, token.indexOf('.')))
  return header === undefined
    ? inactive('malformed_token', 'the header is not a JSON object in UTF-8, or nested too deeply')
    : new DecodedJws(token, header)
}

/** Whether a text is a compact JWS in the only accepted encoding. */
function isCompactJws(token: string): boolean {
  if (!COMPACT_JWS.test(token)) return false
  const [first, last] = [token.indexOf('.'), token.lastIndexOf('.')]
  return (
    isCanonical(token, 0, first) &&
    isCanonical(token, first + 1, last) &&
    isCanonical(token, last + 1, token.length)
  )
}

/** Whether a segment encodes whole bytes, and the unused bits of its last character are zero (RFC 4648 §3.5). */
function isCanonical(token: string, start: number, end: number): boolean {
  const rest = (end - start) % 4
  const last = token.charAt(end - 1)
  return (
    rest === 0 || (rest === 2 && 'AQgw'.includes(last)) || (rest === 3 && 'AEIMQUYcgkosw048'.includes(last))
  )
}

/**
 * Whether a text is a JWT in another encoding than that of RFC 7515 §2: with padding, with characters of plain base64, or with
 * characters that a lenient decoder skips. The authorization server might still accept such a token at introspection. Its hash
 * differs, so a revocation of the token would not apply to it.
 */
export function isRespelled(token: string): boolean {
  if (!token.includes('.') || isCompactJws(token)) return false
  const segments = token.split('.')
  const header = lenientHeader(segments[0] as string)
  if (typeof getOwn(header, 'alg') !== 'string') return false
  // A JWE is not a JWS in another form. But `JWS..` has five segments too, and some decoders drop the empty ones.
  const isCompactJwe =
    typeof getOwn(header, 'enc') === 'string' &&
    COMPACT_JWE.test(token) &&
    segments.every((segment) => isCanonical(segment, 0, segment.length))
  return !isCompactJwe
}

/** Returns the header that a lenient decoder finds in a segment. Empty if it finds none. */
function lenientHeader(segment: string): Record<string, unknown> {
  const characters = segment
    .replaceAll('-', '+')
    .replaceAll('_', '/')
    .replaceAll(/[^A-Za-z\d+/]/g, '')
  const whole = characters.length % 4 === 1 ? characters.slice(0, -1) : characters
  try {
    const header: unknown = JSON.parse(atob(whole))
    return isObject(header) ? header : {}
  } catch {
    return {}
  }
}

/** The parts of a token that its signature check needs. Small, because it is kept while the token waits for keys. */
export interface CompactJws {
  readonly text: string
  readonly alg: Algorithm
  readonly kid: string | undefined
}

/**
 * Checks the header of a token (RFC 7515 §4). The algorithm must be one that the configuration allows (RFC 8725 §3.1).
 * @returns the parts for the signature check, or why the header is not accepted
 */
export function parseJws({ text, header }: DecodedJws, allowed: readonly Algorithm[]): CompactJws | Inactive {
  if (Object.hasOwn(header, 'enc')) return inactive('encrypted_token')
  const alg = getOwn(header, 'alg')
  if (!allowed.includes(alg as Algorithm))
    return inactive('algorithm_not_allowed', () => algorithmDetail(alg, allowed))
  // No extension is supported. A token with one must be rejected (RFC 7515 §4.1.11, RFC 7797 §7), and so must a token within a
  // token (RFC 7519 §5.2).
  for (const name of ['crit', 'b64', 'zip'])
    if (Object.hasOwn(header, name)) return inactive('unsupported_header', name)
  if (mediaType(getOwn(header, 'cty')) === 'jwt') return inactive('unsupported_header', 'cty')
  const kid = getOwn(header, 'kid')
  if (kid !== undefined && !(typeof kid === 'string' && kid !== '' && kid.length <= MAX_KID_LENGTH))
    return inactive('unknown_key', 'the "kid" is not a string of 1 to 256 characters')
  return { text, alg: alg as Algorithm, kid }
}

/**
 * Finds the key that made the signature.
 * @throws UnavailableError if none did, but one of them cannot be used, or not all of them may be tried
 */
export function signingKey(
  { text }: CompactJws,
  keys: readonly VerificationKey[],
  tries: KeyTries,
): Promise<VerificationKey | undefined> {
  const signed = signedText(text)
  const signature = text.slice(signed.length + 1)
  // Base64url without padding: four characters are three bytes.
  const bytes = Math.floor((signature.length * 3) / 4)
  const fitting = keys.filter(({ signatureLength = bytes }) => signatureLength === bytes)
  return tries.findKey(fitting, (key) => verifySignature(key, signed, signature))
}

/** Decodes strict UTF-8 (RFC 8725 §3.7). A byte order mark is not skipped, so that it is a syntax error of JSON. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Decodes a segment of a checked text. Returns `undefined` if it is not a JSON object, or nested too deeply. */
function decodeObject(segment: string): Record<string, unknown> | undefined {
  try {
    const text = decodeText(segment)
    if (isTextNestedTooDeeply(text)) return undefined
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Decodes base64url and UTF-8. Nearly all JSON is ASCII, for which `atob` is enough and several times as fast. */
function decodeText(segment: string): string {
  const binary = atob(segment.replaceAll('-', '+').replaceAll('_', '/'))
  return /[^\0-\x7f]/.test(binary) ? utf8.decode(base64url.decode(segment)) : binary
}

/** Returns a media type in lower case and without `application/`, which may be omitted (RFC 7515 §4.1.9). */
export function mediaType(value: unknown): string | undefined {
  return typeof value === 'string' ? value.toLowerCase().replace(/^application\/(?=[^/]*$)/, '') : undefined
}
