/** SHA-256 on runtimes without Node's crypto module. The twin of `digest.node.ts`. */

/** Whether digests come at once. */
export const isImmediate: boolean = false

const encoder = new TextEncoder()

/** The SHA-256 of a text's UTF-8 bytes, as base64url (43 characters). */
export function sha256(text: string): string | Promise<string> {
  return digest(text)
}

async function digest(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest('SHA-256', encoder.encode(text))
  const base64 = btoa(String.fromCharCode(...new Uint8Array(bytes)))
  return base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}
