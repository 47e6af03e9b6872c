/** What operators get to know: each decision, and each attempt to fetch an issuer's keys, without tokens. */

import { ignoreRejection, type Seconds } from '../lib/assert.ts'
import type { Decision } from '../model/decision.ts'
import type { Identity } from '../model/identity.ts'
import type { UnavailableError } from '../model/rejection.ts'

/** One decision, as told to `onDecision`. It never carries a token or a part of one. */
export interface DecisionEvent<I extends Identity<unknown> | undefined = Identity> {
  readonly decision: Decision<I>
  /** Which claim or header parameter was wrong, and how. */
  readonly detail?: string | undefined
  /** With 503: what kept the gate from telling. */
  readonly cause?: unknown
}

export type DecisionListener<I extends Identity<unknown> | undefined> = (event: DecisionEvent<I>) => void

/** One attempt to fetch the keys of an issuer, or to use a `jwksStore`, as told to `onJwks`. */
export type JwksEvent =
  | {
      readonly type: 'refreshed'
      readonly issuer: string
      /** Who gave the set: the issuer, or the `jwksStore` what another process had fetched. */
      readonly source: 'issuer' | 'store'
      /** How many keys are used now, and how many of them are new. */
      readonly keys: number
      readonly added: number
      /** How many keys are gone: what they signed is no longer accepted. */
      readonly removed: number
      /** How many entries of the set are not used, and what is wrong with the first sixteen. */
      readonly ignored: number
      readonly problems: readonly string[]
    }
  | {
      readonly type: 'failed'
      readonly issuer: string
      readonly cause: UnavailableError
      /** When the next attempt may be made, in seconds. */
      readonly retryAfter: Seconds
      /** How long the last known good keys still serve, in seconds: at 0 requests are answered 503. */
      readonly usableFor: Seconds
    }
  | {
      readonly type: 'store_failed'
      readonly issuer: string
      readonly operation: 'get' | 'set'
      readonly cause: unknown
    }

export type JwksListener = (event: JwksEvent) => void

/** What became of asking an authorization server about tokens, as told to `onIntrospection`. */
export type IntrospectionEvent =
  | {
      readonly type: 'failed'
      /** The endpoint without its query, or the issuer if its metadata could not be fetched. */
      readonly server: string
      readonly cause: UnavailableError
      /** Whether it is the server that refuses our own credentials. */
      readonly unauthorized: boolean
      /** The circuit of the caller's lane after the failure. While it is `open`, callers get 503 and the server is not asked. */
      readonly circuit: 'closed' | 'half-open' | 'open'
      /** In how many seconds the server may be asked again. 0 while the circuit is closed. */
      readonly retryAfter: Seconds
    }
  | { readonly type: 'recovered'; readonly server: string }

export type IntrospectionListener = (event: IntrospectionEvent) => void

/** Tells a listener. What it throws, or rejects with, is its own affair. */
export function notify<E>(listener: ((event: E) => unknown) | undefined, event: E): void {
  if (listener === undefined) return
  try {
    ignoreRejection(listener(event))
  } catch {}
}
