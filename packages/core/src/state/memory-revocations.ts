/** Stores revocations in the memory of one process. */

import { assertInteger, assertSeconds, readOptions } from '../lib/assert.ts'
import { assertClock, monotonic, secondsOf } from '../lib/clock.ts'
import { mapMaybe } from '../lib/promise.ts'
import { type Identity, revocableName } from '../model/identity.ts'
import type { Seconds } from '../model/units.ts'
import { issuerOf, keyOf, storedNames } from './revocation-key.ts'
import type { EntryMembers, RevocationEntry, RevocationStore } from './revocations.ts'

/** The options of `memoryRevocations`. */
export interface MemoryRevocationsOptions {
  /**
   * The largest number of entries, 1 to 10,000,000. Default 1,000,000. If the store is full and all entries are still in
   * effect, `revoke` throws.
   */
  max?: number | undefined
  /**
   * The longest time for which any of your tokens is valid: an entry without `expiresAt` is kept for this time. In seconds, 60
   * to 315,360,000. Default 31,536,000 (a year).
   */
  maxTokenLifetime?: Seconds | undefined
  /** The clock, in milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
}

/**
 * Creates a store of revocations in the memory of this process. They are lost when the process ends, and other processes do not
 * see them. A gate without the option `revocations` creates one for itself.
 *
 * @example
 * const revocations = memoryRevocations()
 * const users = createGate({ issuer, audience: 'urn:users', revocations })
 * const orders = createGate({ issuer, audience: 'urn:orders', revocations })
 * await users.revoke({ subject: 'emma' }) // both gates reject the tokens of this subject
 * @throws TypeError if an option is unknown or impossible
 */
export function memoryRevocations(options: MemoryRevocationsOptions = {}): RevocationStore {
  return new MemoryRevocations(options)
}

/** How far the issuer's clock may be ahead if the entry has no `issuedBefore`. */
const CLOCK_TOLERANCE: Seconds = 30
/** How much longer than `exp` a verifier may accept a token: the largest clock tolerance. */
const MAX_TOLERANCE: Seconds = 300
const YEAR: Seconds = 31_536_000
/** How many old entries are checked for each new one. With two, expired entries are removed faster than new ones are added. */
const CHECKED_PER_ENTRY = 2
/** The shortest time between two checks of all entries, which happen only if the store is full. */
const FULL_CHECK_EVERY: Seconds = 60

interface Entry {
  /** When the last token that it revokes has expired, in seconds since the epoch. */
  endsAt: Seconds
  /** For a subject: tokens issued earlier are rejected. In seconds since the epoch. */
  readonly before: Seconds
}

type Kind = 'tokenIds' | 'sessionIds' | 'subjects'

function mapsByKind(): Readonly<Record<Kind, Map<string, Entry>>> {
  return { tokenIds: new Map(), sessionIds: new Map(), subjects: new Map() }
}

/**
 * Keeps revocations in maps, and removes ended entries when new ones are added, two per map and entry. No timer is needed,
 * and no call takes long. Only if the store is full are all entries checked, once a minute at most.
 *
 * Until an ended entry is removed, it is still in effect. That is harmless, because its tokens have expired, and correct if the
 * wall clock was wrong. Only tokens without `iat` depend on the end.
 *
 * An entry that names an issuer is stored twice: under the name with the issuer, and under the name alone. The second one is
 * for introspected tokens whose issuer the server does not name. An entry whose name is an integer above 2^53 is also stored
 * under the number.
 */
class MemoryRevocations implements RevocationStore {
  readonly #max: number
  readonly #maxTokenLifetime: Seconds
  readonly #now: () => Seconds
  /** By the SHA-256 of the token. */
  readonly #tokens = new Map<string, Entry>()
  /** By name, or by name and issuer. */
  readonly #of = mapsByKind()
  /** Entries that name an issuer, by name alone. Used for identities whose issuer is not known. */
  readonly #ofAnyIssuer = mapsByKind()
  readonly #listeners: ((entry: RevocationEntry) => void)[] = []
  readonly #turns = new Map<Map<string, Entry>, MapIterator<[string, Entry]>>()
  #checkedAllAt = Number.NEGATIVE_INFINITY

