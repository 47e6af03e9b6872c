/** Checks the arguments of the stores. Errors name the option, what was received, and what to write. */

import { configurationError } from '@bearergate/core/adapter'
import type { RedisClient } from './connection.ts'

/** Checks the client and the names of the options, and that texts and functions are what they should be. */
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
  const { key, prefix, ifUnavailable, onFeed } = options as Record<string, unknown>
  for (const [name, text] of Object.entries({ key, prefix }))
    if (text !== undefined && (typeof text !== 'string' || text === ''))
      throw configurationError(
        'INVALID_OPTION',
        `"${name}" must be a text that is not empty, but is ${typeof text}`,
      )
  if (ifUnavailable !== undefined && ifUnavailable !== 'reject' && ifUnavailable !== 'continue')
    throw configurationError(
      'INVALID_OPTION',
      `"ifUnavailable" must be "reject" or "continue", but is ${typeof ifUnavailable === 'string' ? JSON.stringify(ifUnavailable) : typeof ifUnavailable}`,
    )
  if (onFeed !== undefined && typeof onFeed !== 'function')
    throw configurationError('INVALID_OPTION', `"onFeed" must be a function, but is ${typeof onFeed}`)
  return options
}

/** The methods of a client. A pool and a client of `sentinel.acquire()` have no `duplicate`. */
const METHODS = [
  'get',
  'set',
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
    `"${factory}" needs a client of the package "redis" as its first argument, but received ${received}: write ${factory}(await createClient({ url }).connect()), or use createCluster or createSentinel`,
  )
}

/** Checks a duration in seconds. */
export function secondsOf(
  name: string,
  given: unknown,
  { preset, min, max }: { readonly preset: number; readonly min: number; readonly max: number },
): number {
  if (given === undefined) return preset
  if (typeof given === 'number' && Number.isInteger(given) && given >= min && given <= max) return given
  const received = typeof given === 'number' ? String(given) : typeof given
  throw configurationError(
    'INVALID_OPTION',
    `"${name}" must be a whole number of seconds from ${min} to ${max}, but is ${received}`,
  )
}
