/** Adds revocations to the stream, and keeps those that Redis did not store. */

import type { RevocationEntry } from '@bearergate/core'
import type { RedisClient, StreamEntry } from './connection.ts'
import { hasEnded } from './entry.ts'
import { within } from './within.ts'

export class Outbox {
  readonly #client: RedisClient
  readonly #key: string
  readonly #lifetime: number
  readonly #patience: number
  readonly #unsent: RevocationEntry[] = []

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

  /** Adds a revocation to the stream. If Redis does not store it, rejects, and keeps it for `sendAgain`. */
  send(entry: RevocationEntry): Promise<void> {
    return this.#send(entry, this.#client)
  }

  /**
   * Sends what Redis did not take before. An entry that it took in spite of an error is there twice, which does no harm.
   * @param connection a connection that works. After a failover, the client may still wait for the node that failed.
   */
  async sendAgain(connection: RedisClient): Promise<void> {
    const entries = this.#unsent.splice(0)
    await Promise.allSettled(entries.map((entry) => this.#send(entry, connection))) // They are kept again.
  }

  async #send(entry: RevocationEntry, client: RedisClient): Promise<void> {
    const expiresAt = entry.expiresAt ?? Math.ceil(Date.now() / 1000) + this.#lifetime
    try {
      const adding = client.xAdd(this.#key, '*', { entry: JSON.stringify({ ...entry, expiresAt }) })
      await within(adding, this.#patience)
    } catch (cause) {
      this.#unsent.push(entry)
      throw cause
    }
    await within(this.#removeEnded(client), this.#patience).catch(() => {}) // The entry is stored.
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
