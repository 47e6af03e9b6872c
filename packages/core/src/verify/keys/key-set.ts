/** Defines the keys that a verifier uses, and implements key sets that never change (RFC 7517 §5). */

import { importKey } from '#signature'
import { UnavailableError } from '../../model/unavailable.ts'
import type { Seconds } from '../../model/units.ts'
import type { Algorithm, VerificationKey } from './jwk.ts'
import { byLastSuccess, FREE_TRIES, type TryBudgets, tryBudgets } from './key-tries.ts'
import { type KnownCaller, KnownCallers } from './known-callers.ts'

/** Finds the keys of one issuer. */
export interface KeySet {
  /**
   * Finds the keys that may have made a signature. Synchronous if the keys are available. Keys that verified a token most
   * recently come first.
   * @throws UnavailableError if there are no keys, and they cannot be fetched
   */
  find(
    alg: Algorithm,
    kid: string | undefined,
  ): readonly VerificationKey[] | Promise<readonly VerificationKey[]>
  /**
   * Finds further keys that may have made the signature, without those that were tried. Fetches the set again if the budget of
   * the caller allows it.
   * @param caller the caller that the token names, if one of its tokens was verified before
   * @throws UnavailableError if a newer set could have the key, but is not available within 1.5 s
   */
  search(
    alg: Algorithm,
    kid: string | undefined,
    tried: readonly VerificationKey[],
    caller: KnownCaller | undefined,
  ): Promise<readonly VerificationKey[]>
  /** Whether the set still has a key, so that a cached result of it is still valid. */
  isStillPublished(key: VerificationKey): boolean
  /** The callers whose tokens its keys verified. `undefined` if no budget of the set depends on the caller. */
  readonly callers: KnownCallers | undefined
  /** The budgets of tokens that try many of its keys. */
  readonly tries: TryBudgets
  /** Pending background work, such as a refresh. `undefined` if there is none. */
  readonly backgroundWork?: Promise<void> | undefined
  /**
   * Fetches the keys if there are none.
   * @throws UnavailableError if that fails
   */
  ready(): Promise<void>
  /** Aborts pending fetches, and allows no more. The keys stay usable until they expire. */
  close(): void
  /** Describes the set for operators. */
  describe(): KeySetDescription
}

/** Describes a key for operators. */
export interface KeyDescription {
  readonly kid?: string | undefined
  readonly algorithms: readonly Algorithm[]
  /** Set if the key has no `alg`. Its algorithm is the first one in the option `algorithms` that its type allows. */
  readonly isAssumed?: true
}

/** Describes a key set for operators. It contains no key material. */
export interface KeySetDescription {
  /**
   * - `given`: the keys are configured.
   * - `empty`: no fetch has succeeded yet.
   * - `fresh`: no refresh is due.
   * - `stale`: a refresh is due, and the keys are used until it succeeds.
   * - `expired`: the last success is longer ago than `staleIfError` allows. The answer to requests is 503.
   */
  readonly state: 'given' | 'empty' | 'fresh' | 'stale' | 'expired'
  readonly keys: readonly KeyDescription[]
  /** The keys of the option `keys`, if others are fetched as well. */
  readonly given?: readonly KeyDescription[]
  /** Time since the last success. In seconds. */
  readonly age?: Seconds | undefined
  /** How long the keys may still be used without another success. In seconds. */
  readonly usableFor?: Seconds
  /** The number of attempts that have failed since the last success. */
  readonly failures?: number
  /** Time until the set may be fetched again because of a token with an unknown key. In seconds. 0 if it may be fetched now. */
  readonly refetchIn?: Seconds
}

/** Finds configured keys, which never change. There is nothing to search beyond them, and no outage. */
export class FixedKeySet implements KeySet {
  readonly callers: KnownCallers | undefined
  readonly tries: TryBudgets = tryBudgets()
  readonly #keys: readonly VerificationKey[]
  readonly #isNameless: boolean

  /** @param isNameless whether the keys have no `kid`, and that of a token is ignored */
  constructor(keys: readonly VerificationKey[], isNameless = false) {
    this.#keys = keys
    // Nothing is fetched, and without more keys than free tries no token needs the budget.
    this.callers = keys.length > FREE_TRIES ? new KnownCallers() : undefined
    this.#isNameless = isNameless
  }

  find(alg: Algorithm, kid: string | undefined): readonly VerificationKey[] {
    return candidates(this.#keys, alg, this.#isNameless ? undefined : kid)
  }

  async search(): Promise<readonly VerificationKey[]> {
    return []
  }

  isStillPublished(key: VerificationKey): boolean {
    return this.#keys.includes(key)
  }

  async ready(): Promise<void> {
    for (const [index, key] of this.#keys.entries())
      await importKey(key).catch((cause) => {
        throw new UnavailableError(`"keys" has an unusable key at index ${index}`, { cause })
      })
  }

  close(): void {}

  describe(): KeySetDescription {
    return { state: 'given', keys: describeKeys(this.#keys) }
  }
}

/** Returns the keys that may have made a signature with this algorithm, the most recent success first. */
export function candidates(
  keys: readonly VerificationKey[],
  alg: Algorithm,
  kid: string | undefined,
): readonly VerificationKey[] {
  return byLastSuccess(
    keys.filter((key) => key.algorithms.includes(alg) && (kid === undefined || key.kid === kid)),
  )
}

/** Describes keys for operators, without key material. */
export function describeKeys(keys: readonly VerificationKey[]): readonly KeyDescription[] {
  return keys.map(({ kid, algorithms, isAssumed }) => ({ kid, algorithms, ...(isAssumed && { isAssumed }) }))
}

/**
 * Explains to operators why no key fits a token although its `kid` is known, or it has none: the key is for another algorithm.
 * The usual cause is a key without `alg`, for which the first allowed algorithm was assumed.
 */
export function algorithmMismatch(
  { keys, given = [] }: KeySetDescription,
  alg: Algorithm,
  kid: string | undefined,
): string | undefined {
  const named = [...given, ...keys].filter((key) => kid === undefined || key.kid === kid)
  const assumed = named.find(
    (key) => key.isAssumed && key.algorithms[0]?.startsWith('HS') === alg.startsWith('HS'),
  )
  if (assumed !== undefined && isOfType(alg))
    return `a key ${kid === undefined ? 'of the issuer' : 'with this "kid"'} has no "alg", so ${assumed.algorithms[0]} was assumed for it: if the issuer signs with ${alg}, set "algorithms" to ["${alg}"]`
  const [first] = named
  if (kid === undefined || first === undefined) return undefined
  return `the key with this "kid" is for ${first.algorithms.join(' or ')} only`
}

/** Whether several algorithms fit the same type of key. */
function isOfType(alg: Algorithm): boolean {
  return /^(?:RS|PS|HS)/.test(alg)
}
