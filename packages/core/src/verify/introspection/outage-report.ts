/** Reports failed introspections, and the end of an outage, to `onIntrospection`. */

import { UnavailableError } from '../../model/unavailable.ts'
import type { CircuitBreaker } from '../../net/circuit-breaker.ts'
import type { IntrospectionListener } from '../../observe/events.ts'
import { notify } from '../../observe/notify.ts'
import { isUnauthorized } from './response.ts'

export class OutageReport {
  readonly #listener: IntrospectionListener | undefined
  #isFailing = false

  constructor(listener: IntrospectionListener | undefined) {
    this.#listener = listener
  }

  /** Reports the first success after a failure. */
  succeeded(server: string): void {
    if (this.#isFailing) notify(this.#listener, { type: 'recovered', server })
    this.#isFailing = false
  }

  /** Reports a failure. */
  failed(server: string, cause: UnavailableError, { state, wait }: CircuitBreaker): void {
    this.#isFailing = true
    const unauthorized = isUnauthorized(cause.cause)
    const event = { server, cause, unauthorized, circuit: state, retryAfter: wait }
    notify(this.#listener, { type: 'failed', ...event })
  }
}

/** Describes the failure of an introspection for operators. */
export function failureOf(cause: unknown): UnavailableError {
  if (isUnauthorized(cause))
    return new UnavailableError('The authorization server rejected the credentials of this API', { cause })
  return cause instanceof UnavailableError
    ? cause
    : new UnavailableError('Failed to introspect a token', { cause })
}
