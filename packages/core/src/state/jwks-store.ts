/**
 * Defines the store in which processes share fetched key sets.
 *
 * On serverless platforms each new process would fetch the keys during its first request. During an outage of the issuer a new
 * process has no keys at all, while the older ones still use theirs. A shared store solves these two problems.
 */

import type { Seconds } from '../model/units.ts'

/**
 * Stores key sets. If it throws or rejects, `onJwks` receives a `store_failed` event, and the keys are fetched from the issuer.
 *
 * Anyone who can write to the store can add keys, and so sign tokens that the gate accepts. Protect it like the configuration
 * of the gate. An entry needs no lifetime, because its age is checked when it is read.
 *
 * @example
 * const jwksStore: JwksStore = {
 *   get: (name) => kv.get(name, 'json'),
 *   set: (name, keySet) => kv.put(name, JSON.stringify(keySet)),
 * }
 */
export interface JwksStore {
  /**
   * Returns the key set that was last stored under this name, or `undefined`. The gate waits for 1 s at most, or for half of
   * `timeout` if that is shorter.
   * @param name the `jwksUri`, or the issuer if its metadata names the URL of the key set
   */
  get(name: string): StoredJwks | undefined | Promise<StoredJwks | undefined>
  /** Stores a key set that was just fetched. It runs in the background, for `timeout` at most. */
  set(name: string, keySet: StoredJwks): unknown
}

/** A fetched key set, as plain JSON. */
export interface StoredJwks {
  /** All entries, as the issuer published them. */
  readonly keys: readonly unknown[]
  /** When the key set was fetched. In milliseconds since the epoch, like `Date.now`. */
  readonly fetchedAt: number
  /** `Cache-Control: max-age` minus `Age`, if the issuer sent `max-age`. In seconds. */
  readonly maxAge?: Seconds | undefined
}
