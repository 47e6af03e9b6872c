/** A map with several values for each key. */

/** A key with a single value has no set, because a set takes more memory than most values. */
export class Groups<K, V extends object> {
  readonly #values = new Map<K, V | Set<V>>()

  has(key: K): boolean {
    return this.#values.has(key)
  }

  /** Returns the values of a key. Copy them if the groups change while you read them. */
  of(key: K): Iterable<V> {
    const values = this.#values.get(key)
    if (values === undefined) return []
    return values instanceof Set ? values : [values]
  }

  add(key: K, value: V): void {
    const values = this.#values.get(key)
    if (values instanceof Set) values.add(value)
    else if (values === undefined || values === value) this.#values.set(key, value)
    else this.#values.set(key, new Set([values, value]))
  }

  delete(key: K, value: V): void {
    const values = this.#values.get(key)
    if (values instanceof Set) values.delete(value)
    if (values === value || (values instanceof Set && values.size === 0)) this.#values.delete(key)
  }
}
