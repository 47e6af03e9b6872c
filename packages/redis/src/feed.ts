/**
 * Follows a Redis stream: reads it from the beginning, and then waits for new entries. After a lost connection it goes on from
 * the last entry, so nothing is missed.
 */

import type { RedisClient, StreamEntry, StreamReply } from './connection.ts'

/** How many entries are read at once. */
const COUNT = 1000
/** How long Redis waits for a new entry before it answers. In milliseconds. Each answer shows that the feed is current. */
const BLOCK = 1000
/** How much longer than `BLOCK` an answer may take. After that, the connection counts as lost. In milliseconds. */
const GRACE = 2000
/** The first and the longest wait after a failure. In milliseconds. */
const BACKOFF = { min: 50, max: 1000 }

export interface FeedListener {
  /** Called for each entry, in their order. */
  entry(entry: StreamEntry): void
  /** Called if Redis has lost entries. The feed reads the stream from its beginning then. */
  reset(): void
  /**
   * Called whenever all known entries were read, at least once per second.
   * @param isNew whether they were not all known before: at first, and after a failure, a reset or many entries at once
   */
  current(isNew: boolean): void
  /** Called after each failure. */
  failed(cause: unknown): void
}

export class Feed {
  readonly #client: RedisClient
  readonly #key: string
  readonly #listener: FeedListener
  #lastId = '0'
  #connection: RedisClient | undefined
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
        const began = performance.now()
        const count = await this.#read(connection, mayBlock)
        const isCaughtUp = count < COUNT
        backoff = BACKOFF.min
        if (isCaughtUp) {
          this.currentAt = mayBlock && count === 0 ? Math.min(began + BLOCK, performance.now()) : began
          this.#listener.current(!isCurrent)
        }
        isCurrent = isCaughtUp
        // Entries only show what Redis had when they were asked for: their answer may have come late. So ask again at once.
        mayBlock = count === 0
      } catch (cause) {
        isCurrent = false
        mayBlock = false
        this.#drop()
        if (this.#isClosed) return
        this.#listener.failed(cause)
        await this.#pause(backoff)
        backoff = Math.min(2 * backoff, BACKOFF.max)
      }
  }

  async #open(): Promise<RedisClient> {
    if (this.#connection !== undefined) return this.#connection
    const connection = this.#client.duplicate()
    this.#connection = connection
    connection.on('error', () => {}) // The failed command reports it.
    const connecting = connection.connect()
    // It may connect after it was given up, or the feed was closed.
    connecting.then(
      () => this.#connection !== connection && connection.destroy(),
      () => {},
    )
    await this.#within(connecting, GRACE)
    connection.unref?.()
    return connection
  }

  /** Reads the next entries, and returns their number. `COUNT`: there may be others. */
  async #read(connection: RedisClient, mayBlock: boolean): Promise<number> {
    const options = mayBlock ? { COUNT, BLOCK } : { COUNT }
    const reading = connection.xRead({ key: this.#key, id: this.#lastId }, options)
    const [reply] = ((await this.#within(reading, GRACE + BLOCK)) ?? []) as readonly StreamReply[]
    const messages = reply?.messages ?? []
    for (const entry of messages) {
      this.#listener.entry(entry)
      this.#lastId = entry.id
    }
    return messages.length === 0 && (await this.#isReset(connection)) ? COUNT : messages.length
  }

  /**
   * Returns whether the stream was deleted and has new entries, or its ids start lower after a failover. The feed would wait for
   * ever for an id above its last one, so it starts at the beginning.
   */
  async #isReset(connection: RedisClient): Promise<boolean> {
    if (this.#lastId === '0') return false
    const reading = connection.xRevRange(this.#key, '+', '-', { COUNT: 1 })
    const [newest] = ((await this.#within(reading, GRACE)) ?? []) as readonly StreamEntry[]
    if (newest !== undefined && !isBefore(newest.id, this.#lastId)) return false
    this.#lastId = '0'
    // A stream may be empty because all of its entries have ended.
    if (newest === undefined) return false
    this.#listener.reset()
    return true
  }

  #drop(): void {
    const connection = this.#connection
    this.#connection = undefined
    try {
      connection?.destroy()
    } catch {} // It was not connected.
  }

  /** Rejects if a command takes too long: a server that was stopped keeps its connections open. */
  async #within<T>(command: Promise<T>, milliseconds: number): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new Error(`Redis did not answer within ${milliseconds} ms`)),
        milliseconds,
      )
    })
    command.catch(() => {}) // It may fail after it was given up.
    try {
      return await Promise.race([command, late])
    } finally {
      clearTimeout(timer)
    }
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

/** Whether an id of a stream is before another one. */
function isBefore(one: string, other: string): boolean {
  const [time = 0, number = 0] = one.split('-').map(Number)
  const [otherTime = 0, otherNumber = 0] = other.split('-').map(Number)
  return time === otherTime ? number < otherNumber : time < otherTime
}
