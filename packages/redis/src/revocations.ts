/** A store of revocations that all processes share, as a Redis stream with a copy in the memory of each process. */

import {
  type Identity,
  memoryRevocations,
  type RevocationEntry,
  type RevocationStore,
  UnavailableError,
} from '@bearergate/core'
import type { RedisClient, StreamEntry } from './connection.ts'
import { hasEnded, revocationOf } from './entry.ts'
import { Feed } from './feed.ts'
import { notify } from './notify.ts'
import { assertChoice, assertListener, assertText, readOptions, secondsOf } from './options.ts'
import { Outbox } from './outbox.ts'
import type { FeedEvent, RedisRevocationsOptions } from './revocations-options.ts'

/** The state of a store of revocations. */
export interface RevocationsDescription {
  readonly kind: 'redis'
  /** Whether the gate heard from Redis within `maxLag`. If not, and with `ifUnavailable: 'reject'`, the answer is 503. */
  readonly isCurrent: boolean
  /** Whether the memory of this process could not take a revocation. Then the answer is 503 until the process is restarted. */
  readonly isFull: boolean
  /** The number of revocations by this process that Redis has not stored. They are sent again. */
  readonly unsent: number
}

/** A store of revocations on Redis. */
export interface RedisRevocations extends RevocationStore {
  /** Returns the state of the store, for a health check. It is also in `gate.describe().revocationStore`. */
  describe(): RevocationsDescription
  /**
   * Waits until all revocations are known.
   * @throws UnavailableError if that takes longer than `maxLag`
   */
  ready(): Promise<void>
  /**
   * Stops reading, and closes the connection of the feed. The client that you passed stays open. Optional: after you have closed
   * that client, the feed does not keep the process alive.
   */
  close(): void
}

/** How far the clock of an issuer may be ahead, if the caller does not say. In seconds. */
const TOLERANCE = 30

const NAMES = ['key', 'maxLag', 'ifUnavailable', 'maxTokenLifetime', 'max', 'onFeed'] as const

/**
 * Creates a store of revocations that all processes with the same Redis share.
 *
 * `gate.revoke` adds an entry to a stream, and takes effect in this process at once, and in all other processes within
 * milliseconds. Each process keeps a copy in its memory, so a request costs no round trip. A process that was disconnected reads
 * on from its last entry. A new process reads the stream from its beginning, and its first requests wait for that.
 *
 * If Redis cannot store an entry, for example because it is full or down, `gate.revoke` throws. The revocation is then in
 * effect in this process, and sent again when Redis answers.
 *
 * The client can also be one of `createCluster` or `createSentinel`. The feed then follows the primary, also after a failover.
 *
 * @example
 * const client = await createClient({ url: 'redis://127.0.0.1:6379' }).on('error', log).connect()
 * const gate = createGate({ issuer, audience, revocations: redisRevocations(client) })
 * @throws TypeError if an option is unknown or invalid
 */
export function redisRevocations(
  client: RedisClient,
  options: RedisRevocationsOptions = {},
): RedisRevocations {
  return new StreamRevocations(client, options)
}

class StreamRevocations implements RedisRevocations {
  readonly #maxLag: number
  readonly #mayContinue: boolean
  readonly #onFeed: ((event: FeedEvent) => void) | undefined
  readonly #local: RevocationStore
  readonly #outbox: Outbox
  readonly #feed: Feed
  /** Resolves when all entries were read for the first time, or `maxLag` has passed. */
  readonly #started: Promise<void>
  #start: () => void = () => {}
  #hasStarted = false
  #isFull = false
  /** The last failure of the feed, until it is current again. */
  #failure: { readonly cause: unknown } | undefined

