/** The options of verifiers for JWT access tokens. */

import type { Seconds } from '../../model/units.ts'
import type { Fetch } from '../../net/fetch-json.ts'
import type { CacheOptions } from '../cached.ts'
import { CLAIMS_OPTIONS, type ClaimsOptions } from '../claims/mapping.ts'
import type { RawClaims } from '../claims/values.ts'
import type { Algorithm } from '../keys/jwk.ts'
import type { KeySetOptions } from '../keys/options.ts'
import type { IdTokenClaim, Profile } from './claims.ts'

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
   * OpenID Connect Discovery). For that it must be an https URL (http on loopback or by `allowHttp` only) in canonical form, without user
   * name, query and fragment. If `jwksUri` or `keys` is given, nothing is fetched from it, and it may be any URI or name in
   * the characters of RFC 3986, such as `http://sts.corp.example/adfs/services/trust`.
   */
  issuer: string
}

interface FetchedKeys extends NamedIssuer {
  /**
   * The URL of the issuer's key set: https (http on loopback or by `allowHttp` only), without user name and fragment. Default: the `jwks_uri`
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
  /**
   * The hosts from which keys and metadata may be fetched over plain http, each with its port unless that is 80, such as
   * `['keycloak:8080']`. Compared exactly, without wildcards. Use it only for your own networks, such as those of
   * containers: an attacker who can change packets there can replace the keys, and issue tokens that are accepted. Has no
   * effect on what is only compared, such as `issuer` beside `keys`. Default: https, and http on loopback.
   */
  allowHttp?: readonly string[] | undefined
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
  /**
   * The function that sends requests. It is used as it is. Default: on Node, a client for HTTP/1.1, unless `globalThis.fetch` or
   * its dispatcher was replaced; on other runtimes, their `fetch`.
   */
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
  'allowHttp',
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
