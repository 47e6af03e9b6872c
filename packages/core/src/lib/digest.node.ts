/** SHA-256 on Node, Bun and Deno: at once. The twin of `digest.ts`. */

import { hash } from 'node:crypto'

/** Whether digests come at once. */
export const isImmediate: boolean = true

/** The SHA-256 of a text's UTF-8 bytes, as base64url (43 characters). */
export function sha256(text: string): string | Promise<string> {
  return hash('sha256', text, 'base64url')
}
