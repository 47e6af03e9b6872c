/** Where the keys of one issuer come from: the configuration, a URL, or its metadata (RFC 7517 §5, RFC 8414). */

import { assertFunction } from '../../lib/assert.ts'
import { isObject } from '../../lib/json.ts'
import { secureUrl } from '../../lib/url.ts'
import { type Fetch, runtimeFetch } from '../../net/fetch-json.ts'
import type { JwksListener } from '../../observe/events.ts'
import type { JwksStore } from '../../state/jwks-store.ts'
import { CombinedKeySet } from '../keys/combined-key-set.ts'
import { discoveredKeys, keysAt } from '../keys/discovery.ts'
import { type Algorithm, otherUse, type VerificationKey, verificationKey } from '../keys/jwk.ts'
import { FixedKeySet, type KeySet } from '../keys/jwks.ts'
import { IssuerKeySet, keyLifetimes } from '../keys/remote-key-set.ts'
import {
  algorithmsOf,
  discoveredIssuer,
  isDiscovered,
  type JsonWebKeySet,
  type JwtOptions,
} from './options.ts'

/**
 * Creates the key set of an issuer.
 * @throws TypeError if an option is impossible
 */
export function keySetOf(options: JwtOptions<unknown>): KeySet {
  const { jwksUri, keys } = options
  const allowed = algorithmsOf(options)
  const lifetimes = keyLifetimes(options)
  const onJwks = assertFunction<JwksListener, undefined>('onJwks', options.onJwks, undefined)
  const fetch = assertFunction<Fetch, Fetch>('fetch', options.fetch, runtimeFetch)
  const given = keys === undefined ? undefined : new FixedKeySet(givenKeys(keys, allowed))
  if (given !== undefined && jwksUri === undefined && !isDiscovered(options)) {
    if (options.jwksStore !== undefined)
      throw new TypeError('"keys" and "jwksStore" exclude each other: nothing is fetched that could be kept')
    return given
  }
  const store = storeOf(options.jwksStore)
  const issuer = String(options.issuer)
  const place = jwksUri === undefined ? undefined : secureUrl('jwksUri', jwksUri)
  const load =
    place === undefined ? discoveredKeys(discoveredIssuer(options.issuer), fetch) : keysAt(place, fetch)
  const published = new IssuerKeySet(issuer, load, allowed, lifetimes, onJwks, store, place)
  return given === undefined ? published : new CombinedKeySet(given, published)
}

function storeOf(store: JwksStore | undefined): JwksStore | undefined {
  if (store === undefined || (typeof store?.get === 'function' && typeof store.set === 'function'))
    return store
  throw new TypeError('"jwksStore" must have the methods "get" and "set"')
}

function givenKeys(keys: JsonWebKeySet, allowed: readonly Algorithm[]): readonly VerificationKey[] {
  if (!Array.isArray(keys?.keys) || keys.keys.length === 0)
    throw new TypeError('"keys" must be a JSON Web Key Set with at least one key: { keys: [jwk] }')
  const usable = keys.keys.map((jwk, index) => {
    // A set as an issuer publishes it may hold keys for encryption besides.
    if (isObject(jwk) && otherUse(jwk) !== undefined) return undefined
    const key = verificationKey(jwk, allowed, 'allow-secrets')
    if (typeof key === 'string') throw new TypeError(`"keys" has an unusable key at ${index}: ${key}`)
    return key
  })
  if (usable.every((key) => key === undefined)) throw new TypeError('"keys" has no key to verify with')
  return usable.filter((key) => key !== undefined)
}
