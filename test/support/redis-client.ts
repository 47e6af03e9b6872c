/** Clients of Redis that are made of single commands, to say when and what each one answers. */

import type { RedisClient } from '@bearergate/redis'

/** The methods that the stores look for when they are created. */
const METHODS = [
  ...['get', 'set', 'del', 'getRange', 'pTTL', 'xAdd', 'xDel', 'xRange', 'xRead'],
  ...['duplicate', 'connect', 'destroy', 'on'],
]

/**
 * Creates a client with these methods.
 * @param other what every other method does. Default: it answers `null`
 */
export function clientWith(
  methods: Readonly<Record<string, unknown>>,
  other: () => Promise<unknown> = async () => null,
): RedisClient {
  return { ...Object.fromEntries(METHODS.map((name) => [name, other])), ...methods } as unknown as RedisClient
}
