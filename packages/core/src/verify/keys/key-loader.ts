/** Loads the keys of an issuer: fetches its key set, and keeps the entries that are usable. */

import { raceAbort } from '../../lib/abort.ts'
import { getOwn } from '../../lib/json.ts'
import type { LoadKeys } from './discovery.ts'
import type { Algorithm, VerificationKey } from './jwk.ts'
import { type UsableKeys, usableKeys } from './jwks.ts'
import type { Aged } from './refresh-policy.ts'

/** Loads key sets. A loader can wrap another one, for example to share its sets between processes. */
export interface KeyLoader {
  /**
   * Loads a key set with at least one usable key. It may be an old one, if there are no keys yet.
   * @throws UnavailableError if that fails, or the signal aborts
   */
  load(request: LoadRequest): Promise<LoadedKeys>
  /** Called when a loaded set is used. A set that arrives too late is dropped instead. */
  accepted?(loaded: LoadedKeys): void
  /** Pending work that no request waits for. `undefined` if there is none. */
  readonly backgroundWork?: Promise<void> | undefined
}

/** One call of a loader. */
export interface LoadRequest {
  /** Ends the attempt, even if the `fetch` of the application ignores the signal. */
  readonly signal: AbortSignal
  /** The keys that are used now. A key that is in both sets stays the same object, so that cached results stay valid. */
  readonly known: readonly VerificationKey[]
}

/** The result of a loader: the usable keys, and where and when the set was fetched. */
export interface LoadedKeys extends UsableKeys, Aged {
  /** The origin of the set. */
  readonly source: 'issuer' | 'store'
  /** All entries of the set as they were published. */
  readonly published: readonly unknown[]
}

export interface IssuerKeyLoaderOptions {
  /** Fetches the document. */
  readonly fetchKeys: LoadKeys
  readonly algorithms: readonly Algorithm[]
}

/** Fetches the key set from the issuer. */
export class IssuerKeyLoader implements KeyLoader {
  readonly #fetchKeys: LoadKeys
  readonly #algorithms: readonly Algorithm[]

  constructor({ fetchKeys, algorithms }: IssuerKeyLoaderOptions) {
    this.#fetchKeys = fetchKeys
    this.#algorithms = algorithms
  }

  async load({ signal, known }: LoadRequest): Promise<LoadedKeys> {
    signal.throwIfAborted()
    const { body, maxAge } = await raceAbort(this.#fetchKeys(signal), signal)
    const published = getOwn(body, 'keys')
    const usable = await usableKeys(published, this.#algorithms, known)
    return { ...usable, source: 'issuer', published: published as readonly unknown[], age: 0, maxAge }
  }
}
