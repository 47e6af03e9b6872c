/** What the verification of JWT access tokens can be told, checked at creation. */

import { assertFunction, assertNumber, assertOneOf, assertStrings } from '../../lib/assert.ts'
import { isObject } from '../../lib/json.ts'
import { type Issuer, parseIssuer, secureUrl, uriText } from '../../lib/url.ts'
import type { Seconds } from '../../model/units.ts'
import { type Fetch, runtimeFetch } from '../../net/fetch-json.ts'
import type { JwksListener } from '../../observe/events.ts'
import type { JwksStore } from '../../state/jwks-store.ts'
import type { CacheOptions } from '../cached.ts'
import { CLAIMS_OPTIONS, type ClaimsOptions } from '../claims/mapping.ts'
import type { RawClaims } from '../claims/values.ts'
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
import { type KeySetOptions, keySetLimits } from '../keys/options.ts'
import { RemoteKeySet } from '../keys/remote-key-set.ts'
import type { ClaimsPolicy, Profile } from './claims.ts'

/** A JSON Web Key Set with public keys, or with secrets where `algorithms` allows HMAC (RFC 7517 §5). */
export interface JsonWebKeySet {
  readonly keys: readonly Readonly<Record<string, unknown>>[]
}

/** How the signed JWT access tokens of one issuer are verified. Its keys are discovered, fetched, or given. */
export type JwtOptions<Claims = RawClaims> = JwtSettings<Claims> & ForAudience & (FetchedKeys | GivenKeys)

/** The same for a protected resource, which is its own audience where no other is named (RFC 9728 §7.4). */
export type JwtOptionsOfResource<Claims = RawClaims> = JwtSettings<Claims> &
  ({ audience?: undefined } | ForAudience) &
  (FetchedKeys | GivenKeys)

interface ForAudience {
  /**
   * Who we are: one of these must stand in `aud` (RFC 7519 §4.1.3). Only `null`, in writing, asks nothing of it.
   * Name the API, never a client: a client's id is the audience of its ID tokens.
   */
  audience: string | readonly string[] | null
}

interface FetchedKeys {
  /**
   * The URL of the issuer's key set: https (http on loopback only), without user name and fragment. Default: the `jwks_uri`
   * of the issuer's metadata, which must not be a private or loopback address unless the issuer is one.
   */
  jwksUri?: string | undefined
  keys?: undefined
}

interface GivenKeys {
  /** The issuer's key set itself: nothing is ever fetched. */
  keys: JsonWebKeySet
  jwksUri?: undefined
}

export interface JwtSettings<Claims = RawClaims> extends KeySetOptions, ClaimsOptions<Claims> {
  /**
   * The issuer, compared with `iss` character by character. Its key set is found through its metadata (RFC 8414, then
   * OpenID Connect Discovery). For that it must be an https URL (http on loopback only) in canonical form, without user
   * name, query and fragment. If `jwksUri` or `keys` is given, nothing is fetched from it, and it may be any URI or name in
   * the characters of RFC 3986, such as `http://sts.corp.example/adfs/services/trust`.
   */
  issuer: string
  /** The signature algorithms that are allowed. Default: RS, PS and ES with 256, 384 and 512, and EdDSA. HMAC needs `keys`. */
  algorithms?: readonly Algorithm[] | undefined
  /**
   * `rfc9068` takes only tokens that keep to RFC 9068: `typ` is `at+jwt`, and every claim of its §2.2 is there.
   * `generic`, the default, also takes a `typ` of `JWT` or none, and still refuses what is certainly no access token.
   */
  profile?: Profile | undefined
  /** How far the clocks may be apart, in seconds, 0 to 300. Default 30. */
  clockTolerance?: Seconds | undefined
  /** How long after its `iat` a token may be used, in seconds, 1 to 31,536,000. `iat` is required then. Default: as long as `exp` says. */
  maxTokenAge?: Seconds | undefined
  /**
   * The cache of verified tokens, or `false` for none. `maxBytes`: how much memory it may take, by default 64 MiB. `max`: how
   * many tokens, by default 100,000. `ttl`: for how many seconds a result is used, by default until `exp`, and never longer.
   */
  cache?: false | Partial<Pick<CacheOptions, 'maxBytes' | 'max' | 'ttl'>> | undefined
  /** The clock by which tokens are judged, in milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
  /** What to fetch with. Default: the runtime's `fetch`. */
  fetch?: Fetch | undefined
}

