/** Recognizes values of the application that would not be kept as they are: members of a class, and what is no JSON. */

import { isObject, MAX_DEPTH } from './json.ts'

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

/** Whether JSON keeps a value as it is. A `Date` would become a text, and `NaN` would become `null`. `undefined` members are lost. */
export function isJson(value: unknown, levels: number = MAX_DEPTH): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || levels === 0) return false
  const isKept = (member: unknown) => isJson(member, levels - 1)
  if (Array.isArray(value)) return value.every(isKept)
  return isPlain(value) && Object.values(value).every((member) => member === undefined || isKept(member))
}
