/** Defines what the stores need of a client of `redis`, so that single clients, clusters and sentinels all fit. */

/** Entries of a stream, with their ids. */
export interface StreamReply {
  readonly messages: readonly StreamEntry[]
}

export interface StreamEntry {
  readonly id: string
  readonly message: Readonly<Record<string, string>>
}

/**
 * A client, as `createClient`, `createCluster` and `createSentinel` of the package `redis` return it. Connect it yourself, and
 * add a listener for its event `error`, as for any use of that package.
 */
export interface RedisClient {
  get(key: string): Promise<unknown>
  getRange(key: string, start: number, end: number): Promise<unknown>
  set(
    key: string,
    value: string,
    options: { condition?: 'NX' | 'XX'; expiration: { type: 'PX'; value: number } },
  ): Promise<unknown>
  del(key: string): Promise<unknown>
  pTTL(key: string): Promise<unknown>
  xAdd(key: string, id: '*', message: Record<string, string>): Promise<unknown>
  xDel(key: string, ids: string[]): Promise<unknown>
  xRange(key: string, start: string, end: string, options: { COUNT: number }): Promise<unknown>
  xRead(stream: { key: string; id: string }, options: { COUNT: number; BLOCK?: number }): Promise<unknown>
  /**
   * Returns a second client with the same settings, apart from `overrides`: a blocking command must not delay other commands,
   * and the second client reads from primaries only.
   */
  duplicate(overrides: object): RedisClient
  connect(): Promise<unknown>
  /** Closes all connections. The result of a client of `createSentinel` is a promise. */
  destroy(): unknown
  /** `false` before the client is connected, and after it was closed. */
  readonly isOpen?: boolean
  /** Lets the process end although the connection is open. Only clients of `createClient` have it. */
  unref?(): unknown
  on(event: 'error', listener: (cause: Error) => void): unknown
}
