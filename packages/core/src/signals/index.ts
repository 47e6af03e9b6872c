/**
 * Exports receivers that turn events of an issuer into revocations, as `@bearergate/core/signals`: back-channel logout, and
 * security events by push and by polling.
 */

export { type BackChannelLogoutOptions, backChannelLogout } from './back-channel-logout.ts'
export { type PollSecurityEventsOptions, pollSecurityEvents } from './poll-security-events.ts'
export type { PollSummary, SecurityEventPoller } from './poller.ts'
export type { Message, SignalAnswer, SignalReceiver } from './receiver.ts'
export { type SecurityEventsOptions, securityEvents } from './security-events.ts'
export type { ReceiverSettings, RejectedSignal, Signal } from './settings.ts'
