/** Security event tokens, and a gate that only records what is revoked. */

import { AUDIENCE, ISSUER, NOW, type TestKey } from './issuer.ts'

export const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/'

export type Claims = Record<string, unknown>

/** The claims of a good access token that an event token does not have. */
export const BARE = { scope: undefined, client_id: undefined, sub: undefined, exp: undefined }

/** A good security event token with changes. What is `undefined` is left out. */
export function signEvent(key: TestKey, claims: Claims = {}, header: Claims = {}): Promise<string> {
  const good = { ...BARE, aud: AUDIENCE, iat: NOW - 1, jti: 'e1', events: { [`${CAEP}session-revoked`]: {} } }
  const sub_id = { format: 'iss_sub', iss: ISSUER, sub: 'emma' }
  return key.sign({ ...good, sub_id, ...claims }, { typ: 'secevent+jwt', ...header })
}
