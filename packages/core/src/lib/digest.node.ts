/** Computes SHA-256 on Node, Bun and Deno, synchronously. The twin of `digest.ts`. */

import { hash } from 'node:crypto'

/** Whether `sha256` is synchronous. Only then can a gate answer a cached token synchronously. */
export const isImmediate: boolean = true

/** Returns the SHA-256 of a text's UTF-8 bytes, as base64url (43 characters). Never a promise here. */
export function sha256(text: string): string | Promise<string> {
  return hash('sha256', text, 'base64url')
}
