/** The decision to let a request pass. It knows the token and the user of the request without showing them. */

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
  readonly #user: object | undefined

  constructor(
    identity: I,
    headers: RequiredHeaders | undefined,
    token: string | undefined,
    user: object | undefined,
  ) {
    this.identity = identity
    this.headers = headers
    this.#token = token
    this.#user = user
    Object.freeze(this)
  }

  static is(value: object): value is PassedRequest<Identity<unknown> | undefined> {
    return #token in value
  }

  static tokenOf(decision: PassedRequest<Identity<unknown> | undefined>): string | undefined {
    return decision.#token
  }

  static userOf(decision: PassedRequest<Identity<unknown> | undefined>): object | undefined {
    return decision.#user
  }
}

/**
 * Lets a request pass.
 * @param headers what the response must carry
 * @param token the token as it was sent. `undefined` for an anonymous request
 * @param user the result of `loadUser`
 */
export function passed<I extends Identity<unknown> | undefined>(
  identity: I,
  headers?: RequiredHeaders,
  token?: string,
  user?: object,
): Passed<I> {
  return new PassedRequest(identity, headers, token, user) as unknown as Passed<I>
}
