/** Defines the options of verifiers for JWT access tokens. */

import type { Seconds } from '../../model/units.ts'
import type { Fetch } from '../../net/fetch-json.ts'
import type { CacheOptions } from '../cached.ts'
import { CLAIMS_OPTIONS, type ClaimsOptions } from '../claims/mapping.ts'
import type { RawClaims } from '../claims/values.ts'
import type { Algorithm } from '../keys/jwk.ts'
import type { KeySetOptions } from '../keys/options.ts'
import type { IdTokenClaim, Profile } from './claims.ts'

/** A JSON Web Key Set with public keys, or with secrets if `algorithms` allows HMAC (RFC 7517 §5). */
export interface JsonWebKeySet {
  readonly keys: readonly Readonly<Record<string, unknown>>[]
}

/** The options of `jwt`: how the tokens of one issuer are verified. Its keys are discovered, fetched, or configured. */
export type JwtOptions<Claims = RawClaims> = JwtSettings<Claims> & ForAudience & KeySource

/** The same for a gate with a `resource`. Its `audience` defaults to the `resource` (RFC 9728 §7.4). */
export type JwtOptionsOfResource<Claims = RawClaims> = JwtSettings<Claims> &
  ({ audience?: undefined } | ForAudience) &
  KeySource

type KeySource = FetchedKeys | GivenKeys | GivenAndFetchedKeys

interface ForAudience {
  /**
   * The names of this API: `aud` of a token must contain one of them (RFC 7519 §4.1.3). Compared exactly. Required.
   *
   * With `null`, `aud` is not checked. Then the tokens that the issuer made for any other API are accepted here, too. Never use
   * the id of a client: it is the audience of the client's ID tokens, which are no access tokens.
   */
  audience: string | readonly string[] | null
}

interface NamedIssuer {
  /**
   * The issuer, compared with `iss` character by character. Its key set is found through its metadata (RFC 8414, then
   * OpenID Connect Discovery). For that it must be an https URL (http on loopback or by `allowHttp` only) in canonical form,
   * without user name, query and fragment. If `jwksUri` or `keys` is given, nothing is fetched from it, and it may be any URI
   * or name in the characters of RFC 3986, such as `http://sts.corp.example/adfs/services/trust`.
   */
  issuer: string
}

interface FetchedKeys extends NamedIssuer {
  /**
   * The URL of the issuer's key set: https (http on loopback or by `allowHttp` only), without user name and fragment. Default:
   * the `jwks_uri` of the issuer's metadata, which must not be a private or loopback address unless the issuer is one.
   */
  jwksUri?: string | undefined
  keys?: undefined
  /** Default `true` without `jwksUri`: the keys are found by the metadata of the issuer. */
  discovery?: true | undefined
}

interface GivenKeys {
  /**
   * The issuer, compared with `iss` character by character: any URI or name in the characters of RFC 3986.
   *
   * `null` is for tokens without `iss`, and rejects those that have one. Then only the key tells who issued a token. Any party
   * that has one of the `keys`, such as a shared secret, can sign tokens for any subject. A token of another service with the
   * same key is accepted if its `aud` matches. So use keys that no other service uses. `describe()` shows this setting.
   */
  issuer: string | null
  /**
   * The issuer's key set itself (RFC 7517 §5). Nothing is ever fetched, unless `jwksUri` or `discovery` is given as well. Then
   * a new key of the issuer needs a new verifier.
   *
   * @example
   * const secret = Buffer.from(process.env.JWT_SECRET ?? '', 'utf8').toString('base64url')
   * jwt({ issuer, audience, keys: { keys: [{ kty: 'oct', k: secret, alg: 'HS256' }] }, algorithms: ['HS256'] })
   */
  keys: JsonWebKeySet
  jwksUri?: undefined
  discovery?: false | undefined
}

/**
 * Configured and fetched keys together, such as a shared secret, and the public keys that an issuer migrates to. Each key
 * verifies one algorithm only.
 */
type GivenAndFetchedKeys = NamedIssuer & { keys: JsonWebKeySet } & (
    | { jwksUri: string; discovery?: undefined }
    | {
        jwksUri?: undefined
        /**
         * Whether keys are also fetched by the metadata of the issuer. Default `true`, and `false` if `keys` or `jwksUri` is
         * given.
         */
        discovery: true
      }
  )

/** The options of `jwt` that do not depend on where its keys come from. */
export interface JwtSettings<Claims = RawClaims> extends KeySetOptions, ClaimsOptions<Claims> {
  /**
   * The hosts from which keys and metadata may be fetched over plain http, each with its port unless that is 80, such as
   * `['keycloak:8080']`. Compared exactly, without wildcards. Use it only for your own networks, such as those of
   * containers: an attacker who can change packets there can replace the keys, and issue tokens that are accepted. Has no
   * effect on what is only compared, such as `issuer` beside `keys`. Default: https, and http on loopback.
   */
  allowHttp?: readonly string[] | undefined
  /**
   * The signature algorithms that are allowed (RFC 8725 §3.1). Default: RS, PS and ES with 256, 384 and 512, and EdDSA. HMAC
   * needs `keys`. A key without `alg` gets the first one that fits its type, so put the algorithm of your issuer first.
   */
  algorithms?: readonly Algorithm[] | undefined
  /**
   * `generic` (default): `typ` may be `at+jwt`, `JWT` or missing. `iss` and `exp` are required. Tokens that are certainly of
   * another kind, such as ID tokens, are rejected. `rfc9068`: `typ` must be `at+jwt`, and all claims that RFC 9068 §2.2
   * requires must be there and have their form. Use it if your issuer follows that RFC, because it tells access tokens by
   * their type.
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
  /**
   * How far the clocks of the issuer and of this process may be apart. In seconds, 0–300. Default 30. A token is accepted for
   * this time after its `exp`, and before its `nbf` and `iat`.
   */
  clockTolerance?: Seconds | undefined
  /**
   * How long after its `iat` a token may be used. In seconds, 1–31,536,000. Default: until its `exp`. With it, `iat` is
   * required. Use it if the issuer makes tokens that are valid for longer than you want to accept.
   */
  maxTokenAge?: Seconds | undefined
  /**
   * Caches verified tokens until their `exp`, while their key is published. With `false`, the signature of every request is
   * checked. `maxBytes`: how much memory the results may take, in bytes, 65,536–17,179,869,184, default 67,108,864 (64 MiB).
   * `max`: the number of tokens, 1–10,000,000, default 100,000. `ttl`: the longest time, in seconds, 0.001–86,400, default
   * until `exp`.
   */
  cache?: false | Partial<Pick<CacheOptions, 'maxBytes' | 'max' | 'ttl'>> | undefined
  /** The clock that the dates of tokens are compared with. In milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
  /**
   * The function that sends requests. It is used as it is. Default: on Node, a client for HTTP/1.1, unless `globalThis.fetch`
   * or its dispatcher was replaced; on other runtimes, their `fetch`.
   */
  fetch?: Fetch | undefined
}

/** The options for one issuer of `multiIssuerJwt`: those of `jwt`, except `cache` and `now`, which all issuers share. */
export type IssuerOptions<Claims = RawClaims> = JwtOptions<Claims> & { cache?: undefined; now?: undefined }

/** The names of the options, for the check of unknown ones. */
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
