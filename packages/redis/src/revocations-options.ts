/** Defines the options of `redisRevocations`, and the events that it reports. */

/** A change of the feed of revocations, passed to `onFeed`. It contains no token. */
export type FeedEvent =
  /** All revocations are known, at first or again. */
  | { readonly type: 'current' }
  /** Redis failed, or did not answer. The feed tries again. Reported once, until all revocations are known again. */
  | { readonly type: 'failed'; readonly cause: unknown }
  /** Redis has lost the stream, or a part of it. Each process adds its own revocations again. */
  | { readonly type: 'reset' }
  /** Redis has an entry that is no revocation. It has no effect. */
  | { readonly type: 'invalid_entry' }
  /** The memory of this process cannot take another revocation. From now on the answer to every request is 503. */
  | { readonly type: 'full'; readonly cause: unknown }

export interface RedisRevocationsOptions {
  /** The key of the stream. Gates with the same key share their revocations. Default `bearergate:revocations`. */
  key?: string | undefined
  /**
   * How long the gate may hear nothing from Redis before Redis counts as unavailable. If all is well, it hears something every
   * second. Also how long Redis may take to store a revocation, before `gate.revoke` throws. In seconds, 2 to 300. Default 5.
   */
  maxLag?: number | undefined
  /**
   * The answer to requests after `maxLag`. `reject` (default): the answer is 503. `continue`: the gate decides by the
   * revocations that it has received. It accepts tokens that other processes revoked while Redis was silent.
   */
  ifUnavailable?: 'reject' | 'continue' | undefined
  /**
   * The longest time for which any of your tokens is valid: an entry without `expiresAt` is kept for this time. In seconds, 60 to
   * 31,536,000. Default 86,400 (a day).
   */
  maxTokenLifetime?: number | undefined
  /** The largest number of revocations in the memory of this process, 1 to 10,000,000. Default 1,000,000. */
  max?: number | undefined
  /** Called when the state of the feed changes. Default: none. */
  onFeed?: ((event: FeedEvent) => void) | undefined
}
