/** Checks on every request whether a token is revoked, by `isRevoked` and by the store that `gate.revoke` fills. */

import { assertFunction } from '../lib/assert.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { ignoreRejection, mapMaybe } from '../lib/promise.ts'
import { received } from '../lib/received.ts'
import type { Identity } from '../model/identity.ts'
import { MistakeError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'
import { memoryRevocations } from '../state/memory-revocations.ts'
import type { RevocationEntry, RevocationStore } from '../state/revocations.ts'
import type { GateSettings } from './options.ts'
import { type Revocation, revocationEntry } from './revoke.ts'
import type { FoundToken } from './token-finder.ts'

/** The hash by which a token is revoked. `undefined` if it is not needed. */
export type RevocationHash = string | Promise<string> | undefined

/** Checks revocations by the option `isRevoked` and by the store of the gate. */
export class RevocationCheck<V extends Identity<unknown>> {
  readonly #isRevoked: ((identity: V) => unknown) | undefined
  readonly #store: RevocationStore

  /** @param now the clock of the store if none is given, in milliseconds since the epoch */
  constructor(options: Pick<GateSettings<V>, 'isRevoked' | 'revocations'>, now: () => number) {
    this.#isRevoked = assertFunction('isRevoked', options.isRevoked, undefined)
    this.#store =
      options.revocations === undefined ? memoryRevocations({ now }) : storeOf(options.revocations)
  }

  /** Describes the store, if it describes itself. */
  describe(): object | undefined {
    return this.#store.describe?.()
  }

  /** The number of revocations in the store. */
  get size(): number {
    return this.#store.size
  }

  /**
   * Returns the hash by which a token is revoked, or `undefined` if it is not needed.
   * @param isAwaited whether the verification is pending. The token may be revoked until it ends
   */
  hashOf(found: Pick<FoundToken<V>, 'presented'>, isAwaited: boolean): RevocationHash {
    const isNeeded = isAwaited || this.#isRevoked !== undefined || this.#store.needsHash !== false
    return isNeeded ? found.presented.revocationHash : undefined
  }

  /** Whether a token is revoked. The store is asked last, so that a revocation counts that came a moment ago. */
  isRevoked(identity: V, hash: RevocationHash): boolean | PromiseLike<boolean> {
    const isRevoked = this.#isRevoked
    if (isRevoked === undefined) return this.isInStore(identity, hash)
    return mapMaybe(booleanOf(isRevoked(identity)), (revoked) => revoked || this.isInStore(identity, hash))
  }

  /**
   * Adds a revocation to the store.
   * @param now in seconds since the epoch
   * @param clockTolerance how far the clock of the issuer may be ahead. In seconds
   * @throws TypeError if it is not a revocation
   * @throws RangeError if the store is full
   */
  revoke(revocation: Revocation, now: Seconds, clockTolerance: Seconds): void | PromiseLike<void> {
    return mapMaybe(revocationEntry(revocation, now, clockTolerance), (entry) => this.#store.revoke(entry))
  }

  /** Calls a listener after each revocation, if the store reports them. */
  onRevoked(listener: (entry?: RevocationEntry) => void): void {
    this.#store.onRevoked?.(listener)
  }

  /** Whether the store says that a token is revoked. */
  isInStore(identity: V, hash: RevocationHash): boolean | PromiseLike<boolean> {
    return booleanOf(this.#store.isRevoked(identity, hash))
  }
}

function storeOf(value: RevocationStore): RevocationStore {
  if (typeof value?.revoke === 'function' && typeof value.isRevoked === 'function') return value
  throw configurationError('INVALID_OPTION', '"revocations" must be a store, such as memoryRevocations()')
}

/** Checks what `isRevoked` returned, at once or later. */
function booleanOf(given: unknown): boolean | PromiseLike<boolean> {
  return mapMaybe<unknown, boolean>(given, (answer) => {
    if (typeof answer === 'boolean') return answer
    ignoreRejection(answer)
    throw new MistakeError(`"isRevoked" must return true or false, but returned ${received(answer)}`)
  })
}
