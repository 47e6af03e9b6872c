/**
 * Checks options at creation. A wrong option throws a `TypeError` that names it.
 *
 * Options are checked once, when a gate or a verifier is created. An application with a wrong option then fails when it
 * starts, and not at its first request. No check trusts the types, because applications may be written in JavaScript.
 */

/**
 * Reads the own properties of options once. The result has no prototype, so a polluted `Object.prototype` sets no option.
 * @throws TypeError if the options are not an object, or contain an unknown name
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

/** Checks a non-empty string. */
export function assertString(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new TypeError(`"${name}" must be a non-empty string`)
  return value
}

/**
 * Checks a non-empty string or a non-empty array of them, and returns an array. Rejects white space at either end, such
 * as the line break of a file: such a string could never match a claim.
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

/** Checks a number within bounds. Returns `preset` if there is none. */
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

/** Checks a whole number within bounds. Returns `preset` if there is none. */
export function assertInteger(
  name: string,
  value: unknown,
  bounds: { preset: number; min: number; max: number },
): number {
  if (value !== undefined && !Number.isSafeInteger(value))
    throw new TypeError(`"${name}" must be a whole number`)
  return assertNumber(name, value, bounds)
}

/** Checks a function. Returns `preset` if there is none. */
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

/** Checks `true` or `false`. Returns `preset` if there is none. */
export function assertBoolean(name: string, value: boolean | undefined, preset = false): boolean {
  if (value === undefined) return preset
  if (typeof value !== 'boolean') throw new TypeError(`"${name}" must be true or false`)
  return value
}

/** Checks one of several strings. Returns the first of them if there is none. */
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
