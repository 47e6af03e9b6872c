/** What the verification of JWT access tokens can be told, checked at creation. */

import { assertBoolean, assertNumber, assertOneOf, assertStrings } from '../../lib/assert.ts'
import { type Issuer, parseIssuer, uriText } from '../../lib/url.ts'
import type { Seconds } from '../../model/units.ts'
import type { Fetch } from '../../net/fetch-json.ts'
import type { CacheOptions } from '../cached.ts'
import { CLAIMS_OPTIONS, type ClaimsOptions } from '../claims/mapping.ts'
import type { RawClaims } from '../claims/values.ts'
import { ALGORITHMS, type Algorithm, DEFAULT_ALGORITHMS } from '../keys/jwk.ts'
import type { KeySetOptions } from '../keys/remote-key-set.ts'
import { type ClaimsPolicy, ID_TOKEN_CLAIMS, type IdTokenClaim, type Profile } from './claims.ts'

/** A JSON Web Key Set with public keys, or with secrets where `algorithms` allows HMAC (RFC 7517 §5). */
export interface JsonWebKeySet {
  readonly keys: readonly Readonly<Record<string, unknown>>[]
}

/** How the signed JWT access tokens of one issuer are verified. Its keys are discovered, fetched, or given. */
export type JwtOptions<Claims = RawClaims> = JwtSettings<Claims> & ForAudience & KeySource

/** The same for a protected resource, which is its own audience where no other is named (RFC 9728 §7.4). */
export type JwtOptionsOfResource<Claims = RawClaims> = JwtSettings<Claims> &
  ({ audience?: undefined } | ForAudience) &
  KeySource

type KeySource = FetchedKeys | GivenKeys | GivenAndFetchedKeys

interface ForAudience {
  /**
   * Who we are: one of these must stand in `aud` (RFC 7519 §4.1.3). Only `null`, in writing, asks nothing of it.
   * Name the API, never a client: a client's id is the audience of its ID tokens.
   */
  audience: string | readonly string[] | null
}

interface NamedIssuer {
  /**
   * The issuer, compared with `iss` character by character. Its key set is found through its metadata (RFC 8414, then
   * OpenID Connect Discovery). For that it must be an https URL (http on loopback only) in canonical form, without user
   * name, query and fragment. If `jwksUri` or `keys` is given, nothing is fetched from it, and it may be any URI or name in
   * the characters of RFC 3986, such as `http://sts.corp.example/adfs/services/trust`.
   */
  issuer: string
}

interface FetchedKeys extends NamedIssuer {
  /**
   * The URL of the issuer's key set: https (http on loopback only), without user name and fragment. Default: the `jwks_uri`
   * of the issuer's metadata, which must not be a private or loopback address unless the issuer is one.
   */
  jwksUri?: string | undefined
  keys?: undefined
  discovery?: true | undefined
}

interface GivenKeys {
  /**
   * The issuer, compared with `iss` character by character: any URI or name in the characters of RFC 3986.
   *
   * `null`, in writing, is for tokens without `iss`, and rejects those that have one. Then nothing tells who issued a token
   * except its key. Whoever has one of the `keys`, a shared secret above all, can sign tokens for any subject, and a token
   * of another service with the same key passes if its `aud` fits. So use keys that nobody else uses. `describe()` shows it.
   */
  issuer: string | null
  /** The issuer's key set itself: nothing is ever fetched, unless `jwksUri` or `discovery` is given as well. */
  keys: JsonWebKeySet
  jwksUri?: undefined
  discovery?: false | undefined
}

/** Such as a shared secret, and the public keys that an issuer migrates to. Each key verifies one algorithm only. */
type GivenAndFetchedKeys = NamedIssuer & { keys: JsonWebKeySet } & (
    | { jwksUri: string; discovery?: undefined }
    | {
        jwksUri?: undefined
        /** Whether keys are also fetched by the metadata of the issuer. Default `true`, and `false` if `keys` or `jwksUri` is given. */
        discovery: true
      }
  )

