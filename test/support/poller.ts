/** Pollers of a transmitter, with what they report, and stores of revocations that fail or wait. */

import {
  type PollSecurityEventsOptions,
  pollSecurityEvents,
  type RejectedSignal,
  type SecurityEventPoller,
  type Signal,
} from '@bearergate/core/signals'
import { AUDIENCE, ISSUER, NOW, type TestKey } from './issuer.ts'

/** Records revocations, in place of a gate. */
export interface Store {
  readonly revoked: unknown[]
  /** Called before a revocation is stored: it may throw or wait. */
  before: (revocation: { readonly sessionId?: string }) => unknown
  revoke(revocation: unknown): Promise<void>
}

export function createStore(): Store {
  const store: Store = {
    revoked: [],
    before: () => {},
    async revoke(revocation) {
      await store.before(revocation as object)
      store.revoked.push(revocation)
    },
  }
  return store
}

export interface TestPoller extends SecurityEventPoller {
  readonly signals: Signal[]
  readonly rejected: RejectedSignal[]
  /** The messages of the errors with the status 503. */
  readonly failures: () => readonly string[]
}

type Options = { readonly [Name in keyof PollSecurityEventsOptions]?: unknown }

export function createPoller(endpoint: string, key: TestKey, options: Options = {}): TestPoller {
  const signals: Signal[] = []
  const rejected: RejectedSignal[] = []
  const good = { issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk] }, now: () => NOW * 1000 }
  const poller = pollSecurityEvents({
    ...good,
    endpoint,
    onSignal: (signal: Signal) => signals.push(signal),
    onRejected: (one: RejectedSignal) => rejected.push(one),
    ...options,
  } as never)
  return {
    poll: () => poller.poll(),
    run: (signal) => poller.run(signal),
    signals,
    rejected,
    failures: () =>
      rejected.filter(({ status }) => status === 503).map(({ cause }) => (cause as Error).message),
  }
}
