/**
 * Reads JSON Web Key Sets: chooses the entries of a published document that may verify signatures (RFC 7517 §5).
 *
 * Tolerant, because one odd entry must not keep all users out: an entry that is not usable is skipped and reported. But a set
 * without any usable key is an error, and the former keys stay in use.
 */

import { importKey } from '#signature'
import { monotonic } from '../../lib/clock.ts'
import type { Seconds } from '../../model/units.ts'
import { UnusableAnswer } from '../../net/fetch-json.ts'
import { type Algorithm, type VerificationKey, verificationKey } from './jwk.ts'

/** The largest number of entries that a published set may have. */
const MAX_ENTRIES = 1_000
/** The largest number of keys that are used. */
const MAX_KEYS = 64
/**
 * How long, and how many entries, are checked before the event loop turns. Importing a P-521 key takes over a millisecond, so
 * 1,000 of them would block other requests for more than a second.
 */
const SLICE: { readonly time: Seconds; readonly entries: number } = { time: 0.005, entries: 64 }

/** The result of reading a set. */
export interface UsableKeys {
  readonly keys: readonly VerificationKey[]
  /** For each of the other entries: its index, and why it is not used. */
  readonly problems: readonly string[]
}

/**
 * Finds the first 64 usable keys of a published set. Each entry is checked by itself.
 * @param known the keys of an earlier set: a key that is in both stays the same object
 * @throws UnusableAnswer if no key is usable, or the set has more than 1,000 entries
 */
export async function usableKeys(
  jwks: unknown,
  allowed: readonly Algorithm[],
  known: readonly VerificationKey[],
): Promise<UsableKeys> {
  if (!Array.isArray(jwks))
    throw new UnusableAnswer(
      'The key set has no array "keys": "jwksUri" must be the URL of the key set, not that of the metadata',
      { isLasting: true },
    )
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

/** Lets the event loop turn. It needs no timer: work of another thread keeps the process alive as well. */
async function pause(): Promise<void> {
  await crypto.subtle.digest('SHA-256', new Uint8Array())
}

/** Adds an entry to the usable keys, or returns why it is not used. */
async function addUsable(
  jwk: unknown,
  allowed: readonly Algorithm[],
  known: ReadonlyMap<string, VerificationKey>,
  usable: Map<string, VerificationKey>,
): Promise<string | undefined> {
  if (usable.size === MAX_KEYS) return `there are ${MAX_KEYS} keys before it`
  const key = verificationKey(jwk, allowed, 'refuse-secrets')
  if (typeof key === 'string') return key
  if (usable.has(key.id)) return 'it is in the set twice'
  const kept = known.get(key.id) ?? key
  return importKey(kept).then(
    () => void usable.set(key.id, kept),
    () => 'the runtime rejects it',
  )
}
