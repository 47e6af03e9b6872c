/** The decision to let a request pass. It knows the token of the request without showing it. */

import type { Passed, RequiredHeaders } from '../model/decision.ts'
import type { Identity } from '../model/identity.ts'

/**
 * A request that passed. Members that could end up in a log are private: neither `JSON.stringify` nor `console.log` shows
 * them. Every other member is its own, so nothing on `Object.prototype` adds to it.
 */
export class PassedRequest<I extends Identity<unknown> | undefined> {
  readonly ok = true
  readonly identity: I
  readonly headers: RequiredHeaders | undefined
  readonly #token: string | undefined

  constructor(identity: I, headers: RequiredHeaders | undefined, token: string | undefined) {
    this.identity = identity
    this.headers = headers
    this.#token = token
    Object.freeze(this)
  }

  static is(value: object): value is PassedRequest<Identity<unknown> | undefined> {
    return #token in value
  }

  static tokenOf(decision: PassedRequest<Identity<unknown> | undefined>): string | undefined {
    return decision.#token
  }
}

/**
 * Lets a request pass.
 * @param headers what the response must carry
 * @param token the token as it was sent. `undefined` for an anonymous request
 */
export function passed<I extends Identity<unknown> | undefined>(
  identity: I,
  headers?: RequiredHeaders,
  token?: string,
): Passed<I> {
  return new PassedRequest(identity, headers, token) as unknown as Passed<I>
}
