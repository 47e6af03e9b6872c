/** Creates the key set of an issuer from its options: configured keys, fetched keys, or both. */

import { runtimeFetch } from '#runtime-fetch'
import { assertBoolean, assertFunction } from '../../lib/assert.ts'
import { configurationError } from '../../lib/configuration-error.ts'
import { quoted, received } from '../../lib/received.ts'
import { httpHosts, type Issuer, parseIssuer, secureUrl } from '../../lib/url.ts'
import type { Fetch } from '../../net/fetch-json.ts'
import type { JwksListener } from '../../observe/events.ts'
import type { JwksStore } from '../../state/jwks-store.ts'
import { CombinedKeySet } from '../keys/combined-key-set.ts'
import { discoveredKeys, keysAt } from '../keys/discovery.ts'
import { ALGORITHMS, type Algorithm, DEFAULT_ALGORITHMS } from '../keys/jwk.ts'
import { FixedKeySet, type KeySet } from '../keys/key-set.ts'
import { keySetLimits } from '../keys/options.ts'
import { RemoteKeySet } from '../keys/remote-key-set.ts'
import { givenKeys, hasGivenKeys, maySign } from './given-keys.ts'
import type { JwtOptions } from './options.ts'

/** Whether the URL of the keys comes from the metadata of the issuer. */
export function isDiscovered(options: JwtOptions<unknown>): boolean {
  const { jwksUri, discovery } = options
  const isDefault = jwksUri === undefined && !hasGivenKeys(options)
  const isWanted = assertBoolean('discovery', discovery, isDefault)
  if (isWanted && jwksUri !== undefined)
    throw configurationError(
      'CONFLICTING_OPTIONS',
      '"discovery: true" cannot be combined with "jwksUri", which already says where the keys are. Remove one of them',
    )
  if (!isWanted && isDefault)
    throw configurationError(
      'MISSING_OPTION',
      '"discovery: false" needs "jwksUri", "keys", "secret" or "publicKey"',
    )
  return isWanted
}

/**
 * Checks the option `issuer` for discovery.
 * @throws TypeError if it is not a URL from which metadata can be fetched
 */
export function discoveredIssuer(options: JwtOptions<unknown>): Issuer {
  const { issuer, allowHttp } = options
  if (issuer === null) throw nullIssuer()
  const unset = (['secret', 'publicKey', 'keys', 'jwksUri'] as const).find(
    (name) => Object.hasOwn(options, name) && options[name] === undefined,
  )
  const alternative =
    unset === undefined
      ? 'give "jwksUri" or "keys" to fetch no metadata'
      : `set "${unset}", which is undefined, perhaps because a variable is not set`
  return parseIssuer('issuer', issuer, alternative, httpHosts(allowHttp))
}

/** Creates the error for the issuer `null` of keys that are fetched, or with a profile that requires `iss`. */
export function nullIssuer(): TypeError {
  return configurationError(
    'INVALID_ISSUER',
    '"issuer" may be null only if all keys are in "keys", "secret" or "publicKey", and none are fetched; received null. With the profile "rfc9068", which requires "iss", it must not be null',
  )
}

/**
 * Reads the option `algorithms`. HMAC needs configured keys, because no issuer publishes its secrets.
 * @throws TypeError if an algorithm is unknown, or HMAC is allowed without configured keys
 */
export function algorithmsOf(options: JwtOptions<unknown>): readonly Algorithm[] {
  const { algorithms, secret } = options
  if (algorithms === undefined) {
    if (secret === undefined) return DEFAULT_ALGORITHMS
    return options.jwksUri === undefined && !isDiscovered(options)
      ? ['HS256']
      : [...DEFAULT_ALGORITHMS, 'HS256']
  }
  const names: readonly unknown[] = Array.isArray(algorithms) ? [...algorithms] : []
  if (names.length === 0 || !names.every(isAlgorithm))
    throw configurationError(
      'INVALID_ALGORITHM',
      `"algorithms" must be a non-empty array of ${ALGORITHMS.join(', ')}, such as algorithms: ['RS256']; received ${received(algorithms)}${unknownName(names)}`,
    )
  const hmac = names.find((name) => name.startsWith('HS'))
  if (hmac !== undefined && !maySign(options))
    throw configurationError(
      'INVALID_ALGORITHM',
      `"algorithms" contains ${hmac}, which needs a shared secret: add it as secret: '…', or "keys". If the issuer publishes its keys, write algorithms: ['RS256'], or leave "algorithms" out`,
    )
  return names
}

function isAlgorithm(name: unknown): name is Algorithm {
  return (ALGORITHMS as readonly unknown[]).includes(name)
}

function unknownName(names: readonly unknown[]): string {
  if (names.length === 0) return ''
  const unknown = names.find((name) => !isAlgorithm(name))
  return ` with ${typeof unknown === 'string' ? quoted(unknown, 32) : received(unknown)}`
}

/**
 * Creates the key set of an issuer. `keys` alone is never refreshed. `jwksUri` or `discovery` fetch keys. With both, configured
 * keys come first.
 * @throws TypeError if an option is impossible, or a configured key is unusable
 */
export function keySetOf(options: JwtOptions<unknown>): KeySet {
  const { jwksUri } = options
  const algorithms = algorithmsOf(options)
  const limits = keySetLimits(options)
  const hosts = httpHosts(options.allowHttp)
  const onJwks = assertFunction<JwksListener, undefined>('onJwks', options.onJwks, undefined)
  const fetch = assertFunction<Fetch, Fetch>('fetch', options.fetch, runtimeFetch)
  const isFetched = jwksUri !== undefined || isDiscovered(options)
  const keys = givenKeys(options, algorithms)
  // A single key needs no name. In a key set, or together with fetched keys, `kid` selects one.
  const isNameless = options.secret !== undefined || (options.publicKey !== undefined && !isFetched)
  const given = keys === undefined ? undefined : new FixedKeySet(keys, isNameless)
  if (given !== undefined && !isFetched) {
    if (options.jwksStore !== undefined)
      throw configurationError(
        'CONFLICTING_OPTIONS',
        '"jwksStore" needs a key set that is fetched. With "keys", "secret" or "publicKey", and without "jwksUri" and "discovery: true", the verifier fetches none. Remove "jwksStore", or add "jwksUri" or "discovery: true"',
      )
    return given
  }
  const issuer = String(options.issuer)
  const common = { issuer, algorithms, limits, onJwks, jwksStore: storeOf(options.jwksStore) }
  const url = jwksUri === undefined ? undefined : secureUrl('jwksUri', jwksUri, hosts)
  const published = new RemoteKeySet(
    url === undefined
      ? { ...common, fetchKeys: discoveredKeys(discoveredIssuer(options), hosts, fetch) }
      : { ...common, fetchKeys: keysAt(url, fetch), storedAs: url },
  )
  return given === undefined ? published : new CombinedKeySet(given, published)
}

/** Checks the option `jwksStore`. */
function storeOf(store: JwksStore | undefined): JwksStore | undefined {
  if (store === undefined || (typeof store?.get === 'function' && typeof store.set === 'function'))
    return store
  throw configurationError('INVALID_OPTION', '"jwksStore" must have the methods "get" and "set"')
}
