/** Estimates the memory that a value takes, so that a cache can be bounded in bytes. */

/** The largest number of members that are counted. */
const MAX_MEMBERS = 10_000
/** An object with more members is probably a map, whose names no other object has. */
const MAX_SHARED_NAMES = 32
/** The size of a reference on 64-bit machines. In bytes. */
const WORD = 8

/**
 * Estimates how many bytes a value and all that it refers to take, as V8 lays them out. Each object is counted once, however
 * often it occurs. So are the strings of the value itself, which the claims of an identity repeat. What functions and private
 * members hold is not counted.
 *
 * The names of members are counted from the third level on. Those of an identity and of its claims are usually the same for
 * all tokens, and then V8 keeps them once.
 * @returns infinity for more than 10,000 members, and for an object that cannot be read
 */
export function sizeOf(value: object): number {
  try {
    return new Measurement(value).bytes
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

class Measurement {
  bytes = 0
  #members = 0
  readonly #ownStrings: readonly unknown[]
  /** Objects, and names of members. */
  readonly #seen: Set<object | string>

  constructor(value: object) {
    this.#ownStrings = Object.values(value).filter((member) => typeof member === 'string')
    for (const text of this.#ownStrings) this.bytes += sizeOfString(text as string)
    this.#seen = new Set([value])
    const levels = { second: 1, third: 1 }
    let position = 0
    // The loop also visits what it adds.
    for (const item of this.#seen) {
      position += 1
      if (typeof item === 'string') this.bytes += 6 * WORD + sizeOfString(item)
      else this.#addObject(item, position > levels.third)
      if (position === levels.second) levels.third = this.#seen.size
    }
  }

  #addObject(object: object, hasOwnNames: boolean): void {
    if (ArrayBuffer.isView(object)) this.bytes += 16 * WORD + object.byteLength
    else if (Array.isArray(object)) {
      this.bytes += (object.length === 0 ? 4 : 6) * WORD
      for (const member of object) this.#addMember(member)
    } else if (object instanceof Map || object instanceof Set) {
      this.bytes += 16 * WORD
      for (const member of object.values()) this.#addMember(member)
      if (object instanceof Map) for (const key of object.keys()) this.#addMember(key)
    } else {
      this.bytes += 3 * WORD
      const before = this.#members
      for (const name in object) this.#addMember((object as Record<string, unknown>)[name])
      const count = this.#members - before
      if (count === 0) this.bytes += 4 * WORD
      if (hasOwnNames || count > MAX_SHARED_NAMES) for (const name in object) this.#seen.add(name)
    }
  }

  #addMember(member: unknown): void {
    this.#members += 1
    if (this.#members > MAX_MEMBERS) throw new RangeError('too many members')
    this.bytes += WORD
    if (typeof member === 'string') {
      if (!this.#ownStrings.includes(member)) this.bytes += sizeOfString(member)
    } else if (typeof member === 'object' && member !== null) this.#seen.add(member)
    else if (typeof member === 'number' && !Object.is(member, member | 0)) this.bytes += 2 * WORD
  }
}

/** A string takes two bytes per character if it has a character outside Latin-1. V8 has one string of each single character. */
function sizeOfString(text: string): number {
  if (text.length < 2) return 0
  const bytes = 2 * WORD + text.length * (/[^\0-\xff]/.test(text) ? 2 : 1)
  return Math.ceil(bytes / WORD) * WORD
}
