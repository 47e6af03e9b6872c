/** The decision to let a request pass. It knows the user of the request without showing it. */

import type { Passed, RequiredHeaders } from '../model/decision.ts'
import type { Identity } from '../model/identity.ts'

/**
 * A request that passed, with its user. The user is private, so that neither `JSON.stringify` nor `console.log` shows it. Every
 * other member is its own, so nothing on `Object.prototype` adds to it.
 */
export class PassedRequest<I extends Identity<unknown> | undefined> {
  readonly ok = true
  readonly identity: I
  readonly headers: RequiredHeaders | undefined
  readonly #user: object

  constructor(identity: I, headers: RequiredHeaders | undefined, user: object) {
    this.identity = identity
    this.headers = headers
    this.#user = user
    Object.freeze(this)
  }

  static is(value: object): value is PassedRequest<Identity<unknown> | undefined> {
    return #user in value
  }

  static userOf(decision: PassedRequest<Identity<unknown> | undefined>): object {
    return decision.#user
  }
}

/**
 * Lets a request pass.
 * @param headers what the response must carry
 * @param user the result of `loadUser`
 */
export function passed<I extends Identity<unknown> | undefined>(
  identity: I,
  headers?: RequiredHeaders,
  user?: object,
): Passed<I> {
  if (user === undefined) return Object.freeze({ ok: true, identity, headers }) as Passed<I>
  return new PassedRequest(identity, headers, user) as unknown as Passed<I>
}
