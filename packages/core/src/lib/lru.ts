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
