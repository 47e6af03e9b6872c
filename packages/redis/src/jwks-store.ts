/** A store in which processes share fetched key sets. */

import type { JwksStore, StoredJwks } from '@bearergate/core'
import type { RedisClient } from './connection.ts'
import { assertText, readOptions } from './options.ts'
import { within } from './within.ts'

export interface RedisJwksStoreOptions {
  /** The prefix of the Redis keys. The URL of the key set follows it. Default `bearergate:jwks:`. */
  prefix?: string | undefined
}

/** How long Redis may take to answer. In milliseconds. After that, the gate asks the issuer. */
const TIMEOUT = 200
/** Longer than any `staleIfError`: the gate checks the age of a set itself. In milliseconds. */
const LIFETIME = 8 * 86_400_000

/**
 * Creates a store of key sets on Redis: one process fetches the keys of an issuer, and the others use them. How long they may be
 * used still counts from the fetch.
 *
 * Anyone who can write to this Redis can add keys, and so sign tokens that the gate accepts.
 *
 * @example
 * const gate = createGate({ issuer, audience, jwksStore: redisJwksStore(client) })
 * @throws TypeError if an option is unknown or invalid
 */
export function redisJwksStore(client: RedisClient, options: RedisJwksStoreOptions = {}): JwksStore {
  const read = readOptions('redisJwksStore', client, options, ['prefix'])
  const prefix = assertText('prefix', read.prefix ?? 'bearergate:jwks:')
  return {
    async get(name) {
      // A new process waits for this before its first answer.
      const text = await within(client.get(prefix + name), TIMEOUT)
      return typeof text === 'string' ? (JSON.parse(text) as StoredJwks) : undefined
    },
    set: (name, keySet) =>
      client.set(prefix + name, JSON.stringify(keySet), { expiration: { type: 'PX', value: LIFETIME } }),
  }
}
