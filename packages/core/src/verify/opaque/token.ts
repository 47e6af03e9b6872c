/** Creates opaque tokens with a prefix and a checksum, and hashes them for storage. */

import { base64url } from 'jose'
import { sha256 } from '#digest'
import { configurationError } from '../../lib/configuration-error.ts'

/** 192 bits, far more than a search can cover: 32 characters of base64url. */
const RANDOM_BYTES = 24
const RANDOM_LENGTH = 32
const CHECKSUM_LENGTH = 6

/**
 * Creates a token: `prefix_`, 192 random bits and a checksum, in characters that need no escaping in headers, URLs and forms.
 * The checksum does not prove that a token is real, because anyone can compute it. It allows `opaque({ prefix })` to reject
 * typing errors and garbage without a lookup.
 *
 * @example
 * const token = generateToken('acme') // acme_…
 * await sessions.insert({ hash: await hashToken(token), user })
 * @param prefix the kind of token, for people and secret scanners: 1–32 letters, digits and `_`, not ending with `_`
 * @throws TypeError if the prefix is anything else
 */
export function generateToken(prefix: string): string {
  const random = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES))
  const text = `${tokenPrefix(prefix)}_${base64url.encode(random)}`
  return text + checksum(text)
}

/**
 * Returns the SHA-256 of a token as base64url. Store it instead of the token, which cannot be computed from it. A password hash
 * with salt is not needed: unlike a password, a token of `generateToken` has 192 random bits.
 */
export async function hashToken(token: string): Promise<string> {
  return sha256(token)
}

/**
 * Checks an option that is a prefix.
 * @throws TypeError if it is not 1–32 letters, digits and `_`, or ends with `_`
 */
export function tokenPrefix(prefix: string): string {
  if (typeof prefix !== 'string' || !/^\w{0,31}[A-Za-z\d]$/.test(prefix))
    throw configurationError(
      'INVALID_OPTION',
      '"prefix" must be 1 to 32 letters, digits and _, and not end with _',
    )
  return prefix
}

/**
 * Whether a token has the form of those that `generateToken(prefix)` creates, with a correct checksum. Of random texts of this
 * form, one in four billion passes. The check is not a proof: anyone can compute the checksum.
 */
export function hasPrefix(token: string, prefix: string): boolean {
  if (!token.startsWith(`${prefix}_`)) return false
  const end = prefix.length + 1 + RANDOM_LENGTH
  return token.length === end + CHECKSUM_LENGTH && token.slice(end) === checksum(token.slice(0, end))
}

/** Computes the CRC-32 (ISO 3309) of a text, as base64url. Secret scanners can use it, too. */
function checksum(text: string): string {
  let crc = -1
  for (let index = 0; index < text.length; index += 1) {
    crc ^= text.charCodeAt(index)
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  const bytes = new DataView(new ArrayBuffer(4))
  bytes.setInt32(0, ~crc)
  return base64url.encode(new Uint8Array(bytes.buffer))
}
