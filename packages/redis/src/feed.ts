/**
 * Follows a Redis stream: reads it from the beginning, and then waits for new entries. After a lost connection or a failover it
 * goes on from the last entry, so nothing is missed.
 */

import type { RedisClient, StreamEntry, StreamReply } from './connection.ts'
import { hasEnded } from './entry.ts'
import { within } from './within.ts'

/** How many entries are read at once. */
const COUNT = 1000
/** How long Redis waits for a new entry before it answers. In milliseconds. Each answer shows that the feed is current. */
const BLOCK = 1000
/** How much longer than `BLOCK` an answer may take. After that, the connection counts as lost. In milliseconds. */
const GRACE = 2000
/** The first and the longest wait after a failure. In milliseconds. */
const BACKOFF = { min: 50, max: 1000 }
/**
 * The number of connections that may be closing before the waits grow, and the longest of these waits, in milliseconds. A client
 * of sentinels closes after its attempt to connect has ended. A server that was stopped may delay that forever, and each further
 * attempt opens more sockets.
 */
const CLOSING = { max: 3, wait: 300_000 }

/**
 * How the connection of the feed differs from the client. It reads from primaries only: a replica that lost its primary still
 * answers, so the feed would seem to be current. It connects to no other node of a cluster, because that may be down. It has no
 * cache, because it reads what is in Redis now. Each kind of client ignores the options of the others.
 */
const CONNECTION = {
  useReplicas: false,
  minimizeConnections: true,
  replicaPoolSize: 0,
  masterPoolSize: 1,
  clientSideCache: undefined,
}

export interface FeedListener {
  /** Called for each entry, in their order. */
  entry(entry: StreamEntry): void
  /** Called if Redis has lost entries. The feed reads the stream from its beginning then. */
  reset(): void
  /**
   * Called whenever all known entries were read, at least once per second.
   * @param isNew whether they were not all known before: at first, and after a failure, a reset or many entries at once
   * @param connection the connection that read them
   * @param readAt when it began to read them, by the monotonic clock. In milliseconds.
   */
  current(isNew: boolean, connection: RedisClient, readAt: number): void
  /** Called after each failure. */
  failed(cause: unknown): void
}

export class Feed {
  readonly #client: RedisClient
  readonly #key: string
  readonly #listener: FeedListener
  /** The last entry of the stream as far as it was read. */
  #last: StreamEntry | undefined
  #connection: RedisClient | undefined
  /** The number of connections that are closing. */
  #closing = 0
  #isClosed = false
  #wake: () => void = () => {}
  /** When all entries were certainly known last, by the monotonic clock. In milliseconds. */
  currentAt: number = Number.NEGATIVE_INFINITY

  constructor(client: RedisClient, key: string, listener: FeedListener) {
    this.#client = client
    this.#key = key
    this.#listener = listener
    void this.#run()
  }

  close(): void {
    this.#isClosed = true
    this.#drop()
    this.#wake()
  }

  /** Reads until it is closed. Each failure drops the connection, and the next attempt makes a new one. */
  async #run(): Promise<void> {
    let backoff = BACKOFF.min
    let isCurrent = false
    // Without `BLOCK` at first: an empty stream has nothing to wait for.
    let mayBlock = false
    while (!this.#isClosed)
      try {
        const connection = await this.#open()
        const mayHold = this.#client.isOpen !== false
        const isBlocking = mayBlock && mayHold
        const readAt = performance.now()
        const count = await this.#read(connection, isBlocking)
        const isCaughtUp = count < COUNT
        backoff = BACKOFF.min
        if (isCaughtUp) {
          const hasWaited = isBlocking && count === 0
          this.currentAt = hasWaited ? Math.min(readAt + BLOCK, performance.now()) : readAt
          this.#listener.current(!isCurrent, connection, readAt)
        }
        isCurrent = isCaughtUp
        // Entries only show what Redis had when they were asked for: their answer may have come late. So ask again at once.
        mayBlock = count === 0
        if (isCaughtUp && !mayHold) await this.#rest()
      } catch (cause) {
        isCurrent = false
        mayBlock = false
        this.#drop()
        if (this.#isClosed) return
        this.#listener.failed(cause)
        const growth = 2 ** Math.max(0, this.#closing - CLOSING.max)
        await this.#pause(Math.min(backoff * growth, CLOSING.wait))
        backoff = Math.min(2 * backoff, BACKOFF.max)
      }
  }

  async #open(): Promise<RedisClient> {
    if (this.#connection !== undefined) return this.#connection
    const connection = this.#client.duplicate(CONNECTION)
    this.#connection = connection
    connection.on('error', () => {}) // The failed command reports it.
    const connecting = connection.connect()
    // It may have opened connections after it was given up, or the feed was closed.
    const settled = () => void (this.#connection !== connection && this.#destroy(connection))
    connecting.then(settled, settled)
    await within(connecting, GRACE)
    connection.unref?.()
    return connection
  }

  /**
   * Reads the next entries, and returns their number. `COUNT`: there may be others.
   * @param mayBlock whether Redis may wait for an entry. Not at first: an empty stream has nothing to wait for.
   */
  async #read(connection: RedisClient, mayBlock: boolean): Promise<number> {
    const last = this.#last
    const options = mayBlock ? { COUNT, BLOCK } : { COUNT }
    const reading = connection.xRead({ key: this.#key, id: last?.id ?? '0' }, options)
    const [reply] = ((await within(reading, GRACE + BLOCK)) ?? []) as readonly StreamReply[]
    const messages = reply?.messages ?? []
    for (const entry of messages) this.#listener.entry(entry)
    if (last !== undefined && !(await this.#has(connection, last))) {
      this.#last = undefined
      // An entry that has ended was removed, and not lost.
      if (!hasEnded(last)) this.#listener.reset()
      return COUNT
    }
    this.#last = messages.at(-1) ?? last
    return messages.length
  }

  /**
   * Returns whether the stream still has an entry. If it has, later entries have higher ids, so none was missed. If not, Redis
   * lost it, for example because it was not yet replicated before a failover. Then the ids of new entries may be lower, and the
   * feed reads from the beginning. The client may follow a failover by itself, so each answer is checked.
   */
  async #has(connection: RedisClient, { id, message }: StreamEntry): Promise<boolean> {
    const reading = connection.xRange(this.#key, id, id, { COUNT: 1 })
    const [found] = ((await within(reading, GRACE)) ?? []) as readonly StreamEntry[]
    return found?.message.entry === message.entry
  }

  /**
   * Waits without a connection before the next read. While the client that the application passed is closed, the feed holds no
   * connection, so that it does not keep the process alive: clients of clusters and sentinels have no `unref`.
   */
  #rest(): Promise<void> {
    this.#drop()
    return this.#pause(BLOCK)
  }

  #drop(): void {
    const connection = this.#connection
    this.#connection = undefined
    if (connection !== undefined) void this.#destroy(connection)
  }

  /** Closes a connection, also if it never opened. */
  async #destroy(connection: RedisClient): Promise<void> {
    this.#closing += 1
    try {
      await connection.destroy()
    } catch {} // It was not connected.
    this.#closing -= 1
    if (this.#closing >= CLOSING.max) this.#wake()
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds).unref()
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
