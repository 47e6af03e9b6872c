/** Events for operators: decisions, key refreshes and introspection failures, never with a token. */

import type { Decision } from '../model/decision.ts'
import type { Identity } from '../model/identity.ts'
import type { UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'
import type { RequestLike } from '../request/request.ts'

/** One decision, passed to `onDecision`. It never contains a token or a part of one. */
export interface DecisionEvent<I extends Identity<unknown> | undefined = Identity> {
  readonly decision: Decision<I>
  /** Who decided: `gate.authenticate` of a request, or `gate.authorize` of what one route needs. */
  readonly stage: DecisionStage
  /**
   * The request: `header(name)`, `method` and `url`. It contains the token, so log single members of it. `undefined` if it
   * cannot be read, or `gate.authorize` was called without it.
   */
  readonly request: RequestLike | undefined
  /** How long the decision took, including requests to the issuer and `loadUser`. In seconds. */
  readonly duration: Seconds
  /** Whether the result of the verification came from a cache. Always `false` for the stage `authorize`. */
  readonly cached: boolean
  /**
   * The requirement that was not met, such as `scope(write)` or `role(admin)`. For a function its name, or `function` if it
   * has none.
   */
  readonly requirement?: string | undefined
  /** For a rejection: which claim or header parameter is wrong, and how. */
  readonly detail?: string | undefined
  /** For 503: why the token could not be checked. */
  readonly cause?: unknown
}

export type DecisionStage = 'authenticate' | 'authorize'

export type DecisionListener<I extends Identity<unknown> | undefined> = (event: DecisionEvent<I>) => void

/** One attempt to fetch the keys of an issuer, or to use a `jwksStore`, passed to `onJwks`. */
export type JwksEvent =
  | {
      readonly type: 'refreshed'
      readonly issuer: string
      /** Where the set comes from. A `store` contains what another process fetched. */
      readonly source: 'issuer' | 'store'
      /** The number of usable keys, and how many of them are new. */
      readonly keys: number
      readonly added: number
      /** The number of removed keys. Tokens that they signed are rejected from now on. */
      readonly removed: number
      /** The number of entries that cannot be used, and the reasons for the first sixteen. */
      readonly ignored: number
      readonly problems: readonly string[]
    }
  | {
      readonly type: 'failed'
      readonly issuer: string
      readonly cause: UnavailableError
      /** Time until the next attempt. In seconds. */
      readonly retryAfter: Seconds
      /** How long the last good keys are still used (stale-if-error). In seconds. At 0, requests are answered 503. */
      readonly usableFor: Seconds
    }
  | {
      readonly type: 'store_failed'
      readonly issuer: string
      readonly operation: 'get' | 'set'
      readonly cause: unknown
    }

export type JwksListener = (event: JwksEvent) => void

/** One failed introspection, or the first success after a failure, passed to `onIntrospection`. */
export type IntrospectionEvent =
  | {
      readonly type: 'failed'
      /** The endpoint without its query, or the issuer if its metadata could not be fetched. */
      readonly server: string
      readonly cause: UnavailableError
      /** Whether the server rejected the credentials of this API. */
      readonly unauthorized: boolean
      /** The state of the circuit breaker after the failure. While it is `open`, requests are answered 503 and the server is not asked. */
      readonly circuit: 'closed' | 'half-open' | 'open'
      /** Time until the server is asked again. In seconds. 0 while the circuit is closed. */
      readonly retryAfter: Seconds
    }
  | { readonly type: 'recovered'; readonly server: string }

export type IntrospectionListener = (event: IntrospectionEvent) => void
