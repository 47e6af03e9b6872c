/** Signed tokens in compact form: their text, their header and their signature (RFC 7515). */

import { base64url } from 'jose'
import { verifySignature } from '#signature'
import { getOwn, isObject, isTextNestedTooDeeply } from '../../lib/json.ts'
import { UnavailableError } from '../../model/unavailable.ts'
import type { Algorithm, VerificationKey } from '../keys/jwk.ts'
import type { KeyTries } from '../keys/key-tries.ts'
import { type Inactive, inactive } from '../verification.ts'

const COMPACT_JWS = /^[\w-]+\.[\w-]*\.[\w-]+$/
const COMPACT_JWE = /^[\w-]*(?:\.[\w-]*){4}$/

const MAX_KID_LENGTH = 256

/** A token whose text is a compact JWS, and what it says. Nothing is verified. Whoever reads it first has it decoded. */
export class DecodedJws {
  readonly text: string
  readonly header: Readonly<Record<string, unknown>>
  #claims: Readonly<Record<string, unknown>> | undefined | null = null

  constructor(text: string, header: Readonly<Record<string, unknown>>) {
    this.text = text
    this.header = header
  }

  /** `undefined` if the payload is not a JSON object in strict UTF-8, or nested too deeply. */
  get claims(): Readonly<Record<string, unknown>> | undefined {
    if (this.#claims === null) {
      const start = this.text.indexOf('.') + 1
      this.#claims = decodeObject(this.text.slice(start, this.text.indexOf('.', start)))
    }
    return this.#claims
  }
}

/** Returns what the signature of a compact JWS is about (RFC 7515 §5.1). ECDSA has two valid signatures of it, so it names the token. */
export function signedText(text: string): string {
  return text.slice(0, text.lastIndexOf('.'))
}

/** Decodes the text of a token, or says what is wrong with it. One spelling is accepted of header, payload and signature each. */
export function decodeJws(token: string): DecodedJws | Inactive {
  if (!isCompactJws(token)) return inactive(COMPACT_JWE.test(token) ? 'encrypted_token' : 'malformed_token')
  const header = decodeObject(token.slice(0, token.indexOf('.')))
  return header === undefined
    ? inactive('malformed_token', 'the header is not a JSON object in UTF-8, or nested too deeply')
    : new DecodedJws(token, header)
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

/**
 * Whether a text is a JWT in another spelling than that of RFC 7515 §2: with padding, with characters of plain base64, or
 * with some that a lenient decoder skips. An authorization server might still know the token, but by its hash here it would
 * be another one, which nobody revoked.
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

/** What is needed of a token to verify its signature. Small, since it is kept while the token waits for keys. */
export interface CompactJws {
  readonly text: string
  readonly alg: Algorithm
  readonly kid: string | undefined
}

/** Checks the header of a token. */
export function parseJws({ text, header }: DecodedJws, allowed: readonly Algorithm[]): CompactJws | Inactive {
  if (Object.hasOwn(header, 'enc')) return inactive('encrypted_token')
  const alg = getOwn(header, 'alg')
  if (!allowed.includes(alg as Algorithm)) return inactive('algorithm_not_allowed')
  // RFC 7515 §4.1.11, RFC 7797 §7: no extension is understood; RFC 7519 §5.2: nor is a token in a token.
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
export async function signingKey(
  { text }: CompactJws,
  keys: readonly VerificationKey[],
  tries: KeyTries,
): Promise<VerificationKey | undefined> {
  let failure: unknown
  const signed = signedText(text)
  const signature = text.slice(signed.length + 1)
  // Base64url without padding: four characters are three bytes.
  const bytes = Math.floor((signature.length * 3) / 4)
  const fitting = keys.filter(({ signatureLength = bytes }) => signatureLength === bytes)
  const key = await tries.findKey(fitting, async (one) => {
    try {
      return await verifySignature(one, signed, signature)
    } catch (cause) {
      failure ??= cause
      return false
    }
  })
  if (key === undefined && failure !== undefined)
    throw new UnavailableError('A key cannot be used', { cause: failure })
  return key
}

/** Strict UTF-8; a byte order mark is not skipped, so that JSON refuses it (RFC 8725 §3.7). */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A JSON object from a segment of a text that was checked, or `undefined`. */
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

/** Nearly all JSON is ASCII, which needs no decoder. */
function decodeText(segment: string): string {
  const binary = atob(segment.replaceAll('-', '+').replaceAll('_', '/'))
  return /[^\0-\x7f]/.test(binary) ? utf8.decode(base64url.decode(segment)) : binary
}

/** A media type in lower case and without `application/`, which may be left out (RFC 7515 §4.1.9). */
export function mediaType(value: unknown): string | undefined {
  return typeof value === 'string' ? value.toLowerCase().replace(/^application\/(?=[^/]*$)/, '') : undefined
}
