/**
 * Recognizes public keys among shared secrets (RFC 8725 §2.1 and §3.1).
 *
 * HMAC accepts any bytes as a secret. If these bytes are a public key, anyone who reads the key can sign tokens.
 */

import { bytesOf, canonicalBase64 } from '../keys/key-material.ts'
import { isDerKey } from '../keys/pem.ts'

/** The types of keys in the formats of OpenSSH (RFC 4253 §6.6). Their length comes first in the binary format. */
const SSH = /^(?:sk-)?(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-)/

/**
 * Returns which form of a key the bytes of a secret are, or `undefined` if they are none. The form may be written in base64,
 * or in UTF-16.
 */
export function publicKeyForm(secret: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(secret).replaceAll(/[^!-~]/g, '')
  if (text.includes('----BEGIN')) return 'a PEM'
  if (/"kty\\*":/.test(text)) return 'a JWK'
  if (SSH.test(text)) return 'a key of SSH'
  if (isDerKey(secret)) return 'a key in DER'
  const decoded = bytesOf(canonicalBase64(text))
  return decoded && publicKeyForm(decoded)
}
