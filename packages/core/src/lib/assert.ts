/**
 * Checks options at creation. A wrong option throws a `TypeError` that names it.
 *
 * Options are checked once, when a gate or a verifier is created. An application with a wrong option then fails when it
 * starts, and not at its first request. No check trusts the types, because applications may be written in JavaScript.
 */

import { type ConfigurationCode, configurationError } from './configuration-error.ts'
import { didYouMean } from './did-you-mean.ts'
import { isInherited, isRecord } from './plain.ts'
import { quoted, received } from './received.ts'

/**
 * Reads the own properties of options once. The result has no prototype, so a polluted `Object.prototype` sets no option.
 * @throws TypeError if the options are not an object, contain an unknown name, or inherit an option
 */
export function readOptions<T extends object>(factory: string, options: T, known: readonly string[]): T {
  if (!isRecord(options))
    throw configurationError(
      missingOr('INVALID_OPTION', options),
      `the options of "${factory}" must be a plain object, but it received ${received(options)}`,
    )
  const inherited = known.find((name) => isInherited(options, name))
  if (inherited !== undefined)
    throw configurationError(
      'INVALID_OPTION',
      `the option "${inherited}" of "${factory}" is inherited, such as from a class, and would be ignored. Pass a plain object, such as { ${inherited}: config.${inherited} }`,
    )
  const read: T = Object.assign(Object.create(null), options)
  for (const name of Object.keys(read))
    if (!known.includes(name))
      throw configurationError(
        'UNKNOWN_OPTION',
        `"${factory}" has no option ${quoted(name, 64)}${didYouMean(name, known)}`,
      )
  return read
}

/** Checks a non-empty string. */
export function assertString(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  throw configurationError(
    missingOr('INVALID_OPTION', value),
    `"${name}" must be a non-empty string, but is ${received(value)}${unsetHint(value)}`,
  )
}

/**
 * Checks a non-empty string or a non-empty array of them, and returns an array. Rejects white space at either end, such
 * as the line break of a file: such a string could never match a claim.
 * @param alternative the end of the message, such as another value that is allowed
 */
export function assertStrings(
  name: string,
  value: unknown,
  code: ConfigurationCode = 'INVALID_OPTION',
  alternative = '',
): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? [...value] : [value]
  if (list.length === 0 || !list.every((item) => typeof item === 'string' && item !== ''))
    throw configurationError(
      missingOr(code, value),
      `"${name}" must be a non-empty string or a non-empty array of them${alternative}, but is ${describeList(value, list)}${unsetHint(value)}`,
    )
  const padded = list.find((item) => item !== String(item).trim())
  if (padded !== undefined)
    throw configurationError(
      code,
      `"${name}" must not begin or end with white space; received ${quoted(String(padded))}, write ${quoted(String(padded).trim())}`,
    )
  return list as readonly string[]
}

function describeList(value: unknown, list: readonly unknown[]): string {
  const wrong = list.findIndex((item) => typeof item !== 'string' || item === '')
  return Array.isArray(value) && wrong !== -1
    ? `an array with ${received(list[wrong])} at index ${wrong}`
    : received(value)
}

/** A variable that is not set is the usual reason for an option that is `undefined`. */
export function unsetHint(value: unknown): string {
  return value === undefined ? '. Is it a variable that is not set?' : ''
}

/** The code for an option that must be given. */
export function missingOr(code: ConfigurationCode, value: unknown): ConfigurationCode {
  return value === undefined ? 'MISSING_OPTION' : code
}

interface Bounds {
  readonly preset: number
  readonly min: number
  readonly max: number
}

/** Checks a duration in seconds within bounds. Returns `preset` if there is none. */
export function assertSeconds(name: string, value: unknown, bounds: Bounds): number {
  return assertWithin(name, value, bounds, 'a number of seconds', Number.isFinite)
}

/** Checks a whole number within bounds. Returns `preset` if there is none. */
export function assertInteger(name: string, value: unknown, bounds: Bounds): number {
  return assertWithin(name, value, bounds, 'a whole number', Number.isSafeInteger)
}

/** Checks a whole number of seconds within bounds. Returns `preset` if there is none. */
export function assertWholeSeconds(name: string, value: unknown, bounds: Bounds): number {
  return assertWithin(name, value, bounds, 'a whole number of seconds', Number.isSafeInteger)
}

function assertWithin(
  name: string,
  value: unknown,
  { preset, min, max }: Bounds,
  kind: string,
  isKind: (value: unknown) => boolean,
): number {
  if (value === undefined) return preset
  if (typeof value === 'number' && isKind(value) && value >= min && value <= max) return value
  throw configurationError(
    'INVALID_OPTION',
    `"${name}" must be ${kind} from ${min} to ${max}, but is ${received(value)}`,
  )
}

/** Checks a function. Returns `preset` if there is none. */
// biome-ignore lint/complexity/noBannedTypes: any callable will do
export function assertFunction<F extends Function, P extends F | undefined>(
  name: string,
  value: F | undefined,
  preset: P,
): F | P {
  if (value === undefined) return preset
  if (typeof value !== 'function')
    throw configurationError('INVALID_OPTION', `"${name}" must be a function, but is ${received(value)}`)
  return value
}

/** Checks `true` or `false`. Returns `preset` if there is none. */
export function assertBoolean(name: string, value: boolean | undefined, preset = false): boolean {
  if (value === undefined) return preset
  if (typeof value !== 'boolean')
    throw configurationError('INVALID_OPTION', `"${name}" must be true or false, but is ${received(value)}`)
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
    throw configurationError(
      'INVALID_OPTION',
      `"${name}" must be ${choices.map((choice) => `"${choice}"`).join(' or ')}, but is ${received(value)}`,
    )
  return value as T
}
