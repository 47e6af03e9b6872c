/** Receives security event tokens by push (RFC 8417, RFC 8935), as Shared Signals transmitters send them. */

import { assertString, readOptions } from '../lib/assert.ts'
import type { EventKind } from './event-handler.ts'
import { effectsOf } from './events.ts'
import { createReceiver, type SignalReceiver } from './receiver.ts'
import { type ReceiverSettings, SETTINGS } from './settings.ts'

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
export function securityEvents(options: SecurityEventsOptions): SignalReceiver {
  const { tokenIssuer, ...rest } = readOptions('securityEvents', options, SECURITY_EVENTS_OPTIONS)
  return createReceiver(
    {
      ...securityEventsAbout(tokenIssuer),
      tokenIn: ({ contentType, body }) =>
        typeof body === 'string' && /^application\/secevent\+jwt(?:\s*;|$)/i.test(contentType ?? '')
          ? body.trim()
          : undefined,
      accepted: { status: 202, headers: { 'Cache-Control': 'no-store' }, body: '' },
      rejected: ({ error, description }) => JSON.stringify({ err: error, description }),
    },
    rest,
  )
}

/** The names of the options of `securityEvents`. */
export const SECURITY_EVENTS_OPTIONS: readonly string[] = [...SETTINGS, 'tokenIssuer']

/**
 * Describes security event tokens (RFC 8417 §2.2).
 * @param tokenIssuer the issuer of the tokens that they are about. Default: the sender
 */
export function securityEventsAbout(tokenIssuer: string | undefined): EventKind {
  if (tokenIssuer !== undefined) assertString('tokenIssuer', tokenIssuer)
  return {
    types: ['secevent+jwt'],
    exp: 'forbidden',
    events: 'objects',
    effectsOf: (token, issuer) => effectsOf(token, tokenIssuer ?? issuer),
  }
}
