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
export type JwtOptions<Claims = RawClaims> = ForAudience & JwtSettings<Claims> & KeySource

/** The options of `jwt` for a gate with a `resource`. The `audience` defaults to the `resource` (RFC 9728 §7.4). */
export type JwtOptionsOfResource<Claims = RawClaims> = ({ audience?: undefined } | ForAudience) &
  JwtSettings<Claims> &
  KeySource

type KeySource = FetchedKeys | GivenKeys | GivenAndFetchedKeys

interface ForAudience {
  /**
   * The names of this API: `aud` of a token must contain one of them (RFC 7519 §4.1.3). Compared exactly. Required.
   *
   * With `null`, `aud` is not checked. The verifier then also accepts tokens that the issuer made for other APIs. Never use the
   * client id of an application that users sign in to: ID tokens have that `aud`.
   */
  audience: string | readonly string[] | null
}

interface NamedIssuer {
  /**
   * The issuer, compared with `iss` character by character.
   *
   * The verifier finds the keys through the metadata of the issuer (RFC 8414, then OpenID Connect Discovery). For that, the
   * issuer must be an https URL without user name, query and fragment, spelled as `new URL` spells it. Http is allowed on
   * loopback, and for the hosts in `allowHttp`.
   *
   * With `jwksUri`, or with `keys`, `secret` or `publicKey` but without `discovery: true`, the verifier fetches no metadata.
   * The issuer may then be any URI (RFC 3986).
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
   * The URL of the issuer's key set: https, without user name and fragment. Http is allowed on loopback, and for the hosts in
   * `allowHttp`. Default: the `jwks_uri` in the issuer's metadata. If the host of the issuer is public, the host of that
   * `jwks_uri` must be public as well.
   */
  jwksUri?: string | undefined
  /** Finds the key set through the metadata of the issuer. Default `true`, unless `jwksUri` is given. */
  discovery?: true | undefined
}

type GivenKeys = NullableIssuer & KeyOption & { jwksUri?: undefined; discovery?: false | undefined }

interface NullableIssuer {
  /**
   * The issuer, compared with `iss` character by character: any URI (RFC 3986). With `null`, the verifier accepts only tokens
   * without `iss`.
   *
   * Risk of `null`: only the key shows who issued a token. So use keys that no other service has. `describe()` shows this
   * setting.
   */
  issuer: string | null
}

type KeyOption = KeysOption | SecretOption | PublicKeyOption

interface KeysOption {
  /**
   * The issuer's key set itself (RFC 7517 §5). No keys are fetched, unless you also set `jwksUri` or `discovery: true`. For a
   * new key of the issuer, create a new verifier.
   */
  keys: JsonWebKeySet
  secret?: undefined
  publicKey?: undefined
}

interface SecretOption {
  /**
   * The secret that this API shares with the issuer: text, of which the UTF-8 bytes are used, or bytes. At least 32 bytes for
   * HS256, 48 for HS384 and 64 for HS512 (RFC 7518 §3.2). Default of `algorithms`: `['HS256']`. The `kid` of a token is
   * ignored.
   *
   * Risk: every holder of the secret can sign tokens for any subject.
   */
  secret: string | Uint8Array
  keys?: undefined
  publicKey?: undefined
}

interface PublicKeyOption {
  /**
   * The public key of the issuer in PEM: `PUBLIC KEY` (SPKI), `RSA PUBLIC KEY` (PKCS #1) or `CERTIFICATE`. The dates of a
   * certificate are not checked. An RSA key verifies only the first RSA algorithm of `algorithms`, by default RS256. The `kid`
   * of a token is ignored, unless keys are fetched as well.
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
   * The hosts for which plain http is allowed, such as `['keycloak:8080']`: each with its port, unless that is 80. Compared
   * exactly, without wildcards. Default: loopback only.
   *
   * Risk: an attacker who can change packets on the way to such a host can replace the keys, and so issue tokens that are
   * accepted.
   */
  allowHttp?: readonly string[] | undefined
  /**
   * The signature algorithms that are allowed (RFC 8725 §3.1). Default: RS, PS and ES with 256, 384 and 512, and EdDSA. HMAC
   * needs `secret` or `keys`. For a key without `alg`, the verifier assumes the first algorithm of this list that fits the type
   * of the key. So put the algorithm of your issuer first.
   */
  algorithms?: readonly Algorithm[] | undefined
  /**
   * - `generic` (default): `typ` may be `at+jwt`, `JWT` or missing. `iss` and `exp` are required. ID tokens and other kinds of
   *   tokens are rejected if something marks them as such.
   * - `rfc9068`: `typ` must be `at+jwt`, and the token must have all claims that RFC 9068 §2.2 requires. The `typ` then proves
   *   that it is an access token. Use this profile if your issuer follows that RFC.
   */
  profile?: Profile | undefined
  /**
   * The claims `nonce` and `at_hash` are typical of ID tokens. If your access tokens have one of these claims, list it here,
   * such as `['at_hash']` for Dex. Default: a token with one of these claims is rejected, unless its `typ` or `token_use` says
   * that it is an access token.
   *
   * Risk: an ID token may then differ from an access token only in its `aud`. So `audience` must not be `null`, and must not
   * contain the client id of an application that users sign in to. See docs/jwt.md.
   */
  allowIdTokenClaims?: readonly IdTokenClaim[] | undefined
  /**
   * Allows tokens without `exp`. Such a token is accepted as long as its age (since its `iat`) is at most `maxTokenAge`. So the
   * option `maxTokenAge` and the claim `iat` are required. A token that has an `exp` still expires at its `exp`. Cannot be
   * combined with the profile `rfc9068`. `describe()` shows this setting. Default `false`.
   *
   * Risk: a stolen token works until the end of `maxTokenAge`, even if its issuer intended less. Choose hours rather than
   * months.
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
   * Caches the result for a valid token, at most until its `exp`. `false`: the verifier checks the signature for every request.
   * - `maxBytes`: how much memory the results may take. In bytes, 65,536–17,179,869,184. Default 67,108,864 (64 MiB).
   * - `max`: how many results there may be, 1–10,000,000. Default 100,000.
   * - `ttl`: how long a result may be used. In seconds, 0.001–86,400. Default: until `exp`.
   */
  cache?: false | Partial<Pick<CacheOptions, 'maxBytes' | 'max' | 'ttl'>> | undefined
  /** The clock that the dates of tokens are compared with. In milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
  /**
   * The function that sends all requests of the verifier. Default on Node: a client of this package for HTTP/1.1. But if the
   * application has replaced `globalThis.fetch` or its dispatcher, that `fetch` is used. Default on other runtimes: their
   * `fetch`.
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
