/** JSON Web Key Sets: what a verifier asks of one, and which entries of a document are used (RFC 7517 §5). */

import { monotonic } from '../../lib/clock.ts'
import { UnavailableError } from '../../model/unavailable.ts'
import type { Seconds } from '../../model/units.ts'
import { UnusableAnswer } from '../../net/fetch-json.ts'
import { type Algorithm, importKey, type VerificationKey, verificationKey } from './jwk.ts'
import { byLastSuccess, type TryBudgets, tryBudgets } from './key-tries.ts'
import { type KnownCaller, KnownCallers } from './known-callers.ts'

export interface KeySet {
  /**
   * The keys that may have made a signature with this algorithm, at once where the set is at hand. Those that verified a
   * token most recently come first.
   * @throws UnavailableError where there is no set to look in
   */
  find(
    alg: Algorithm,
    kid: string | undefined,
  ): readonly VerificationKey[] | Promise<readonly VerificationKey[]>
  /**
   * Finds such keys besides those that were tried. Fetches the set again if the budget of the caller allows it.
   * @param caller the caller that the token names, if a token of it was verified before
   * @throws UnavailableError if a newer set could have the key, but is not available within 1.5 s
   */
  search(
    alg: Algorithm,
    kid: string | undefined,
    tried: readonly VerificationKey[],
    caller: KnownCaller | undefined,
  ): Promise<readonly VerificationKey[]>
  /** Whether what was verified with this key still holds. */
  isStillPublished(key: VerificationKey): boolean
  /** The callers whose tokens its keys verified. */
  readonly callers: KnownCallers
  /** The budgets of tokens that try many of its keys. */
  readonly tries: TryBudgets
  /** What goes on in the background, if anything does. */
  readonly backgroundWork?: Promise<void> | undefined
  /** Has the keys at hand. @throws UnavailableError where they cannot be had */
  ready(): Promise<void>
  /** Ends what is under way; nothing is fetched any more. */
  close(): void
  describe(): KeySetDescription
}

/** A key that verifies tokens, for operators. */
export interface KeyDescription {
  readonly kid?: string | undefined
  readonly algorithms: readonly Algorithm[]
  /** Whether the key has no `alg`, so that its algorithm is the first one in `algorithms` that its type allows. */
  readonly isAssumed?: true
}

/** What a key set holds, for operators. */
export interface KeySetDescription {
  /** `given` with the configuration; `empty` before the first success; `fresh`, or `stale` where a refresh is due; `expired` past `staleIfError`. */
  readonly state: 'given' | 'empty' | 'fresh' | 'stale' | 'expired'
  readonly keys: readonly KeyDescription[]
  /** The keys of the option `keys`, if others are fetched beside them. */
  readonly given?: readonly KeyDescription[]
  /** Since the last success, in seconds. */
  readonly age?: Seconds | undefined
  /** How long the keys may still be used without another success, in seconds. */
  readonly usableFor?: Seconds
  /** How many attempts have failed since the last success. */
  readonly failures?: number
}

/** Keys that are given and never change. */
export class FixedKeySet implements KeySet {
  readonly callers: KnownCallers = new KnownCallers()
  readonly tries: TryBudgets = tryBudgets()
  readonly #keys: readonly VerificationKey[]

  constructor(keys: readonly VerificationKey[]) {
    this.#keys = keys
  }

  find(alg: Algorithm, kid: string | undefined): readonly VerificationKey[] {
    return candidates(this.#keys, alg, kid)
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
        throw new UnavailableError(`"keys" has a key at ${index} that cannot be used`, { cause })
      })
  }

  close(): void {}

  describe(): KeySetDescription {
    return { state: 'given', keys: described(this.#keys) }
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

export function described(keys: readonly VerificationKey[]): KeySetDescription['keys'] {
  return keys.map(({ kid, algorithms, isAssumed }) => ({ kid, algorithms, ...(isAssumed && { isAssumed }) }))
}

/** Says why no key fits a token whose `kid` is there, or which names none: its key is for another algorithm. */
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

/** How many entries a published set may have, and how many keys of it are used. */
const MAX_ENTRIES = 1_000
const MAX_KEYS = 64
/** How long and how many entries are checked until the event loop turns. Importing a key on P-521 takes over a millisecond. */
const SLICE: { readonly time: Seconds; readonly entries: number } = { time: 0.005, entries: 64 }

export interface UsableKeys {
  readonly keys: readonly VerificationKey[]
  /** What is wrong with each of the other entries. */
  readonly problems: readonly string[]
}

/**
 * Finds the first 64 usable keys of a published set. Each entry is checked by itself.
 * @param known the keys of an earlier set: a key that is in both stays the same object
 * @throws UnusableAnswer if there is none, or the set has more than 1,000 entries
 */
export async function usableKeys(
  jwks: unknown,
  allowed: readonly Algorithm[],
  known: readonly VerificationKey[],
): Promise<UsableKeys> {
  if (!Array.isArray(jwks)) throw new UnusableAnswer('The key set has no "keys"')
  if (jwks.length > MAX_ENTRIES)
    throw new UnusableAnswer(`The key set has ${jwks.length} entries: at most ${MAX_ENTRIES} are allowed`)
  const knownById = new Map(known.map((key) => [key.id, key]))
  const usable = new Map<string, VerificationKey>()
  const problems: string[] = []
  let since = monotonic()
  let inSlice = 0
  for (const [index, jwk] of jwks.entries()) {
    const problem = await addUsable(jwk, allowed, knownById, usable)
    if (problem !== undefined) problems.push(`keys[${index}]: ${problem}`)
    inSlice += 1
    if (monotonic() - since < SLICE.time && inSlice < SLICE.entries) continue
    await pause()
    inSlice = 0
    since = monotonic()
  }
  if (usable.size === 0) throw new UnusableAnswer('The key set has no usable key')
  return { keys: [...usable.values()], problems }
}

/** Lets the event loop turn, without a timer: work of another thread keeps the process alive as well. */
async function pause(): Promise<void> {
  await crypto.subtle.digest('SHA-256', new Uint8Array())
}

/** Adds an entry to the usable keys, or returns what is wrong with it. */
async function addUsable(
  jwk: unknown,
  allowed: readonly Algorithm[],
  known: ReadonlyMap<string, VerificationKey>,
  usable: Map<string, VerificationKey>,
): Promise<string | undefined> {
  if (usable.size === MAX_KEYS) return `there are ${MAX_KEYS} keys before it`
  const key = verificationKey(jwk, allowed, 'refuse-secrets')
  if (typeof key === 'string') return key
  if (usable.has(key.id)) return 'it is there twice'
  const kept = known.get(key.id) ?? key
  return importKey(kept).then(
    () => void usable.set(key.id, kept),
    () => 'the runtime does not take it',
  )
}
