/** Combines configured keys with those that the issuer publishes, such as a shared secret during a migration (RFC 7517 §5). */

import { ignoreRejection } from '../../lib/promise.ts'
import type { Algorithm, VerificationKey } from './jwk.ts'
import type { KeySet, KeySetDescription } from './key-set.ts'
import type { TryBudgets } from './key-tries.ts'
import type { KnownCaller, KnownCallers } from './known-callers.ts'

/**
 * Looks for a key among the configured ones first, then among the published ones. Each key keeps its one algorithm, so a public
 * key is never used as a secret. During an outage of the issuer, tokens with a configured key are still verified.
 */
export class CombinedKeySet implements KeySet {
  readonly callers: KnownCallers | undefined
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
    // A `kid` names one key, so a configured key with it is the right one, and nothing needs to be fetched.
    if (isSecret(alg) || (kid !== undefined && given.length > 0)) return given
    const published = this.#published.find(alg, kid)
    if (given.length === 0) return published
    const both = (keys: readonly VerificationKey[]) => [...given, ...keys]
    if (!(published instanceof Promise)) return both(published)
    // Without a `kid`, the token may have any key. The issuer may be slow or down, so the configured keys are tried first.
    // `search` waits for the issuer if none of them made the signature.
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

/** Whether an algorithm uses a secret. Published sets have no usable secrets, because everyone could read them. */
function isSecret(alg: Algorithm): boolean {
  return alg.startsWith('HS')
}
