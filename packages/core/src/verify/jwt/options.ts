/** Defines the options of verifiers for JWT access tokens. */

import type { Seconds } from '../../model/units.ts'
import type { Fetch } from '../../net/fetch-json.ts'
import type { CacheOptions } from '../cache-limits.ts'
import { CLAIMS_OPTIONS, type ClaimsOptions } from '../claims/mapping.ts'
import type { RawClaims } from '../claims/values.ts'
import type { Algorithm } from '../keys/jwk.ts'
import type { KeySetOptions } from '../keys/options.ts'
import type { Profile } from './claims.ts'
import type { IdTokenClaim } from './token-kind.ts'

/** A JSON Web Key Set with public keys, or with secrets if `algorithms` allows HMAC (RFC 7517 §5). */
export interface JsonWebKeySet {
  readonly keys: readonly Readonly<Record<string, unknown>>[]
}

/** The options of `jwt`: how the tokens of one issuer are verified. Its keys are discovered, fetched, or configured. */
export type JwtOptions<Claims = RawClaims> = JwtSettings<Claims> & ForAudience & KeySource

/** The options of `jwt` for a gate with a `resource`. The `audience` defaults to the `resource` (RFC 9728 §7.4). */
export type JwtOptionsOfResource<Claims = RawClaims> = JwtSettings<Claims> &
  ({ audience?: undefined } | ForAudience) &
  KeySource

type KeySource = FetchedKeys | GivenKeys | GivenAndFetchedKeys

interface ForAudience {
  /**
   * The names of this API: `aud` of a token must contain one of them (RFC 7519 §4.1.3). Compared exactly. Required.
   *
   * With `null`, the verifier does not check `aud`. It then also accepts the tokens that the issuer made for any other API.
   * Never use the client id of an application that users sign in to: it is the `aud` of the application's ID tokens, which are
   * no access tokens.
   */
  audience: string | readonly string[] | null
}

interface NamedIssuer {
  /**
   * The issuer, compared with `iss` character by character.
   *
   * By default, the verifier finds the key set through the metadata of the issuer (RFC 8414, then OpenID Connect Discovery).
   * For that, the issuer must be an https URL without user name, query and fragment, in canonical form: as `new URL` writes it,
   * for example with the host in lower case and without the port 443. The slash after a bare host may be left out. Plain http
   * is allowed only on loopback, and for the hosts in `allowHttp`.
   *
   * With `jwksUri`, `keys`, `secret` or `publicKey`, the verifier fetches no metadata. The issuer may then be any text that
   * consists of the characters of a URI (RFC 3986), such as `http://sts.corp.example/adfs/services/trust`. If you set
   * `discovery: true` together with `keys`, `secret` or `publicKey`, the verifier does fetch the metadata, so the issuer must
   * be a URL as above.
   */
  issuer: string
}

/** No keys are in the options. */
interface NoKeys {
  keys?: undefined
  secret?: undefined
  publicKey?: undefined
}

interface FetchedKeys extends NamedIssuer, NoKeys {
  /**
   * The URL of the issuer's key set: https, without user name and fragment. Plain http is allowed only on loopback, and for the
   * hosts in `allowHttp`. The host may be a private address. Default: the `jwks_uri` in the issuer's metadata. The host of that
   * `jwks_uri` must not be a private or loopback address, unless the host of the issuer is one as well.
   */
  jwksUri?: string | undefined
  /** Finds the key set through the metadata of the issuer. Default `true`, unless `jwksUri` is given. */
  discovery?: true | undefined
}

type GivenKeys = NullableIssuer & KeyOption & { jwksUri?: undefined; discovery?: false | undefined }

interface NullableIssuer {
  /**
   * The issuer, compared with `iss` character by character. Any text that consists of the characters of a URI (RFC 3986).
   *
   * `null` is for tokens without `iss`, and rejects those that have one. With `null`, only the key tells who issued a token.
   * Any party that can sign with one of the configured keys, for example because it has the shared secret, can sign tokens for
   * any subject. A token of another service with the same key is accepted if its `aud` matches. So use keys that no other
   * service uses. `describe()` shows this setting.
   */
  issuer: string | null
}

type KeyOption = KeysOption | SecretOption | PublicKeyOption

interface KeysOption {
  /**
   * The issuer's key set itself (RFC 7517 §5). The verifier fetches no keys, unless `jwksUri` or `discovery: true` is given as
   * well. If it fetches none, it does not learn of a new key of the issuer: create a new verifier with the new key set.
   */
  keys: JsonWebKeySet
  secret?: undefined
  publicKey?: undefined
}

interface SecretOption {
  /**
   * The secret that this API shares with the issuer, as text (its UTF-8 bytes are used) or as bytes. At least 32 bytes for
   * HS256, 48 for HS384 and 64 for HS512 (RFC 7518 §3.2). `algorithms` is `['HS256']` unless you set it, and the `kid` of a token
   * is ignored. Decode a secret in base64 yourself: `Buffer.from(text, 'base64')`.
   *
   * Risk: every holder of the secret can sign tokens for any subject.
   */
  secret: string | Uint8Array
  keys?: undefined
  publicKey?: undefined
}

