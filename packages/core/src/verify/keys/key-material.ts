/** Reads the members that make up a public key, in the one form that every runtime imports (RFC 7518 §6). */

import { base64url } from 'jose'

/**
 * Returns the canonical form of a value that is published in base64: base64url without padding, as RFC 7518 demands. Some
 * servers publish the other alphabet, or padding.
 * @returns `undefined` if it is not base64, or empty
 */
export function canonicalBase64(value: string): string | undefined {
  const text = value
    .replace(/={1,2}$/, '')
    .replaceAll('+', '-')
    .replaceAll('/', '_')
  const bytes = bytesOf(text)
  return bytes === undefined ? undefined : base64url.encode(bytes)
}

/** Decodes base64url. Returns `undefined` if the text is empty, or not base64url without padding. */
export function bytesOf(value: string | undefined): Uint8Array | undefined {
  return value !== undefined && /^(?:[\w-]{4})*[\w-]{2,4}$/.test(value) ? base64url.decode(value) : undefined
}

/** Decodes a Base64urlUInt (RFC 7518 §2). Removes leading zeros, which some issuers add against the RFC. */
export function integerOf(value: string | undefined): Uint8Array | undefined {
  const bytes = bytesOf(value)
  return bytes?.subarray(bytes.findIndex((byte) => byte !== 0))
}
