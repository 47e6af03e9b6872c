/** Creates the key set of an issuer from its options: configured keys, fetched keys, or both. */

import { runtimeFetch } from '#runtime-fetch'
import { assertBoolean, assertFunction, assertStrings } from '../../lib/assert.ts'
import { isObject } from '../../lib/json.ts'
import { httpHosts, type Issuer, parseIssuer, secureUrl } from '../../lib/url.ts'
import type { Fetch } from '../../net/fetch-json.ts'
import type { JwksListener } from '../../observe/events.ts'
import type { JwksStore } from '../../state/jwks-store.ts'
import { CombinedKeySet } from '../keys/combined-key-set.ts'
import { discoveredKeys, keysAt } from '../keys/discovery.ts'
import {
  ALGORITHMS,
  type Algorithm,
  DEFAULT_ALGORITHMS,
  otherUse,
  type VerificationKey,
  verificationKey,
} from '../keys/jwk.ts'
import { FixedKeySet, type KeySet } from '../keys/key-set.ts'
import { keySetLimits } from '../keys/options.ts'
import { RemoteKeySet } from '../keys/remote-key-set.ts'
import type { JsonWebKeySet, JwtOptions } from './options.ts'

/** Whether the URL of the keys comes from the metadata of the issuer. */
export function isDiscovered({ jwksUri, keys, discovery }: JwtOptions<unknown>): boolean {
  const isDefault = jwksUri === undefined && keys === undefined
  const isWanted = assertBoolean('discovery', discovery, isDefault)
  if (isWanted && jwksUri !== undefined) throw new TypeError('"discovery" and "jwksUri" exclude each other')
  if (!isWanted && isDefault) throw new TypeError('"discovery: false" needs "jwksUri" or "keys"')
  return isWanted
}

/**
 * Checks the option `issuer` for discovery.
 * @throws TypeError if it is not a URL from which metadata can be fetched
 */
export function discoveredIssuer({ issuer, allowHttp }: JwtOptions<unknown>): Issuer {
  const alternative = 'give "jwksUri" or "keys", so that nothing is fetched from it'
  return parseIssuer('issuer', issuer, alternative, httpHosts(allowHttp))
}

/**
 * Reads the option `algorithms`. HMAC needs configured keys, because no issuer publishes its secrets.
 * @throws TypeError if an algorithm is unknown, or HMAC is allowed without configured keys
 */
export function algorithmsOf({ algorithms, keys }: JwtOptions<unknown>): readonly Algorithm[] {
  if (algorithms === undefined) return DEFAULT_ALGORITHMS
  const names = Array.isArray(algorithms) ? assertStrings('algorithms', algorithms) : []
  if (names.length === 0 || !names.every((name) => (ALGORITHMS as readonly string[]).includes(name)))
    throw new TypeError(`"algorithms" must be a non-empty array of ${ALGORITHMS.join(', ')}`)
  if (keys === undefined && names.some((name) => name.startsWith('HS')))
    throw new TypeError('"algorithms" allows HMAC only where "keys" holds the secrets')
  return names as readonly Algorithm[]
}

/**
 * Creates the key set of an issuer. `keys` alone is never refreshed. `jwksUri` or `discovery` fetch keys. With both, configured
 * keys come first.
 * @throws TypeError if an option is impossible, or a configured key is unusable
 */
export function keySetOf(options: JwtOptions<unknown>): KeySet {
  const { jwksUri, keys } = options
  const algorithms = algorithmsOf(options)
  const limits = keySetLimits(options)
  const hosts = httpHosts(options.allowHttp)
  const onJwks = assertFunction<JwksListener, undefined>('onJwks', options.onJwks, undefined)
  const fetch = assertFunction<Fetch, Fetch>('fetch', options.fetch, runtimeFetch)
  const given = keys === undefined ? undefined : new FixedKeySet(givenKeys(keys, algorithms))
  if (given !== undefined && jwksUri === undefined && !isDiscovered(options)) {
    if (options.jwksStore !== undefined)
      throw new TypeError('"keys" and "jwksStore" exclude each other: nothing is fetched that could be kept')
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
  throw new TypeError('"jwksStore" must have the methods "get" and "set"')
}

/** Reads the option `keys`. Unlike in a published set, an unusable key is an error: the application configured it. */
function givenKeys(keys: JsonWebKeySet, allowed: readonly Algorithm[]): readonly VerificationKey[] {
  if (!Array.isArray(keys?.keys) || keys.keys.length === 0)
    throw new TypeError('"keys" must be a JSON Web Key Set with at least one key: { keys: [jwk] }')
  const usable = keys.keys.map((jwk, index) => {
    // A published set may also contain keys for encryption.
    if (isObject(jwk) && otherUse(jwk) !== undefined) return undefined
    const key = verificationKey(jwk, allowed, 'allow-secrets')
    if (typeof key === 'string') throw new TypeError(`"keys" has an unusable key at ${index}: ${key}`)
    return key
  })
  if (usable.every((key) => key === undefined)) throw new TypeError('"keys" has no key to verify with')
  return usable.filter((key) => key !== undefined)
}
