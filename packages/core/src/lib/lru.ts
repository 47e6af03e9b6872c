/** Creates bounded maps that evict the least recently used entry (LRU). The only module that imports lru-cache. */

import { LRUCache } from 'lru-cache'

/** The part of lru-cache that is used. Its own types would make the types of Node a dependency of every application. */
export interface Lru<V> {
  readonly size: number
  /** Returns a value, and counts as a use of it. */
  get(key: string): V | undefined
  /** Returns a value without counting as a use. */
  peek(key: string): V | undefined
  /** Whether there is a value. Does not count as a use. */
  has(key: string): boolean
  /** Adds or replaces a value. If the map is full, evicts the least recently used one. */
  set(key: string, value: V): unknown
  delete(key: string): boolean
  values(): Iterable<V>
}

export interface LruOptions<V> {
  /** The largest number of entries. */
  readonly max: number
  /** Called for each value that leaves the map. The reason is `evict`, `set` or `delete`. */
  readonly dispose?: (value: V, key: string, reason: string) => void
}

/**
 * Creates an LRU map. It grows as it is filled. lru-cache's own `max` would allocate all places at creation, 220 KB for
 * 10,000 of them, so each entry is given the size 1 and the sum is limited. The options have no prototype, so a polluted
 * `Object.prototype` sets none.
 */
export function lru<V extends object>({ max, ...rest }: LruOptions<V>): Lru<V> {
  return new LRUCache<string, V>(
    Object.assign(Object.create(null), rest, { maxSize: max, sizeCalculation: () => 1 }),
  )
}

/** An LRU map that is bounded in bytes and in entries. Nothing is allocated ahead. */
export class SizedLru<V extends object> {
  readonly #max: number
  readonly #maxBytes: number
  readonly #cache: LRUCache<string, V>

  constructor(maxBytes: number, max: number) {
    this.#maxBytes = maxBytes
    this.#max = max
    this.#cache = new LRUCache(Object.assign(Object.create(null), { maxSize: maxBytes }))
  }

  /** The number of entries. */
  get size(): number {
    return this.#cache.size
  }

  /** The sum of the bytes of all entries. */
  get bytes(): number {
    return this.#cache.calculatedSize
  }

  get(key: string): V | undefined {
    return this.#cache.get(key)
  }

  /**
   * Adds or replaces an entry, and evicts those that were used least recently until it fits. An entry that is larger than the
   * whole map is not kept.
   * @returns whether it is kept
   */
  set(key: string, value: V, bytes: number): boolean {
    if (bytes > this.#maxBytes) {
      this.delete(key)
      return false
    }
    this.#cache.set(key, value, { __proto__: null, size: bytes } as { size: number })
    if (this.#cache.size > this.#max) this.#cache.pop()
    return true
  }

  delete(key: string): void {
    this.#cache.delete(key)
  }
}