  constructor(options: MemoryRevocationsOptions) {
    const read = readOptions('memoryRevocations', options, ['max', 'maxTokenLifetime', 'now'])
    this.#max = assertInteger('max', read.max, { preset: 1_000_000, min: 1, max: 10_000_000 })
    this.#maxTokenLifetime = assertSeconds('maxTokenLifetime', read.maxTokenLifetime, {
      preset: YEAR,
      min: 60,
      max: 10 * YEAR,
    })
    const now = assertClock(read.now)
    this.#now = () => secondsOf(now)
  }

  get size(): number {
    const { tokenIds, sessionIds, subjects } = this.#of
    return this.#tokens.size + tokenIds.size + sessionIds.size + subjects.size
  }

  get needsHash(): boolean {
    return this.#tokens.size > 0
  }

  onRevoked(listener: (entry: RevocationEntry) => void): void {
    this.#listeners.push(listener)
  }

  revoke(entry: RevocationEntry): void {
    const { tokenHash, tokenId, sessionId, subject, issuer, issuedBefore, expiresAt }: EntryMembers = entry
    if (tokenHash !== undefined) this.#add(this.#tokens, tokenHash, expiresAt)
    if (tokenId !== undefined) this.#addName('tokenIds', tokenId, issuer, expiresAt)
    if (sessionId !== undefined) this.#addName('sessionIds', sessionId, issuer, expiresAt)
    if (subject !== undefined) {
      const before = issuedBefore ?? this.#now() + CLOCK_TOLERANCE
      this.#addName('subjects', subject, issuer, expiresAt, before)
    }
    for (const listener of this.#listeners) listener(entry)
  }

  /** Adds an entry for a token id, a session or a subject under each of its keys. */
  #addName(
    kind: Kind,
    name: string,
    issuer: string | undefined,
    end: Seconds | undefined,
    before?: Seconds,
  ): void {
    const entries = this.#of[kind]
    for (const stored of storedNames(name)) {
      this.#add(entries, keyOf(stored, issuer), end, before)
      if (issuer !== undefined) this.#add(this.#ofAnyIssuer[kind], keyOf(stored), end, before)
    }
  }

  isRevoked(
    identity: Identity<unknown>,
    hash: string | PromiseLike<string> | undefined,
  ): boolean | PromiseLike<boolean> {
    if (this.size === 0) return false
    const ofName = [
      ...this.#entriesOf('tokenIds', revocableName(identity, 'tokenId'), identity),
      ...this.#entriesOf('sessionIds', revocableName(identity, 'sessionId'), identity),
    ]
    const isTooOld = ({ before, endsAt }: Entry) =>
      identity.issuedAt === undefined ? this.#now() < endsAt : identity.issuedAt < before
    const ofSubject = this.#entriesOf('subjects', revocableName(identity, 'subject'), identity).filter(
      isTooOld,
    )
    for (const entry of [...ofName, ...ofSubject]) this.#prolong(entry, identity)
    if (ofName.length + ofSubject.length > 0) return true
    if (hash === undefined || !this.needsHash) return false
    return mapMaybe(hash, (digest) => {
      const entry = this.#tokens.get(digest)
      if (entry === undefined) return false
      this.#prolong(entry, identity)
      // The `exp` of a JWT is fixed: the entry need not outlive it.
      if (identity.kind === 'jwt' && identity.expiresAt !== undefined)
        entry.endsAt = Math.min(entry.endsAt, identity.expiresAt + MAX_TOLERANCE)
      return true
    })
  }

  /** Extends an entry, because a session may expire later each time it is used. */
  #prolong(entry: Entry, { kind, expiresAt }: Identity<unknown>): void {
    if (kind === 'jwt' || expiresAt === undefined) return
    const end = Math.min(expiresAt + MAX_TOLERANCE, this.#now() + this.#maxTokenLifetime)
    entry.endsAt = Math.max(entry.endsAt, end)
  }

  /**
   * Returns the entries that match an identity. If introspection did not name the issuer, an entry for any issuer matches:
   * accepting a revoked token would be worse than rejecting a good one.
   */
  #entriesOf(of: Kind, name: string | number | undefined, identity: Identity<unknown>): readonly Entry[] {
    const entries = this.#of[of]
    if (entries.size === 0 || name === undefined) return []
    const from = issuerOf(identity)
    const found = [entries.get(keyOf(name))]
    if (from !== undefined) found.push(entries.get(keyOf(name, from)))
    else if (identity.kind === 'introspection') found.push(this.#ofAnyIssuer[of].get(keyOf(name)))
    return found.filter((entry) => entry !== undefined)
  }

  /** Adds an entry, or extends the known one. A second revocation never shortens or weakens the first. */
  #add(entries: Map<string, Entry>, key: string, end: Seconds | undefined, before: Seconds = 0): void {
    const known = entries.get(key)
    const endsAt = end === undefined ? this.#now() + this.#maxTokenLifetime : end + MAX_TOLERANCE
    // A copy does not count towards `max`, because its entry does.
    const isCopy = Object.values(this.#ofAnyIssuer).includes(entries)
    if (known === undefined && !isCopy) this.#makeRoom()
    entries.set(key, {
      endsAt: Math.max(endsAt, known?.endsAt ?? 0),
      before: Math.max(before, known?.before ?? 0),
    })
  }

  get #all(): readonly Map<string, Entry>[] {
    return [this.#tokens, ...Object.values(this.#of), ...Object.values(this.#ofAnyIssuer)]
  }

  /**
   * Checks some entries of each map, and removes those that have ended. Rejects the new entry if the store is full of entries
   * in effect: to forget one of them would make a revoked token valid again.
   */
  #makeRoom(): void {
    const now = this.#now()
    for (const entries of this.#all)
      for (let left = CHECKED_PER_ENTRY; left > 0; left -= 1) {
        const next = this.#nextOf(entries)
        if (next === undefined) break
        if (now >= next[1].endsAt) entries.delete(next[0])
      }
    if (this.size < this.#max) return
    if (monotonic() - this.#checkedAllAt >= FULL_CHECK_EVERY) this.#removeEnded(now)
    if (this.size >= this.#max)
      throw new RangeError(
        `Failed to revoke: the store is full, with ${this.#max} revocations that are still in effect. Set a larger "max" of the store. Or pass "expiresAt" to gate.revoke, so that revocations end earlier`,
      )
  }

  /**
   * Returns the entry to check next: each in turn. An iterator and not the first entry, because V8 steps over every deleted entry
   * to find the first one.
   */
  #nextOf(entries: Map<string, Entry>): readonly [string, Entry] | undefined {
    const turn = this.#turns.get(entries)?.next()
    if (turn !== undefined && turn.done !== true) return turn.value
    const again = entries.entries()
    this.#turns.set(entries, again)
    const first = again.next()
    return first.done === true ? undefined : first.value
  }

  #removeEnded(now: Seconds): void {
    this.#checkedAllAt = monotonic()
    for (const entries of this.#all)
      for (const [key, { endsAt }] of entries) if (now >= endsAt) entries.delete(key)
  }
}
