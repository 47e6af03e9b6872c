/** The decision to let a request pass. It knows the user of the request without showing it. */

import type { Passed, RequiredHeaders } from '../model/decision.ts'
import type { Identity } from '../model/identity.ts'

/** The user of a request, and the gate that loaded it. */
export interface LoadedUser {
  readonly user: object
  readonly gate: object
}

/**
 * A request that passed, with its user. The user is private, so that neither `JSON.stringify` nor `console.log` shows it. Every
 * other member is its own, so nothing on `Object.prototype` adds to it.
 */
export class PassedRequest<I extends Identity<unknown> | undefined> {
  readonly ok = true
  readonly identity: I
  readonly headers: RequiredHeaders | undefined
  readonly #loaded: LoadedUser

  constructor(identity: I, headers: RequiredHeaders | undefined, loaded: LoadedUser) {
    this.identity = identity
    this.headers = headers
    this.#loaded = loaded
    Object.freeze(this)
  }

  static is(value: object): value is PassedRequest<Identity<unknown> | undefined> {
    return #loaded in value
  }

  /** Returns the user, or `undefined` if another gate decided. */
  static userOf(decision: PassedRequest<Identity<unknown> | undefined>, gate: object): object | undefined {
    const { user, gate: own } = decision.#loaded
    return own === gate ? user : undefined
  }
}

/**
 * Lets a request pass.
 * @param headers what the response must carry
 * @param loaded the result of `loadUser`
 */
export function passed<I extends Identity<unknown> | undefined>(
  identity: I,
  headers?: RequiredHeaders,
  loaded?: LoadedUser,
): Passed<I> {
  if (loaded === undefined) return Object.freeze({ ok: true, identity, headers }) as Passed<I>
  return new PassedRequest(identity, headers, loaded) as unknown as Passed<I>
}
