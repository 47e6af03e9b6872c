/**
 * Defines the events for operators: decisions, key refreshes and introspection failures.
 *
 * No event contains a token or a part of one, so all of them can be logged. The listeners are called synchronously. What they
 * return or throw has no effect.
 */

import type { Decision } from '../model/decision.ts'
import type { Identity } from '../model/identity.ts'
import type { UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'
import type { RequestLike } from '../request/request.ts'

/**
 * One decision, passed to `onDecision`. It never contains a token or a part of one.
 *
 * @example
 * onDecision: ({ decision, stage, detail, cause }) => {
 *   if (!decision.ok) log.info({ status: decision.status, reason: decision.reason, stage, detail, cause })
 * }
 */
export interface DecisionEvent<I extends Identity<unknown> | undefined = Identity> {
  /** The decision, as the caller of the gate receives it. */
  readonly decision: Decision<I>
  /** The method that decided: `gate.authenticate` for the request, or `gate.authorize` for the requirement of a route. */
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
  /**
   * For an allowed request, with `stage: 'authenticate'`: the names of claims that the identity leaves out, because they do
   * not have the form that the standards demand, such as an `auth_time` that is a text. At most thirteen. `undefined` if
   * there are none.
   */
  readonly ignoredClaims?: readonly string[] | undefined
  /** For 503: why the token could not be checked. */
  readonly cause?: unknown
}

/**
 * `authenticate`: the gate checked a request. `authorize`: a route checked its requirement, after the gate allowed the
 * request.
 */
export type DecisionStage = 'authenticate' | 'authorize'

/** Receives each decision. Synchronous, so keep it short. A promise that it returns is ignored. */
export type DecisionListener<I extends Identity<unknown> | undefined> = (event: DecisionEvent<I>) => void

/** One attempt to fetch the keys of an issuer, or to use a `jwksStore`, passed to `onJwks`. */
export type JwksEvent =
  | {
      readonly type: 'refreshed'
      readonly issuer: string
      /** The origin of the set. A `store` contains a set that another process fetched. */
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
      /** The reason of the failure. Its own `cause` is the error of `fetch`, if there is one. */
      readonly cause: UnavailableError
      /** Time until the next attempt. In seconds. */
      readonly retryAfter: Seconds
      /** How long the last good keys are still used (stale-if-error). In seconds. At 0, the answer to requests is 503. */
      readonly usableFor: Seconds
    }
  | {
      readonly type: 'store_failed'
      readonly issuer: string
      /** `get`: the keys are fetched from the issuer instead. `set`: the next process will fetch them itself. */
      readonly operation: 'get' | 'set'
      readonly cause: unknown
    }

/**
 * Receives each attempt to fetch keys. An alert on `failed` with a small `usableFor` warns before requests are answered 503.
 */
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
      /**
       * The state of the circuit breaker after the failure. While it is `open`, requests are answered 503 and the server is
       * not asked.
       */
      readonly circuit: 'closed' | 'half-open' | 'open'
      /** Time until the server is asked again. In seconds. 0 while the circuit is closed. */
      readonly retryAfter: Seconds
    }
  | { readonly type: 'recovered'; readonly server: string }

/** Receives the failures of the introspection endpoint, and the first success after them. */
export type IntrospectionListener = (event: IntrospectionEvent) => void
