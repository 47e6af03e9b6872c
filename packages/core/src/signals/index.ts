/**
 * Exports receivers that turn events of an issuer into revocations, as `@bearergate/core/signals`: back-channel logout, and
 * security events.
 */

export { type BackChannelLogoutOptions, backChannelLogout } from './back-channel-logout.ts'
export type { Message, SignalAnswer, SignalReceiver } from './receiver.ts'
export { type SecurityEventsOptions, securityEvents } from './security-events.ts'
export type { ReceiverSettings, RejectedSignal, Signal } from './settings.ts'
