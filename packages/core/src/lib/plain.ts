/** Recognizes objects of the application whose members would be ignored, such as those that a class provides. */

import { isObject } from './json.ts'

/**
 * Whether an object has no class: it is `{ … }`, also of another realm such as `node:vm`, or has no prototype. A class may have
 * getters, which `Object.entries` omits.
 */
export function isPlain(value: object): boolean {
  const prototype: object | null = Object.getPrototypeOf(value)
  if (prototype === null) return true
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf')
}

/** Whether an object can have members by name. A `Map`, a `Date`, an `Error` and a promise have none, but look like `{}`. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return isObject(value) && (isPlain(value) || Object.keys(value).length > 0)
}

/**
 * Whether a class or another prototype of the application provides a member. `Object.prototype` provides none, even if
 * polluted.
 */
export function isInherited(object: object, name: string): boolean {
  return name in object && !Object.hasOwn(object, name) && !Object.hasOwn(Object.prototype, name)
}
