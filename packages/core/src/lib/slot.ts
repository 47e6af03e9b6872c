/**
 * Keeps one value per object, invisibly: as a private member of the object itself, which no code can read, copy or replace.
 *
 * A `WeakMap` would do, but not for a value that refers back to its object: a minor garbage collection then takes the object
 * for one in use. With a request as the object, all requests would live until a major collection, and a server would lose a third
 * of its throughput.
 */

/** Returns the object that it gets, so that a subclass adds its private members to that object. */
class Returned {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: this is what the class is for
    return object
  }
}

export interface Slot<V> {
  /** Returns the value of an object. `undefined` for anything else. */
  get(object: unknown): V | undefined
  set(object: object, value: V): void
}

/** Creates a slot that every object has. */
export function createSlot<V>(): Slot<V> {
  class Holder extends Returned {
    #value: V

    constructor(object: object, value: V) {
      super(object)
      this.#value = value
    }

    static has(object: object): object is Holder {
      return #value in object
    }

    static get(object: object): V | undefined {
      return Holder.has(object) ? object.#value : undefined
    }

    static set(object: object, value: V): void {
      if (Holder.has(object)) object.#value = value
      else new Holder(object, value)
    }
  }
  // An object that cannot be extended may refuse a private member.
  const others = new WeakMap<object, V>()
  return {
    get(object) {
      if (typeof object !== 'object' || object === null) return undefined
      return Holder.get(object) ?? others.get(object)
    },
    set(object, value) {
      if (Holder.has(object) || Object.isExtensible(object)) Holder.set(object, value)
      else others.set(object, value)
    },
  }
}
