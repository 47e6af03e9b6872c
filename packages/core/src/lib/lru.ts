/** Bounded maps that forget what was used least recently. The only module that imports lru-cache. */

import { LRUCache } from 'lru-cache'

/** What is used of lru-cache, whose own types ask for those of Node. */
export interface Lru<V> {
  readonly size: number
  get(key: string): V | undefined
  peek(key: string): V | undefined
  has(key: string): boolean
  set(key: string, value: V): unknown
  delete(key: string): boolean
  values(): Iterable<V>
}

export interface LruOptions<V> {
  readonly max: number
  readonly dispose?: (value: V, key: string, reason: string) => void
}

/**
 * Creates an LRU map. It grows as it is filled: with lru-cache's own `max`, 10,000 places would take 220 KB at once.
 * Nothing on `Object.prototype` counts as an option.
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
