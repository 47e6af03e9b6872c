/** Adds revocations to the stream, and adds them again if Redis did not store them, or lost them. */

import { randomBytes } from 'node:crypto'
import type { RevocationEntry } from '@bearergate/core'
import type { RedisClient, StreamEntry } from './connection.ts'
import { hasEnded } from './entry.ts'
import { within } from './within.ts'

/** How many entries of its own a process can add again. */
const MAX_SENT = 10_000

/** An entry that Redis stored. */
interface Sent {
  readonly entry: RevocationEntry
  /** When Redis stored it, by the monotonic clock. In milliseconds. `undefined` before it answered. */
  storedAt: number | undefined
  /** Whether the feed has read it. */
  isRead: boolean
}

export class Outbox {
  readonly #client: RedisClient
  readonly #key: string
  readonly #lifetime: number
  readonly #patience: number
  readonly #unsent: RevocationEntry[] = []
  /** By the mark of the entry in the stream, oldest first. */
  readonly #sent = new Map<string, Sent>()

  /**
   * @param lifetime how long an entry without `expiresAt` is kept, in seconds
   * @param patience how long Redis may take to store an entry, in seconds
   */
  constructor(client: RedisClient, key: string, lifetime: number, patience: number) {
    this.#client = client
    this.#key = key
    this.#lifetime = lifetime
    this.#patience = patience * 1000
  }

  /** The number of revocations that Redis has not stored. */
  get size(): number {
    return this.#unsent.length
  }

  /** Adds a revocation to the stream. If Redis does not store it, rejects, and keeps it for `repair`. */
  send(entry: RevocationEntry): Promise<void> {
    return this.#send(entry, this.#client)
  }

  /** Notes that the feed has read an entry. */
  read({ message }: StreamEntry): void {
    const sent = this.#sent.get(message.mark ?? '')
    if (sent !== undefined) sent.isRead = true
  }

  /** The feed reads the stream again from its beginning, because Redis lost entries. */
  reset(): void {
    for (const sent of this.#sent.values()) sent.isRead = false
  }

  /**
   * Adds the revocations again that Redis did not store, and those that it lost: the feed has read all entries, but not them. A
   * failover loses the entries that were not replicated. An entry that is there twice does no harm.
   * @param connection a connection that works. After a failover, the client may still wait for the node that failed.
   * @param readAt when the feed began to read, by the monotonic clock. In milliseconds.
   */
  async repair(connection: RedisClient, readAt: number): Promise<void> {
    const entries = this.#unsent.splice(0)
    for (const [mark, { entry, storedAt, isRead }] of this.#sent)
      if (!isRead && storedAt !== undefined && storedAt < readAt) {
        this.#sent.delete(mark)
        entries.push(entry)
      }
    await Promise.allSettled(entries.map((entry) => this.#send(entry, connection))) // They are kept again.
  }

  async #send(given: RevocationEntry, client: RedisClient): Promise<void> {
    const expiresAt = given.expiresAt ?? Math.ceil(Date.now() / 1000) + this.#lifetime
    const entry = { ...given, expiresAt }
    const mark = randomBytes(9).toString('base64url')
    const sent: Sent = { entry, storedAt: undefined, isRead: false }
    this.#keep(mark, sent)
    try {
      const adding = client.xAdd(this.#key, '*', { entry: JSON.stringify(entry), mark })
      await within(adding, this.#patience)
      sent.storedAt = performance.now()
    } catch (cause) {
      this.#sent.delete(mark)
      this.#unsent.push(entry)
      throw cause
    }
    await within(this.#removeEnded(client), this.#patience).catch(() => {}) // The entry is stored.
  }

  #keep(mark: string, sent: Sent): void {
    this.#sent.set(mark, sent)
    if (this.#sent.size <= MAX_SENT) return
    const [oldest = ''] = this.#sent.keys()
    this.#sent.delete(oldest)
  }

  /** Removes the oldest entries that have ended: twice as many as are added, so that the stream does not grow. */
  async #removeEnded(client: RedisClient): Promise<void> {
    const oldest = (await client.xRange(this.#key, '-', '+', { COUNT: 2 })) as readonly StreamEntry[]
    const ended = oldest.filter(hasEnded)
    if (ended.length > 0)
      await client.xDel(
        this.#key,
        ended.map(({ id }) => id),
      )
  }
}
