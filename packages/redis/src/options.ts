/** Checks the arguments of the stores. Errors name the option, what was received, and what to write. */

import { configurationError } from '@bearergate/core/adapter'
import type { RedisClient } from './connection.ts'

/** Checks the client and the names of the options. */
export function readOptions<T extends object>(
  factory: string,
  client: RedisClient,
  options: T,
  names: readonly (keyof T & string)[],
): T {
  assertClient(factory, client)
  if (typeof options !== 'object' || options === null)
    throw configurationError(
      'INVALID_ARGUMENT',
      `"${factory}" needs an object with options, but received ${typeof options}`,
    )
  const unknown = Object.keys(options).find((name) => !(names as readonly string[]).includes(name))
  if (unknown !== undefined)
    throw configurationError(
      'UNKNOWN_OPTION',
      `"${factory}" has no option "${unknown}": the options are ${names.join(', ')}`,
    )
  // Without a prototype: a polluted one must not add options.
  return Object.assign(Object.create(null), options)
}

/** Checks a text that must not be empty. */
export function assertText(name: string, given: unknown): string {
  if (typeof given === 'string' && given !== '') return given
  throw configurationError(
    given === undefined ? 'MISSING_OPTION' : 'INVALID_OPTION',
    `"${name}" must be a text that is not empty, but is ${typeof given}`,
  )
}

/** Checks an option with a few values. The first one is the default. */
export function assertChoice<T extends string>(name: string, given: unknown, values: readonly [T, T]): T {
  const found = values.find((value) => value === given)
  if (given === undefined || found !== undefined) return found ?? values[0]
  const received = typeof given === 'string' ? JSON.stringify(given) : typeof given
  throw configurationError(
    'INVALID_OPTION',
    `"${name}" must be "${values[0]}" or "${values[1]}", but is ${received}`,
  )
}

/** Checks a function that is called with events. */
export function assertListener<L>(name: string, given: L | undefined): L | undefined {
  if (given === undefined || typeof given === 'function') return given
  throw configurationError('INVALID_OPTION', `"${name}" must be a function, but is ${typeof given}`)
}

/** The length of a secret for HMAC-SHA-256 (RFC 2104 §3). In bytes. */
const MIN_SECRET = 32

/** Checks a secret. Errors never show it. */
export function assertSecret(given: unknown): string | Uint8Array {
  const isSecret = typeof given === 'string' || given instanceof Uint8Array
  const length = isSecret ? Buffer.byteLength(given as string) : 0
  if (isSecret && length >= MIN_SECRET) return given
  const received = isSecret ? `has ${length}` : `is ${typeof given}`
  throw configurationError(
    given === undefined ? 'MISSING_OPTION' : 'INVALID_OPTION',
    `"secret" must be a text or a Uint8Array with at least ${MIN_SECRET} bytes, but ${received}. Create one with: openssl rand -base64 32`,
  )
}

/** The methods of a client. A pool and a client of `sentinel.acquire()` have no `duplicate`. */
const METHODS = [
  'get',
  'set',
  'del',
  'getRange',
  'pTTL',
  'xAdd',
  'xDel',
  'xRange',
  'xRead',
  'duplicate',
  'connect',
  'destroy',
  'on',
] as const

function assertClient(factory: string, client: Partial<RedisClient> | null | undefined): void {
  const missing = METHODS.find((name) => typeof client?.[name] !== 'function')
  if (missing === undefined) return
  const type = client === null ? 'null' : typeof client
  const received = type === 'object' ? `an object without the method "${missing}"` : type
  throw configurationError(
    'INVALID_ARGUMENT',
    `"${factory}" needs a client of the package "redis" as its first argument, but received ${received}: write ${factory}(client), with a client of createClient, createCluster or createSentinel`,
  )
}

/** Checks a duration in seconds. */
export function secondsOf(
  name: string,
  given: unknown,
  { preset, min, max }: { readonly preset: number; readonly min: number; readonly max: number },
  kind: 'a whole number' | 'a number' = 'a whole number',
): number {
  if (given === undefined) return preset
  const isKind = kind === 'a number' ? Number.isFinite(given) : Number.isInteger(given)
  if (isKind && (given as number) >= min && (given as number) <= max) return given as number
  const received = typeof given === 'number' ? String(given) : typeof given
  throw configurationError(
    'INVALID_OPTION',
    `"${name}" must be ${kind} of seconds from ${min} to ${max}, but is ${received}`,
  )
}
