/** Loads the application's user of an identity, after every other check. */

import { assertFunction, assertSeconds } from '../lib/assert.ts'
import { monotonic } from '../lib/clock.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { mapMaybe } from '../lib/promise.ts'
import { received } from '../lib/received.ts'
import type { Identity } from '../model/identity.ts'
import { MistakeError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'
import type { RequestLike } from '../request/request.ts'
import type { GateSettings } from './options.ts'

interface Kept {
  readonly user: object
  /** By the monotonic clock. In seconds. */
  readonly until: Seconds
}

function unreadable(): never {
  throw new MistakeError(
    '"loadUser" must not read the request if "userTtl" is set, because other requests with the same token get the same user. Remove "userTtl", or choose the user by the identity only',
  )
}

/** Stands for the request if the user is kept: the user of one request must not depend on what others do not have. */
const UNREADABLE: RequestLike = Object.freeze({
  header: unreadable,
  form: unreadable,
  get method() {
    return unreadable()
  },
  get url() {
    return unreadable()
  },
  get secure() {
    return unreadable()
  },
})

export class UserLoader<V extends Identity<unknown>> {
  readonly #load: (identity: V, request: RequestLike) => unknown
  readonly #ttl: Seconds
  /** By the identity of a cached verification, so an entry goes with it. */
  readonly #kept = new WeakMap<V, Kept>()

  constructor(load: (identity: V, request: RequestLike) => unknown, ttl: Seconds) {
    this.#load = load
    this.#ttl = ttl
  }

  /** Returns the user, or `undefined` if there is none. Nothing but a user is kept. */
  of(identity: V, request: RequestLike): object | undefined | PromiseLike<object | undefined> {
    const kept = this.#kept.get(identity)
    if (kept !== undefined && monotonic() < kept.until) return kept.user
    const began = monotonic()
    const view = this.#ttl > 0 ? UNREADABLE : request
    return mapMaybe<unknown, object | undefined>(this.#load(identity, view), (user) => {
      if (user === undefined || user === null) return undefined
      // An empty list of rows is no user.
      if (typeof user !== 'object' || Array.isArray(user))
        throw new MistakeError(
          `"loadUser" must return an object, or null if there is no such user, but returned ${received(user)}`,
        )
      if (this.#ttl > 0) this.#kept.set(identity, { user, until: began + this.#ttl })
      return user
    })
  }
}

/**
 * Reads the options of a gate that concern users.
 * @throws TypeError if one is invalid, or has no effect without `loadUser`
 */
export function userLoader<V extends Identity<unknown>>(
  options: Pick<GateSettings<V, boolean>, 'loadUser' | 'userTtl' | 'unknownUserStatus'>,
): UserLoader<V> | undefined {
  const load = assertFunction('loadUser', options.loadUser, undefined)
  const ttl = assertSeconds('userTtl', options.userTtl, { preset: 0, min: 0, max: 3600 })
  if (load !== undefined) return new UserLoader<V>(load, ttl)
  for (const name of ['userTtl', 'unknownUserStatus'] as const)
    if (options[name] !== undefined)
      throw configurationError('CONFLICTING_OPTIONS', `"${name}" has no effect without "loadUser"`)
  return undefined
}

/** @throws TypeError if it is neither 401 nor 403 */
export function unknownUserStatus(given: unknown): 401 | 403 {
  if (given === undefined || given === 401 || given === 403) return given ?? 401
  throw configurationError(
    'INVALID_OPTION',
    `"unknownUserStatus" must be 401 or 403, but is ${received(given)}`,
  )
}
