/** Shares fetched key sets between processes: a loader that asks a `jwksStore` before the issuer. */

import { raceAbort } from '../../lib/abort.ts'
import { now, timeout } from '../../lib/clock.ts'
import { UnavailableError } from '../../model/unavailable.ts'
import { isNumericDate, type Seconds } from '../../model/units.ts'
import type { JwksListener } from '../../observe/events.ts'
import { notify } from '../../observe/notify.ts'
import type { JwksStore } from '../../state/jwks-store.ts'
import type { Algorithm } from './jwk.ts'
import { usableKeys } from './jwks.ts'
import type { KeyLoader, LoadedKeys, LoadRequest } from './key-loader.ts'
import type { RefreshPolicy } from './refresh-policy.ts'

/** The longest wait for a stored set. In seconds. After that the issuer is asked. */
const MAX_WAIT: Seconds = 1

/** The options of a loader with a store. */
export interface StoredKeyLoaderOptions {
  /** Fetches the set if the store has none that is usable. */
  readonly loader: KeyLoader
  readonly store: JwksStore
  /** The name of the set in the store. */
  readonly name: string
  readonly algorithms: readonly Algorithm[]
  readonly policy: Pick<RefreshPolicy, 'isUsable'>
  /** The deadline of one refresh. In seconds. */
  readonly timeout: Seconds
  readonly issuer: string
  readonly onJwks: JwksListener | undefined
}

/**
 * Loads the first set from a store if it can, and saves each set that was fetched and used.
 *
 * The store saves a new process its first fetch, and nothing else: it is never read again once there are keys, because only
 * the issuer knows of new and withdrawn keys. A store that fails or hangs costs at most 1 s. It is never a reason for a 503.
 * Its entries are checked like those of an issuer.
 */
export class StoredKeyLoader implements KeyLoader {
  readonly #options: StoredKeyLoaderOptions
  /** The last save, while it is pending. */
  #saving: Promise<void> | undefined

  constructor(options: StoredKeyLoaderOptions) {
    this.#options = options
  }

  /** Reads the store only while there are no keys. A stored set may be stale, but never expired. */
  async load(request: LoadRequest): Promise<LoadedKeys> {
    const stored = request.known.length === 0 ? await this.#read() : undefined
    return stored ?? this.#options.loader.load(request)
  }

  /** Saves a set that was fetched. In the background: no request waits for that. */
  accepted(loaded: LoadedKeys): void {
    this.#options.loader.accepted?.(loaded)
    if (loaded.source === 'store') return
    const saving = this.#save(loaded)
      .catch((cause: unknown) => this.#failed('set', cause))
      .finally(() => {
        if (this.#saving === saving) this.#saving = undefined
      })
    this.#saving = saving
  }

  get backgroundWork(): Promise<void> | undefined {
    return this.#saving
  }

  /** Returns the stored set if it is usable. A failure is reported, and counts as no set. */
  async #read(): Promise<LoadedKeys | undefined> {
    const { store, name, algorithms, policy } = this.#options
    try {
      const limit = timeout(Math.min(MAX_WAIT, this.#options.timeout / 2))
      const stored = await raceAbort(Promise.resolve(store.get(name)), limit)
      if (stored === undefined || stored === null) return undefined
      const age = (now() - Number(stored.fetchedAt)) / 1000
      if (!Number.isFinite(age))
        throw new UnavailableError('"jwksStore" returned a key set without a valid "fetchedAt"')
      const maxAge = isNumericDate(stored.maxAge) ? stored.maxAge : undefined
      // A date in the future comes from a clock that is wrong, and would keep the set usable for too long.
      if (age < 0 || !policy.isUsable({ age, maxAge })) return undefined
      const usable = await usableKeys(stored.keys, algorithms, [])
      return { ...usable, source: 'store', published: stored.keys, age, maxAge }
    } catch (cause) {
      this.#failed('get', cause)
      return undefined
    }
  }

  /** Gives up after the deadline of a refresh, so that `ready()` and `waitUntil` end. */
  async #save({ published, maxAge }: LoadedKeys): Promise<void> {
    const { store, name } = this.#options
    const saved = store.set(name, { keys: published, fetchedAt: now(), maxAge })
    await raceAbort(Promise.resolve(saved), timeout(this.#options.timeout))
  }

  /** Reports a failure of the store to `onJwks`. */
  #failed(operation: 'get' | 'set', cause: unknown): void {
    const { issuer, onJwks } = this.#options
    notify(onJwks, { type: 'store_failed', issuer, operation, cause })
  }
}
