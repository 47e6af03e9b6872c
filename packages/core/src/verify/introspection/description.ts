/** Defines what an `introspection` verifier says about itself. */

import type { CircuitState } from '../../net/circuit-breaker.ts'

/** The configuration and the state of an `introspection` verifier, for operators. */
export interface IntrospectionDescription {
  readonly kind: 'introspection'
  /** Without its query, which may hold a secret. `undefined` before it is discovered. */
  readonly endpoint: string | undefined
  readonly issuer: string | undefined
  readonly audience: readonly string[] | null
  /** The hosts that plain http is allowed for. */
  readonly allowHttp: readonly string[]
  /** The statuses of the endpoint that mean an inactive token. */
  readonly inactiveStatus: readonly number[]
  /** The state of the circuit of known tokens. If that circuit is closed, the state of the circuit of unknown tokens. */
  readonly circuit: CircuitState
  /** The circuits of tokens that were active before, and of all others. */
  readonly circuits: Readonly<Record<'known' | 'unknown', CircuitState>>
  /** How many unknown tokens are introspected per second, after the server answered 429. `undefined` without a limit. */
  readonly unknownLimit: number | undefined
  /** How many introspection requests run, and how many wait. */
  readonly running: number
  readonly waiting: number
  /** The state of the store of results. `undefined` if there is none. */
  readonly results?: object
}
