/** Defines the options that all receivers of event tokens have in common, and what they report to the application. */

import type { Gate } from '../gate/interface.ts'
import type { JwtOptions } from '../verify/jwt/options.ts'
import type { Effects } from './events.ts'

/** The events of one token, passed to `onSignal`. It contains no token. */
export interface Signal {
  /** The `jti` of the event token. */
  readonly id: string
  readonly revocations: Effects['revocations']
  /** The types of the events that revoke nothing. */
  readonly ignored: readonly string[]
  /** Whether the token was received before. It then has no effect. */
  readonly isRepeated: boolean
}

/** A message that was not accepted, or a poll that failed, passed to `onRejected`. It contains no token. */
export interface RejectedSignal {
  /** The status of the answer: 408 and 413 if the body was late or too long. A poll has only 400 and 503. */
  readonly status: 400 | 408 | 413 | 503
  /** The reason, for all but 503. */
  readonly description?: string | undefined
  /** The error, for 503: the keys, the store of revocations or the transmitter are unavailable. */
  readonly cause?: unknown
}

export interface ReceiverSettings {
  /**
   * The issuer of the event tokens that this receiver gets. Their keys are found in the same way as for `jwt`, with the same
   * options.
   */
  issuer: string
  /** The names of this receiver: `aud` of an event token must contain one of them. */
  audience: string | readonly string[]
  /** The gate whose access tokens are revoked. It may share its `revocations` with other gates and processes. */
  gate: Pick<Gate<never>, 'revoke'>
  /** Called for each token that was accepted. Default: none. */
  onSignal?: ((signal: Signal) => void) | undefined
  /** Called for each message that was not accepted. Log it, because senders often ignore the answer. Default: none. */
  onRejected?: ((rejected: RejectedSignal) => void) | undefined
  /** The URL of the key set of the sender. Default: the `jwks_uri` of the metadata of `issuer`. As in `jwt`. */
  jwksUri?: string | undefined
  /** The key set of the sender as an object (RFC 7517 §5), instead of the URL in `jwksUri`. As in `jwt`. */
  keys?: JwtOptions<unknown>['keys']
  /** The signature algorithms that are accepted (RFC 8725 §3.1). Default: those of `jwt`. */
  algorithms?: JwtOptions<unknown>['algorithms']
  /** The hosts that plain http is allowed for, such as `keycloak:8080`. Default: loopback only. As in `jwt`. */
  allowHttp?: readonly string[] | undefined
  /** How far the clocks of the sender and of this process may be apart. In seconds, 0 to 300. Default 30. */
  clockTolerance?: number | undefined
  /** The function that sends all requests of the receiver, such as those for keys. Default: that of `jwt`. */
  fetch?: JwtOptions<unknown>['fetch']
  /** The clock, in milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
}

/** The names of these options. */
export const SETTINGS: readonly string[] = [
  'issuer',
  'audience',
  'gate',
  'onSignal',
  'onRejected',
  'jwksUri',
  'keys',
  'algorithms',
  'allowHttp',
  'clockTolerance',
  'fetch',
  'now',
]
