/** An issuer: it signs access tokens, and the two kinds of messages by which it reports the end of a session. */

import { exportJWK, generateKeyPair, SignJWT } from 'jose'

export const ISSUER = 'https://id.example.com'
export const AUDIENCE = 'https://api.example.com'
export const CLIENT_ID = 'web'

const { publicKey, privateKey } = await generateKeyPair('ES256')
export const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }] }

/** An access token, with a session of its own. */
export function accessToken(session: string): Promise<string> {
  return sign('at+jwt', AUDIENCE, { sub: 'emma', sid: session, client_id: CLIENT_ID }, '10m')
}

/** A logout token (OpenID Connect Back-Channel Logout 1.0 §2.4). */
export function logoutToken(session: string): Promise<string> {
  const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
  return sign('logout+jwt', CLIENT_ID, { sid: session, events }, '2m')
}

/** A security event token about a session (CAEP 1.0 §3.1). It has no `exp` (RFC 8417 §2.2). */
export function sessionRevoked(session: string): Promise<string> {
  return sign('secevent+jwt', AUDIENCE, {
    sub_id: { format: 'complex', session: { format: 'opaque', id: session } },
    events: { 'https://schemas.openid.net/secevent/caep/event-type/session-revoked': {} },
  })
}

function sign(typ: string, audience: string, claims: object, expiry?: string): Promise<string> {
  const token = new SignJWT({ ...claims, jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: 'ES256', kid: 'one', typ })
    .setIssuer(ISSUER)
    .setAudience(audience)
    .setIssuedAt()
  return (expiry === undefined ? token : token.setExpirationTime(expiry)).sign(privateKey)
}
