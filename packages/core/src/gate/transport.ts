/** Whether a request came over TLS, if the gate requires it (RFC 6750 §5.3). */

import { assertBoolean, assertFunction } from '../lib/assert.ts'
import { ignoreRejection } from '../lib/promise.ts'
import { UnavailableError } from '../model/unavailable.ts'
import type { RequestLike } from '../request/request.ts'
import type { GateSettings } from './options.ts'

export class Transport {
  readonly #requireTls: boolean
  readonly #isSecure: ((request: RequestLike) => unknown) | undefined
  readonly #allowLoopback: boolean

  constructor(options: Pick<GateSettings, 'requireTls' | 'isSecure' | 'allowLoopback'>) {
    this.#requireTls = assertBoolean('requireTls', options.requireTls)
    this.#isSecure = assertFunction('isSecure', options.isSecure, undefined)
    this.#allowLoopback = assertBoolean('allowLoopback', options.allowLoopback)
    if (!this.#requireTls && (this.#isSecure !== undefined || this.#allowLoopback))
      throw new TypeError(
        '"isSecure" and "allowLoopback" need "requireTls: true": without it plain http is allowed',
      )
  }

  /** @throws UnavailableError if `isSecure` returns neither `true` nor `false` */
  allows(request: RequestLike): boolean {
    if (!this.#requireTls || request.secure === true) return true
    if (this.#allowLoopback && request.loopback === true) return true
    if (this.#isSecure === undefined) return false
    const isSecure = this.#isSecure // Called without `this`.
    const answer = isSecure(request)
    if (typeof answer === 'boolean') return answer
    ignoreRejection(answer)
    throw new UnavailableError('"isSecure" must return true or false')
  }
}
