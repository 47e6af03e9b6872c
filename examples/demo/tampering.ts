/** Changes tokens as an attacker would. */

import { base64url } from 'jose'

/** Writes another subject into a JWT, and keeps its signature. */
export function withSubject(jwt: string, sub: string): string {
  const [header, payload = '', signature] = jwt.split('.')
  const claims = JSON.parse(new TextDecoder().decode(base64url.decode(payload))) as object
  return [header, base64url.encode(JSON.stringify({ ...claims, sub })), signature].join('.')
}

/** Changes one character in the middle. */
export function withOneChange(text: string): string {
  const middle = text.length >> 1
  return text.slice(0, middle) + (text[middle] === 'A' ? 'B' : 'A') + text.slice(middle + 1)
}