export interface JwtSettings<Claims = RawClaims> extends KeySetOptions, ClaimsOptions<Claims> {
  /** The signature algorithms that are allowed. Default: RS, PS and ES with 256, 384 and 512, and EdDSA. HMAC needs `keys`. */
  algorithms?: readonly Algorithm[] | undefined
  /**
   * `rfc9068` takes only tokens that keep to RFC 9068: `typ` is `at+jwt`, and every claim of its §2.2 is there.
   * `generic`, the default, also takes a `typ` of `JWT` or none, and still refuses what is certainly no access token.
   */
  profile?: Profile | undefined
  /**
   * Claims of ID tokens that the access tokens of this issuer have as well: `nonce`, `at_hash`, or both. Dex, for example,
   * needs `['at_hash']`. Default: a token with one of them is rejected with 401, unless its `typ` or `token_use` says that it
   * is an access token.
   *
   * Risk: then nothing but `aud` may tell an ID token from an access token. So `audience` must not be `null`, and must name an
   * API that no user signs in to. A token is still rejected if `typ`, `token_use` or another claim says that it is of another
   * kind, if its client is one of your audiences, or if it has several audiences and names no client.
   */
  allowIdTokenClaims?: readonly IdTokenClaim[] | undefined
  /** How far the clocks may be apart, in seconds, 0 to 300. Default 30. */
  clockTolerance?: Seconds | undefined
  /** How long after its `iat` a token may be used, in seconds, 1 to 31,536,000. `iat` is required then. Default: as long as `exp` says. */
  maxTokenAge?: Seconds | undefined
  /** The cache of good results, never used past `exp`: its size `max` (default 10,000) and a `ttl` in seconds, or `false` for none. */
  cache?: false | (Pick<CacheOptions, 'max'> & Partial<Pick<CacheOptions, 'ttl'>>) | undefined
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
  'discovery',
  'keys',
  'algorithms',
  'profile',
  'allowIdTokenClaims',
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
    idTokenClaims: idTokenClaimsOf(options),
    clockTolerance: assertNumber('clockTolerance', clockTolerance, { preset: 30, min: 0, max: 300 }),
    maxTokenAge:
      maxTokenAge === undefined
        ? undefined
        : assertNumber('maxTokenAge', maxTokenAge, { preset: YEAR, min: 1, max: YEAR }),
  }
}

function idTokenClaimsOf(options: JwtOptions<unknown>): readonly IdTokenClaim[] {
  const { allowIdTokenClaims: allowed, audience, profile } = options
  if (allowed === undefined) return []
  // A copy, since `every` passes over holes.
  const names = Array.isArray(allowed) ? [...allowed] : undefined
  if (names === undefined || !names.every((name) => ID_TOKEN_CLAIMS.includes(name)))
    throw new TypeError(`"allowIdTokenClaims" must be an array of ${ID_TOKEN_CLAIMS.join(' and ')}`)
  if (names.length > 0 && (audience === null || profile === 'rfc9068'))
    throw new TypeError(
      '"allowIdTokenClaims" cannot be combined with "audience: null", which would accept the ID tokens of every client, nor with the profile "rfc9068", which tells access tokens by "typ"',
    )
  return names
}

/** An `Issuer` if its metadata is fetched. Otherwise any URI or name, since it is only compared. */
function issuerOf(options: JwtOptions<unknown>): string | null {
  const { issuer, jwksUri, profile } = options
  if (issuer === undefined) throw new TypeError('"issuer" must be given')
  if (isDiscovered(options)) return discoveredIssuer(issuer)
  if (issuer !== null) return uriText('issuer', issuer)
  if (jwksUri === undefined && profile !== 'rfc9068') return null
  throw new TypeError(
    '"issuer" may be null only if all keys are in "keys", and not with the profile "rfc9068", which requires "iss"',
  )
}

/** Whether the metadata of the issuer tells where its keys are. */
export function isDiscovered({ jwksUri, keys, discovery }: JwtOptions<unknown>): boolean {
  const isDefault = jwksUri === undefined && keys === undefined
  const isWanted = assertBoolean('discovery', discovery, isDefault)
  if (isWanted && jwksUri !== undefined) throw new TypeError('"discovery" and "jwksUri" exclude each other')
  if (!isWanted && isDefault) throw new TypeError('"discovery: false" needs "jwksUri" or "keys"')
  return isWanted
}

export function discoveredIssuer(issuer: unknown): Issuer {
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

/**
 * Checks that an issuer is not `null`, where it is found by its name.
 * @throws TypeError if it is
 */
export function issuerName(issuer: string | null): string {
  if (issuer !== null) return issuer
  throw new TypeError(
    '"multiIssuerJwt" finds an issuer by "iss", so "issuer" must not be null: combine it with a jwt(…) for tokens without "iss" by chain(…)',
  )
}
