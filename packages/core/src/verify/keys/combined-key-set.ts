/** Combines configured keys with those that the issuer publishes, such as a shared secret during a migration (RFC 7517 §5). */

import { ignoreRejection } from '../../lib/promise.ts'
import type { Algorithm, VerificationKey } from './jwk.ts'
import type { KeySet, KeySetDescription } from './key-set.ts'
import type { TryBudgets } from './key-tries.ts'
import type { KnownCaller, KnownCallers } from './known-callers.ts'

/** Each key keeps its one algorithm. An outage of the issuer stops no token whose key is given. */
export class CombinedKeySet implements KeySet {
  readonly callers: KnownCallers
  readonly tries: TryBudgets
  readonly #given: KeySet
  readonly #published: KeySet

  constructor(given: KeySet, published: KeySet) {
    this.#given = given
    this.#published = published
    this.callers = published.callers
    this.tries = published.tries
  }

  find(
    alg: Algorithm,
    kid: string | undefined,
  ): readonly VerificationKey[] | Promise<readonly VerificationKey[]> {
    const given = this.#given.find(alg, kid) as readonly VerificationKey[]
    // A `kid` names the key, so the issuer need not be asked.
    if (isSecret(alg) || (kid !== undefined && given.length > 0)) return given
    const published = this.#published.find(alg, kid)
    if (given.length === 0) return published
    if (!(published instanceof Promise)) return [...given, ...published]
    // The issuer may be slow or down. `search` waits for it, if none of the given keys made the signature.
    ignoreRejection(published)
    return given
  }

  async search(
    alg: Algorithm,
    kid: string | undefined,
    tried: readonly VerificationKey[],
    caller: KnownCaller | undefined,
  ): Promise<readonly VerificationKey[]> {
    if (isSecret(alg)) return []
    const untried = (await this.#published.find(alg, kid)).filter((key) => !tried.includes(key))
    return untried.length > 0 ? untried : this.#published.search(alg, kid, tried, caller)
  }

  isStillPublished(key: VerificationKey): boolean {
    return this.#given.isStillPublished(key) || this.#published.isStillPublished(key)
  }

  get backgroundWork(): Promise<void> | undefined {
    return this.#published.backgroundWork
  }

  async ready(): Promise<void> {
    await Promise.all([this.#given.ready(), this.#published.ready()])
  }

  close(): void {
    this.#published.close()
  }

  describe(): KeySetDescription {
    return { ...this.#published.describe(), given: this.#given.describe().keys }
  }
}

/** No issuer publishes a secret, and one in a published set is not used. */
function isSecret(alg: Algorithm): boolean {
  return alg.startsWith('HS')
}