  constructor(client: RedisClient, options: RedisRevocationsOptions) {
    const read = readOptions('redisRevocations', client, options, NAMES)
    const key = assertText('key', read.key ?? 'bearergate:revocations')
    this.#maxLag = secondsOf('maxLag', read.maxLag, { preset: 5, min: 2, max: 300 })
    const lifetime = secondsOf('maxTokenLifetime', read.maxTokenLifetime, {
      preset: 86_400,
      min: 60,
      max: 31_536_000,
    })
    this.#mayContinue =
      assertChoice('ifUnavailable', read.ifUnavailable, ['reject', 'continue']) === 'continue'
    this.#onFeed = assertListener('onFeed', read.onFeed)
    this.#local = memoryRevocations({
      maxTokenLifetime: lifetime,
      ...(read.max !== undefined && { max: read.max }),
    })
    this.#outbox = new Outbox(client, key, lifetime, this.#maxLag)
    this.#started = new Promise((resolve) => {
      this.#start = resolve
    })
    setTimeout(() => this.#start(), this.#maxLag * 1000).unref()
    this.#feed = new Feed(client, key, {
      entry: (entry) => this.#apply(entry),
      reset: () => {
        this.#outbox.reset()
        this.#notify({ type: 'reset' })
      },
      current: (isNew, connection, readAt) => {
        this.#hasStarted = true
        this.#failure = undefined
        this.#start()
        void this.#outbox.repair(connection, readAt)
        if (isNew) this.#notify({ type: 'current' })
      },
      failed: (cause) => {
        if (this.#failure === undefined) this.#notify({ type: 'failed', cause })
        this.#failure = { cause }
      },
    })
  }

  get size(): number {
    return this.#local.size
  }

  /** Until all entries are known, any token may turn out to be revoked by its hash. */
  get needsHash(): boolean {
    return !this.#hasStarted || this.#local.needsHash
  }

  onRevoked(listener: (entry?: RevocationEntry) => void): void {
    this.#local.onRevoked?.(listener)
  }

  /** Takes effect in this process at once, and in the others when Redis has stored it. */
  async revoke(given: RevocationEntry): Promise<void> {
    // Fixed now: the entry may be added to the stream again much later.
    const entry =
      'subject' in given ? { ...given, issuedBefore: given.issuedBefore ?? secondsFromNow(TOLERANCE) } : given
    this.#local.revoke(entry)
    try {
      await this.#outbox.send(entry)
    } catch (cause) {
      throw new UnavailableError(
        'Redis did not store the revocation. Until Redis answers again, it is in effect in this process only',
        { cause },
      )
    }
  }

  isRevoked(
    identity: Identity<unknown>,
    hash: string | PromiseLike<string> | undefined,
  ): boolean | PromiseLike<boolean> {
    if (!this.#hasStarted) return this.#isRevokedAfterStart(identity, hash)
    this.#assertCurrent()
    return this.#local.isRevoked(identity, hash)
  }

  async ready(): Promise<void> {
    await this.#started
    if (!this.#hasStarted) throw new UnavailableError('The revocations could not be read', this.#failure)
  }

  describe(): RevocationsDescription {
    const lag = (performance.now() - this.#feed.currentAt) / 1000
    return {
      kind: 'redis',
      isCurrent: lag <= this.#maxLag,
      isFull: this.#isFull,
      unsent: this.#outbox.size,
    }
  }

  close(): void {
    this.#feed.close()
    this.#start()
  }

  async #isRevokedAfterStart(
    identity: Identity<unknown>,
    hash: string | PromiseLike<string> | undefined,
  ): Promise<boolean> {
    await this.#started
    this.#assertCurrent()
    return this.#local.isRevoked(identity, hash)
  }

  /** @throws UnavailableError if revocations may be missing, and `ifUnavailable` is `reject` */
  #assertCurrent(): void {
    if (this.#isFull) throw new UnavailableError('The memory for revocations is full')
    const isLate = performance.now() - this.#feed.currentAt > this.#maxLag * 1000
    if (isLate && !this.#mayContinue)
      throw new UnavailableError('The feed of revocations is unavailable', this.#failure)
  }

  #apply(given: StreamEntry): void {
    this.#outbox.read(given)
    const entry = revocationOf(given)
    if (entry === undefined) {
      this.#notify({ type: 'invalid_entry' })
      return
    }
    if (hasEnded(given)) return // Its tokens have expired.
    try {
      this.#local.revoke(entry)
    } catch (cause) {
      this.#isFull = true
      this.#notify({ type: 'full', cause })
    }
  }

  #notify(event: FeedEvent): void {
    notify(this.#onFeed, event)
  }
}

function secondsFromNow(seconds: number): number {
  return Math.ceil(Date.now() / 1000) + seconds
}
