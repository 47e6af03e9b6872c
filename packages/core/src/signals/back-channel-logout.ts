/** Receives the logout tokens of an OpenID provider (OpenID Connect Back-Channel Logout 1.0). */

import { assertStrings, readOptions } from '../lib/assert.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { getOwn, isObject } from '../lib/json.ts'
import { type EventToken, invalid, type Rejected } from './event-token.ts'
import type { Effects } from './events.ts'
import { createReceiver, type Message, type SignalReceiver } from './receiver.ts'
import { type ReceiverSettings, SETTINGS } from './settings.ts'
import { nameIn } from './subject.ts'

export interface BackChannelLogoutOptions extends Omit<ReceiverSettings, 'audience'> {
  /** The id of the client for which the provider sends logout tokens. It must be in the `aud` of each token. */
  clientId: string | readonly string[]
}

/** `audience` is among them, so that its error can name the right option. */
const OPTIONS = [...SETTINGS, 'clientId']

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/**
 * Creates a receiver of logout tokens, for the `backchannel_logout_uri` of a client. A token with `sid` revokes the access
 * tokens of that session (`sid` of the access tokens), and one with `sub` alone revokes all tokens of the subject that were
 * issued before.
 *
 * It answers 200, 400 for a token that is not valid, and 503 if the keys or the store of revocations are unavailable.
 *
 * @example
 * const onRejected = ({ status, description, cause }: RejectedSignal) => console.warn(status, description ?? cause)
 * const logout = backChannelLogout({ issuer: 'https://id.example.com', clientId: 'web', gate, onRejected })
 * // Before other body parsers. The form that a body parser made is accepted as well.
 * app.post('/logout', express.text({ type: '*\/*' }), async (req, res) => {
 *   const { status, headers, body } = await logout.receive({ contentType: req.get('content-type'), body: req.body })
 *   res.status(status).set(headers).send(body)
 * })
 * @throws TypeError if an option is unknown, missing or invalid
 */
export function backChannelLogout(options: BackChannelLogoutOptions): SignalReceiver {
  const { clientId, ...rest } = readOptions('backChannelLogout', options, OPTIONS)
  if (Object.hasOwn(rest, 'audience'))
    throw configurationError(
      'UNKNOWN_OPTION',
      '"backChannelLogout" has no option "audience": write "clientId"',
    )
  assertStrings('clientId', clientId, 'INVALID_AUDIENCE', '')
  return createReceiver(
    {
      // Older providers write no `typ`, or that of any JWT. The event tells such a token from others.
      types: ['logout+jwt', 'jwt', undefined],
      exp: 'required',
      // Keycloak adds `"revoke_offline_access": true`. Only the event of the logout must be an object (§2.4).
      events: 'any',
      tokenIn: ({ body }) => logoutTokenIn(body),
      effectsOf,
      accepted: { status: 200, headers: { 'Cache-Control': 'no-store' }, body: '' },
      rejected: ({ description }) =>
        JSON.stringify({ error: 'invalid_request', error_description: description }),
    },
    { ...rest, audience: clientId },
  )
}

/** The parameter of the form (§2.5). Applications often have a body parser for forms, which makes an object of them. */
function logoutTokenIn(body: Message['body']): string | undefined {
  if (typeof body === 'string') return new URLSearchParams(body).get('logout_token') ?? undefined
  const parameter = isObject(body) ? getOwn(body, 'logout_token') : undefined
  return typeof parameter === 'string' ? parameter : undefined
}

/**
 * A token has `sub`, `sid` or both. With both, the session ends, and not those on other devices. With `sub` alone, tokens of the
 * same second are revoked too: dates have no fractions.
 */
function effectsOf({ events, claims, issuedAt }: EventToken, issuer: string): Effects | Rejected {
  if (!Object.hasOwn(events, EVENT)) return invalid('it is no logout token')
  const [sid, sub] = ['sid', 'sub'].map((name) => nameIn(claims, name))
  if (sid === null || sub === null) return invalid('its "sub" or "sid" is not a text')
  if (sid !== undefined) return { revocations: [{ sessionId: sid, issuer }], ignored: [] }
  if (sub === undefined) return invalid('it has neither "sub" nor "sid"')
  return { revocations: [{ subject: sub, issuer, issuedBefore: issuedAt + 1 }], ignored: [] }
}
