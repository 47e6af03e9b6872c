/**
 * Freezes plain data deeply, so that requests can share it.
 *
 * A cached identity is the same object for every request with its token. If a handler could change it, the next caller would
 * have the rights that the handler wrote.
 */

import { MAX_DEPTH } from './json.ts'
import { isPlain } from './plain.ts'

/** The objects that `frozen` and `markFrozen` returned. They are not copied again when they become part of another one. */
const known = new WeakSet<object>()

/**
 * Returns a deeply frozen copy of plain data. Instances of classes are not copied and not frozen.
 * @throws RangeError if the data has more than 32 levels, or contains itself
 */
export function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  const copy = frozenCopy(value, 0)
  known.add(copy)
  return copy
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

/** Freezes an object whose members are deeply frozen, so that `frozen` returns it as it is. */
export function markFrozen<T extends object>(value: T): T {
  known.add(Object.freeze(value))
  return value
}

function frozenCopy<T>(value: T, depth: number): T {
  if (typeof value !== 'object' || value === null || known.has(value)) return value
  const isArray = Array.isArray(value)
  if (!isArray && !isPlain(value)) return value
  if (depth === MAX_DEPTH) throw new RangeError(`nested deeper than ${MAX_DEPTH} levels`)
  if (isArray) return Object.freeze(value.map((item) => frozenCopy(item, depth + 1))) as T
  const entries = Object.entries(value).map(
    ([name, member]) => [name, frozenCopy(member, depth + 1)] as const,
  )
  return Object.freeze(Object.fromEntries(entries)) as T
}
