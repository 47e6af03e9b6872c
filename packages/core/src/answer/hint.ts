/** Tells a client that sent no credentials what to send. The body says it, because a challenge must not (RFC 6750 §3.1). */

import type { TokenSources } from '../model/credentials.ts'

/** Returns the text for the places where a gate looks for tokens. It names no cookie and no parameter. */
export function credentialsHint({ header = true }: Pick<TokenSources, 'header'> = {}): string {
  if (header === false) return 'An access token is required'
  if (header === true) return 'An access token is required. Send the header Authorization: Bearer <token>'
  return `An access token is required. Send it in the header ${[header].flat().join(' or ')}`
}
