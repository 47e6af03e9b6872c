/** Key sets that outlive a process, in a store of the user's. */

import { raceAbort } from '../lib/abort.ts'
import { now, timeout } from '../lib/clock.ts'
import { UnavailableError } from '../model/unavailable.ts'
import { isNumericDate, type Seconds } from '../model/units.ts'

/** Keeps key sets. What it throws is told to `onJwks`, and taken for nothing being kept. */
export interface JwksStore {
  /**
   * What was last kept under this name, if anything was. Nobody waits for it longer than a second, or half the `timeout`.
   * @param name where the key set is: `jwksUri`, or the issuer whose metadata tells
   */
  get(name: string): StoredJwks | undefined | Promise<StoredJwks | undefined>
  /** Keeps what was just fetched. */
  set(name: string, keySet: StoredJwks): unknown
}

/** A fetched key set, as plain JSON. */
export interface StoredJwks {
  readonly keys: readonly unknown[]
  /** In milliseconds since the epoch, as `Date.now`. */
  readonly fetchedAt: number
  /** `Cache-Control: max-age`, where the issuer said it, in seconds. */
  readonly maxAge?: Seconds | undefined
}

/** How long a store is waited for at most, in seconds: the issuer is asked without it. */
const MAX_WAIT: Seconds = 1

/** What one issuer's key set has in a store, if there is one. */
export class StoredJwksOfIssuer {
  readonly #store: JwksStore | undefined
  readonly #name: string
  readonly #timeout: Seconds
  readonly failed: (operation: 'get' | 'set', cause: unknown) => void
  #storing: Promise<void> | undefined

  constructor(
    store: JwksStore | undefined,
    name: string,
    timeout: Seconds,
    failed: (operation: 'get' | 'set', cause: unknown) => void,
  ) {
    this.#store = store
    this.#name = name
    this.#timeout = timeout
    this.failed = failed
  }

  /** What was kept, with its age, if that can be: a set of the future is none. */
  async get(): Promise<(Omit<StoredJwks, 'fetchedAt'> & { readonly age: Seconds }) | undefined> {
    if (this.#store === undefined) return undefined
    const patience = timeout(Math.min(MAX_WAIT, this.#timeout / 2))
    const kept = await raceAbort(Promise.resolve(this.#store.get(this.#name)), patience)
    if (kept === undefined || kept === null) return undefined
    const age = (now() - Number(kept.fetchedAt)) / 1000
    if (!Number.isFinite(age)) throw new UnavailableError('The store gave no key set as it was stored')
    if (age < 0) return undefined
    return { keys: kept.keys, maxAge: isNumericDate(kept.maxAge) ? kept.maxAge : undefined, age }
  }

  /** Nobody waits for it but the runtime. */
  keep(keySet: StoredJwks): void {
    if (this.#store === undefined) return
    const storing = this.#set(this.#store, keySet)
      .catch((cause: unknown) => this.failed('set', cause))
      .finally(() => {
        if (this.#storing === storing) this.#storing = undefined
      })
    this.#storing = storing
  }

  async #set(store: JwksStore, keySet: StoredJwks): Promise<void> {
    await raceAbort(Promise.resolve(store.set(this.#name, keySet)), timeout(this.#timeout))
  }

  /** The keeping that is under way, if one is. */
  get underWay(): Promise<void> | undefined {
    return this.#storing
  }
}
