/**
 * Freezes plain data deeply, so that requests can share it.
 *
 * A cached identity is the same object for every request with its token. If a handler could change it, the next caller would
 * have the rights that the handler wrote.
 */

import { MAX_DEPTH } from './json.ts'
import { isPlain } from './plain.ts'

/**
 * Returns a deeply frozen copy of plain data, or the data itself if it is deeply frozen already. Instances of classes are not
 * copied and not frozen.
 * @throws RangeError if the data has more than 32 levels, or contains itself
 */
export function frozen<T>(value: T): T {
  return frozenCopy(value, 0)
}

/**
 * Freezes parsed JSON in place, which is faster than a copy. Use it only for a value that nothing else refers to, and whose
 * depth was checked: it recurses without a limit of its own.
 */
export function frozenJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const member of Object.values(value)) if (typeof member === 'object') frozenJson(member)
  return Object.freeze(value)
}

function frozenCopy<T>(value: T, depth: number): T {
  if (typeof value !== 'object' || value === null) return value
  const isArray = Array.isArray(value)
  if (!isArray && !isPlain(value)) return value
  if (depth === MAX_DEPTH) throw new RangeError(`nested deeper than ${MAX_DEPTH} levels`)
  const copy = isArray
    ? value.map((item) => frozenCopy(item, depth + 1))
    : Object.fromEntries(Object.entries(value).map(([name, member]) => [name, frozenCopy(member, depth + 1)]))
  return isSame(value, copy) ? value : (Object.freeze(copy) as T)
}

/** Whether a value is frozen and its members are those of its frozen copy, which is not needed then. Getters are no members. */
function isSame(value: object, copy: object): boolean {
  if (!Object.isFrozen(value) || Object.getPrototypeOf(value) !== Object.getPrototypeOf(copy)) return false
  const names = Reflect.ownKeys(value)
  return (
    names.length === Reflect.ownKeys(copy).length &&
    names.every((name) =>
      Object.is(Object.getOwnPropertyDescriptor(value, name)?.value, Reflect.get(copy, name)),
    )
  )
}
