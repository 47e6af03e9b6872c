/** Computes SHA-256 with WebCrypto, on runtimes without Node's crypto module. The twin of `digest.node.ts`. */

/** Whether `sha256` is synchronous. WebCrypto returns promises only. */
export const isImmediate: boolean = false

const encoder = new TextEncoder()

/** Returns the SHA-256 of a text's UTF-8 bytes, as base64url (43 characters). Always a promise here. */
export function sha256(text: string): string | Promise<string> {
  return digest(text)
}

async function digest(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest('SHA-256', encoder.encode(text))
  const base64 = btoa(String.fromCharCode(...new Uint8Array(bytes)))
  return base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}
