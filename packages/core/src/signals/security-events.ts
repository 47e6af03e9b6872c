/** Receives security event tokens by push (RFC 8417, RFC 8935), as Shared Signals transmitters send them. */

import { assertString } from '../lib/assert.ts'
import { effectsOf } from './events.ts'
import { createReceiver, type ReceiverSettings, type SignalReceiver } from './receiver.ts'

export interface SecurityEventsOptions extends ReceiverSettings {
  /**
   * The issuer of the tokens that the sender reports about. Events about subjects, sessions and tokens of other issuers have no
   * effect. Default: `issuer`, the sender itself.
   */
  tokenIssuer?: string | undefined
}

/**
 * Creates a receiver of security event tokens, for the push endpoint of a stream.
 *
 * These events revoke tokens: `session-revoked`, `token-claims-change` and `credential-change` of CAEP, and `account-disabled`,
 * `account-purged` and `sessions-revoked` of RISC. If the event names a session, the tokens of that session are revoked. If it names
 * a token, that token is. Otherwise all tokens of the subject are, that were issued before the event. Other events have no effect,
 * and are reported to `onSignal`.
 *
 * It answers 202 after the revocations are stored, 400 with `err` for a token that is not valid, and 503 if the keys or the store
 * are unavailable. Who may call the endpoint is up to you: mount it behind the authentication that you agreed on with the sender.
 *
 * @example
 * const events = securityEvents({ issuer: 'https://signals.example.com', audience: 'https://api.example.com', gate })
 * @throws TypeError if an option is unknown, missing or invalid
 */
export function securityEvents({ tokenIssuer, ...options }: SecurityEventsOptions): SignalReceiver {
  if (tokenIssuer !== undefined) assertString('tokenIssuer', tokenIssuer)
  return createReceiver(
    {
      name: 'securityEvents',
      types: ['secevent+jwt'],
      exp: 'forbidden',
      events: 'objects',
      tokenIn: ({ contentType, body }) =>
        /^application\/secevent\+jwt(?:\s*;|$)/i.test(contentType ?? '') ? body.trim() : undefined,
      effectsOf: (token, issuer) => effectsOf(token, tokenIssuer ?? issuer),
      accepted: { status: 202, headers: { 'Cache-Control': 'no-store' }, body: '' },
      rejected: ({ error, description }) => JSON.stringify({ err: error, description }),
    },
    options,
  )
}