interface PublicKeyOption {
  /**
   * The public key of the issuer in PEM: `PUBLIC KEY` (SPKI), `RSA PUBLIC KEY` (PKCS #1) or `CERTIFICATE`. Of a certificate, the
   * verifier uses the key only, and ignores the dates. An RSA key verifies one algorithm only: the first RSA algorithm in
   * `algorithms`, by default RS256. The verifier ignores the `kid` of a token, unless it fetches keys as well.
   */
  publicKey: string
  keys?: undefined
  secret?: undefined
}

/**
 * Combines configured keys with fetched keys. An example is an issuer that migrates from a shared secret to public keys: the
 * secret is configured, and the public keys are fetched. Each key verifies one algorithm only.
 */
type GivenAndFetchedKeys = NamedIssuer &
  KeyOption &
  (
    | { jwksUri: string; discovery?: undefined }
    | {
        jwksUri?: undefined
        /**
         * Also fetches the key set that the metadata of the issuer names. Default `false` if `keys`, `secret`, `publicKey` or
         * `jwksUri` is given.
         */
        discovery: true
      }
  )

/** The options of `jwt` that do not depend on where its keys come from. */
export interface JwtSettings<Claims = RawClaims> extends KeySetOptions, ClaimsOptions<Claims> {
  /**
   * The hosts from which keys and metadata may be fetched over plain http, each with its port unless that is 80, such as
   * `['keycloak:8080']`. Compared exactly, without wildcards. Use it only for your own networks, such as those of containers:
   * an attacker who can change packets there can replace the keys, and issue tokens that are accepted. The option has no effect
   * on a URL that is never fetched, such as `issuer` if `keys` is set. Default: https, and http on loopback.
   */
  allowHttp?: readonly string[] | undefined
  /**
   * The signature algorithms that are allowed (RFC 8725 §3.1). Default: RS, PS and ES with 256, 384 and 512, and EdDSA. HMAC
   * needs `secret` or `keys`. For a key without `alg`, the verifier assumes the first algorithm of this list that fits the type
   * of the key. So put the algorithm of your issuer first.
   */
  algorithms?: readonly Algorithm[] | undefined
  /**
   * `generic` (default): `typ` may be `at+jwt`, `JWT` or missing. `iss` and `exp` are required. Tokens that are certainly of
   * another kind, such as ID tokens, are rejected. `rfc9068`: `typ` must be `at+jwt`, and the token must have all claims that
   * RFC 9068 §2.2 requires, each of the type that the RFC requires. Use this profile if your issuer follows that RFC. The `typ`
   * then proves that a token is an access token.
   */
  profile?: Profile | undefined
  /**
   * Claims of ID tokens that the access tokens of this issuer have as well: `nonce`, `at_hash`, or both. Dex, for example,
   * needs `['at_hash']`. Default: a token with one of them is rejected with 401, unless its `typ` or `token_use` says that it
   * is an access token.
   *
   * Risk: an ID token may then differ from an access token only in its `aud`. So `audience` must not be `null`. It must also
   * never contain the client id of an application that users sign in to, because that is the `aud` of ID tokens. The verifier
   * still rejects a token if `typ`, `token_use` or another claim says that it is of another kind. It also rejects a token whose
   * client (`client_id`, `azp`, `appid` or `cid`) is one of the values of `audience`, because
   * that is typical of ID tokens. And it rejects a token
   * that has several audiences and names no client.
   */
  allowIdTokenClaims?: readonly IdTokenClaim[] | undefined
  /**
   * Allows tokens without `exp`. They are accepted until `maxTokenAge` after their `iat`. So the option `maxTokenAge` and the
   * claim `iat` are required. A token that has an `exp` still expires at its `exp`. Cannot be combined with the profile
   * `rfc9068`. `describe()` shows this setting. Default `false`.
   *
   * Risk: a stolen token works until the end of `maxTokenAge`, even if its issuer intended less. Choose hours rather than months.
   */
  allowMissingExp?: boolean | undefined
  /**
   * How far the clocks of the issuer and of this process may be apart. In seconds, 0–300. Default 30. A token is accepted for
   * this time after its `exp`, and before its `nbf` and `iat`.
   */
  clockTolerance?: Seconds | undefined
  /**
   * How long after its `iat` a token may be used. In seconds, 1–31,536,000. Default: until its `exp`. If you set
   * `maxTokenAge`, `iat` is required. Use it if the issuer makes tokens that are valid for longer than you want to accept.
   */
  maxTokenAge?: Seconds | undefined
  /**
   * Caches the result for a valid token until its `exp`. The verifier uses a cached result only if the key of the token is still
   * in the issuer's key set. With `false`, it checks the signature for every request.
   * - `maxBytes`: how much memory the results may take. In bytes, 65,536–17,179,869,184. Default 67,108,864 (64 MiB).
   * - `max`: the maximum number of tokens, 1–10,000,000. Default 100,000.
   * - `ttl`: the maximum time that a result is used. In seconds, 0.001–86,400. Default: until `exp`.
   */
  cache?: false | Partial<Pick<CacheOptions, 'maxBytes' | 'max' | 'ttl'>> | undefined
  /** The clock that the dates of tokens are compared with. In milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
  /**
   * The function that sends requests. The verifier calls no other one. Default on Node: a client of this package for HTTP/1.1.
   * If the application replaced `globalThis.fetch` or its dispatcher, the default is `globalThis.fetch`. Default on other
   * runtimes: their `fetch`.
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
  'secret',
  'publicKey',
  'allowHttp',
  'algorithms',
  'profile',
  'allowIdTokenClaims',
  'allowMissingExp',
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
