/** Adds revocations to the stream, and keeps those that Redis did not store. */

import type { RevocationEntry } from '@bearergate/core'
import type { RedisClient, StreamEntry } from './connection.ts'
import { hasEnded } from './entry.ts'

export class Outbox {
  readonly #client: RedisClient
  readonly #key: string
  readonly #lifetime: number
  readonly #unsent: RevocationEntry[] = []

  /** @param lifetime how long an entry without `expiresAt` is kept, in seconds */
  constructor(client: RedisClient, key: string, lifetime: number) {
    this.#client = client
    this.#key = key
    this.#lifetime = lifetime
  }

  /** The number of revocations that Redis has not stored. */
  get size(): number {
    return this.#unsent.length
  }

  /** Adds a revocation to the stream. If Redis does not store it, rejects, and keeps it for `sendAgain`. */
  async send(entry: RevocationEntry): Promise<void> {
    const expiresAt = entry.expiresAt ?? Math.ceil(Date.now() / 1000) + this.#lifetime
    try {
      await this.#client.xAdd(this.#key, '*', { entry: JSON.stringify({ ...entry, expiresAt }) })
    } catch (cause) {
      this.#unsent.push(entry)
      throw cause
    }
    await this.#removeEnded().catch(() => {}) // The entry is stored.
  }

  /** Sends what Redis did not take before. An entry that it took in spite of an error is there twice, which does no harm. */
  async sendAgain(): Promise<void> {
    for (const entry of this.#unsent.splice(0)) await this.send(entry).catch(() => {}) // It is kept again.
  }

  /** Removes the oldest entries that have ended: twice as many as are added, so that the stream does not grow. */
  async #removeEnded(): Promise<void> {
    const oldest = (await this.#client.xRange(this.#key, '-', '+', { COUNT: 2 })) as readonly StreamEntry[]
    const ended = oldest.filter(hasEnded)
    if (ended.length > 0)
      await this.#client.xDel(
        this.#key,
        ended.map(({ id }) => id),
      )
  }
}
