/** The few checks that every factory uses at creation: a wrong option throws a `TypeError` that names it. */

import type { Seconds } from './clock.ts'

export type { Seconds }

/**
 * Reads the options of one factory once, own properties only.
 * The result has no prototype: nothing set on `Object.prototype` can pass for an option.
 */
export function readOptions<T extends object>(factory: string, options: T, known: readonly string[]): T {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new TypeError(`the options of "${factory}" must be an object`)
  const read: T = Object.assign(Object.create(null), options)
  for (const name of Object.keys(read))
    if (!known.includes(name))
      throw new TypeError(`"${factory}" has no option "${name}"; it has ${known.join(', ')}`)
  return read
}

export function assertString(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new TypeError(`"${name}" must be a non-empty string`)
  return value
}

/**
 * A non-empty list of non-empty strings; one string stands for a list of one. White space around one, such as the line
 * break of a file that it was read from, could never match anything.
 */
export function assertStrings(name: string, value: unknown): readonly string[] {
  const list: readonly unknown[] =
    typeof value === 'string' ? [assertString(name, value)] : Array.isArray(value) ? [...value] : []
  if (list.length === 0 || !list.every((item) => typeof item === 'string' && item !== ''))
    throw new TypeError(`"${name}" must be a non-empty string or a non-empty array of them`)
  const padded = list.find((item) => item !== String(item).trim())
  if (padded !== undefined)
    throw new TypeError(
      `"${name}" must not begin or end with white space; received ${JSON.stringify(padded)}`,
    )
  return list as readonly string[]
}

/** A number within bounds, `preset` where it is absent. */
export function assertNumber(
  name: string,
  value: unknown,
  bounds: { preset: number; min: number; max: number },
): number {
  const { preset, min, max } = bounds
  if (value === undefined) return preset
  if (typeof value !== 'number' || !(value >= min && value <= max))
    throw new TypeError(`"${name}" must be a number from ${min} to ${max}`)
  return value
}

/** A whole number within bounds, `preset` where it is absent. */
export function assertInteger(
  name: string,
  value: unknown,
  bounds: { preset: number; min: number; max: number },
): number {
  if (value !== undefined && !Number.isSafeInteger(value))
    throw new TypeError(`"${name}" must be a whole number`)
  return assertNumber(name, value, bounds)
}

// biome-ignore lint/complexity/noBannedTypes: any callable will do
export function assertFunction<F extends Function, P extends F | undefined>(
  name: string,
  value: F | undefined,
  preset: P,
): F | P {
  if (value === undefined) return preset
  if (typeof value !== 'function') throw new TypeError(`"${name}" must be a function`)
  return value
}

export function assertBoolean(name: string, value: boolean | undefined, preset = false): boolean {
  if (value === undefined) return preset
  if (typeof value !== 'boolean') throw new TypeError(`"${name}" must be true or false`)
  return value
}

export function assertOneOf<T extends string>(
  name: string,
  value: unknown,
  choices: readonly [T, ...T[]],
): T {
  if (value === undefined) return choices[0]
  if (!choices.includes(value as T))
    throw new TypeError(`"${name}" must be ${choices.map((choice) => `"${choice}"`).join(' or ')}`)
  return value as T
}

/** A promise where none is due: nobody waits for it, so nobody is to hear that it was rejected. */
export function ignoreRejection(result: unknown): void {
  if (result instanceof Promise) result.catch(() => {})
}

/** A promise, or whatever else a function of the user's returns to be awaited. */
export function isPromiseLike<T>(result: T | PromiseLike<T>): result is PromiseLike<T> {
  return (
    typeof result === 'object' && result !== null && typeof (result as PromiseLike<T>).then === 'function'
  )
}

/** What comes of a result, at once where the result is there. What is awaited may be any thenable of the user's. */
export function mapMaybe<T, R>(
  result: T | PromiseLike<T>,
  next: (value: T) => R | PromiseLike<R>,
): R | Promise<R> {
  return isPromiseLike(result) ? Promise.resolve(result).then(next) : (next(result) as R | Promise<R>)
}
