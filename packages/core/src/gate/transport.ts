/** Rejects tokens that were sent without TLS, if the gate requires TLS (RFC 6750 §5.3). */

import { assertBoolean, assertFunction } from '../lib/assert.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { ignoreRejection } from '../lib/promise.ts'
import type { Rejection } from '../model/rejection.ts'
import { MistakeError } from '../model/unavailable.ts'
import type { RequestLike } from '../request/request.ts'
import type { GateSettings } from './options.ts'

const INSECURE: Rejection = {
  reason: 'insecure_transport',
  detail:
    'plain http: nothing shows that the request came over TLS. The socket has no TLS, the framework reports none (behind a proxy, configure it to trust the proxy), and "isSecure" is not set or returned false',
}

export class Transport {
  readonly #requireTls: boolean
  readonly #isSecure: ((request: RequestLike) => unknown) | undefined
  readonly #allowLoopback: boolean

  constructor(options: Pick<GateSettings, 'requireTls' | 'isSecure' | 'allowLoopback'>) {
    this.#requireTls = assertBoolean('requireTls', options.requireTls)
    this.#isSecure = assertFunction('isSecure', options.isSecure, undefined)
    this.#allowLoopback = assertBoolean('allowLoopback', options.allowLoopback)
    if (!this.#requireTls && (this.#isSecure !== undefined || this.#allowLoopback))
      throw configurationError(
        'CONFLICTING_OPTIONS',
        '"isSecure" and "allowLoopback" need "requireTls: true": without it plain http is allowed',
      )
  }

  /**
   * Returns why a request may not carry a token, or `undefined` if it may.
   * @throws UnavailableError if `isSecure` returns neither `true` nor `false`
   */
  check(request: RequestLike): Rejection | undefined {
    if (!this.#requireTls || request.secure === true) return undefined
    if (this.#allowLoopback && request.loopback === true) return undefined
    if (this.#isSecure === undefined) return INSECURE
    const isSecure = this.#isSecure // Called without `this`.
    const answer = isSecure(request)
    if (typeof answer === 'boolean') return answer ? undefined : INSECURE
    ignoreRejection(answer)
    throw new MistakeError('"isSecure" must return true or false')
  }
}