/** How the tokens of one issuer among several are verified. Cache and clock are those of all of them. */
export type IssuerOptions<Claims = RawClaims> = JwtOptions<Claims> & { cache?: undefined; now?: undefined }

const OWN_OPTIONS = [
  'issuer',
  'audience',
  'jwksUri',
  'keys',
  'algorithms',
  'profile',
  'clockTolerance',
  'maxTokenAge',
  'cacheMaxAge',
  'staleIfError',
  'cooldown',
  'timeout',
  'jwksStore',
  'onJwks',
  'cache',
  'now',
  'fetch',
] as const

export const JWT_OPTIONS: readonly [...typeof OWN_OPTIONS, ...typeof CLAIMS_OPTIONS] = [
  ...OWN_OPTIONS,
  ...CLAIMS_OPTIONS,
]

export const ISSUER_OPTIONS: readonly Exclude<(typeof JWT_OPTIONS)[number], 'cache' | 'now'>[] =
  JWT_OPTIONS.filter((name) => name !== 'cache' && name !== 'now')

const YEAR = 31_536_000

export function policyOf(options: JwtOptions<unknown>): ClaimsPolicy {
  const { audience, profile, clockTolerance, maxTokenAge } = options
  const issuer = issuerOf(options)
  if (audience === undefined) throw new TypeError('"audience" must be given; only null asks nothing of it')
  return {
    issuer,
    audience: audience === null ? null : assertStrings('audience', audience),
    profile: assertOneOf<Profile>('profile', profile, ['generic', 'rfc9068']),
    clockTolerance: assertNumber('clockTolerance', clockTolerance, { preset: 30, min: 0, max: 300 }),
    maxTokenAge:
      maxTokenAge === undefined
        ? undefined
        : assertNumber('maxTokenAge', maxTokenAge, { preset: YEAR, min: 1, max: YEAR }),
  }
}

/** An `Issuer` if its metadata is fetched. Otherwise any URI or name, since it is only compared. */
function issuerOf({ issuer, jwksUri, keys }: JwtOptions<unknown>): string {
  if (issuer === undefined) throw new TypeError('"issuer" must be given')
  return jwksUri === undefined && keys === undefined ? discoveredIssuer(issuer) : uriText('issuer', issuer)
}

function discoveredIssuer(issuer: string): Issuer {
  return parseIssuer('issuer', issuer, 'give "jwksUri" or "keys", so that nothing is fetched from it')
}

export function algorithmsOf({ algorithms, keys }: JwtOptions<unknown>): readonly Algorithm[] {
  if (algorithms === undefined) return DEFAULT_ALGORITHMS
  const names = Array.isArray(algorithms) ? assertStrings('algorithms', algorithms) : []
  if (names.length === 0 || !names.every((name) => (ALGORITHMS as readonly string[]).includes(name)))
    throw new TypeError(`"algorithms" must be a non-empty array of ${ALGORITHMS.join(', ')}`)
  if (keys === undefined && names.some((name) => name.startsWith('HS')))
    throw new TypeError('"algorithms" allows HMAC only where "keys" holds the secrets')
  return names as readonly Algorithm[]
}

export function keySetOf(options: JwtOptions<unknown>): KeySet {
  const { issuer, jwksUri, keys } = options
  const algorithms = algorithmsOf(options)
  const limits = keySetLimits(options)
  const onJwks = assertFunction<JwksListener, undefined>('onJwks', options.onJwks, undefined)
  const fetch = assertFunction<Fetch, Fetch>('fetch', options.fetch, runtimeFetch)
  if (keys !== undefined) {
    if (jwksUri !== undefined) throw new TypeError('"keys" and "jwksUri" exclude each other')
    if (options.jwksStore !== undefined)
      throw new TypeError('"keys" and "jwksStore" exclude each other: nothing is fetched that could be kept')
    return new FixedKeySet(givenKeys(keys, algorithms))
  }
  const common = { issuer, algorithms, limits, onJwks, jwksStore: storeOf(options.jwksStore) }
  if (jwksUri === undefined)
    return new RemoteKeySet({ ...common, fetchKeys: discoveredKeys(discoveredIssuer(issuer), fetch) })
  const url = secureUrl('jwksUri', jwksUri)
  return new RemoteKeySet({ ...common, fetchKeys: keysAt(url, fetch), storedAs: url })
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
