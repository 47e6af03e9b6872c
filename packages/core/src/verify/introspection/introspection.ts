/** The public verifier for introspection, and its options (RFC 7662). */

import { runtimeFetch } from '#runtime-fetch'
import { assertFunction, assertInteger, assertSeconds, assertStrings, readOptions } from '../../lib/assert.ts'
import { assertClock } from '../../lib/clock.ts'
import { configurationError } from '../../lib/configuration-error.ts'
import { httpHosts, parseIssuer, secureUrl, uriText } from '../../lib/url.ts'
import type { Identity } from '../../model/identity.ts'
import type { Seconds } from '../../model/units.ts'
import type { Fetch } from '../../net/fetch-json.ts'
import type { IntrospectionListener } from '../../observe/events.ts'
import {
  type CacheLimits,
  givenLimits,
  resultStoreOf,
  type SharedCacheOptions,
  UNCACHED,
} from '../cache-limits.ts'
import { Cache } from '../cached.ts'
import { markBuiltIn } from '../checked.ts'
import { CLAIMS_OPTIONS, type ClaimsOptions, claimsReader } from '../claims/mapping.ts'
import type { RawClaims } from '../claims/values.ts'
import { SharedAnswers } from '../shared-answers.ts'
import type { TokenVerifier } from '../verifier.ts'
import {
  type ClientAuthentication,
  clientAuthentication,
  clientIdOf,
  type SecretMethod,
} from './client-auth.ts'
import type { ServerLocation } from './endpoint.ts'
import { Introspector, type IntrospectorSettings } from './introspector.ts'
import { UNAUTHORIZED } from './response.ts'

/** The authorization server, the credentials of this API, and what a response must say. */
export type IntrospectionOptions<Claims = RawClaims> = IntrospectionSettings<Claims> & Server & Client

type Server =
  | {
      /**
       * The URL of the introspection endpoint: https, without user name and fragment. Plain http is allowed only on loopback,
       * and for the hosts in `allowHttp`.
       */
      endpoint: string
      /**
       * The issuer. If a response has an `iss`, it must be equal to this value. The verifier only compares it, so it may be any
       * URI. Default: `iss` is not checked.
       */
      issuer?: string | undefined
    }
  | {
      /**
       * The issuer whose metadata names the endpoint (RFC 8414, then OpenID Connect Discovery). An https URL, with the same
       * rules as `issuer` of `jwt`. If a response has an `iss`, it must be equal to this value. If the host of the issuer is
       * public, the host of the endpoint must be public as well.
       */
      issuer: string
      endpoint?: undefined
    }

type Client =
  | {
      /** The client id of this API at the authorization server. */
      clientId: string
      clientSecret: string
      /** How the secret is sent. Default `client_secret_basic`, in the `Authorization` header (RFC 6749 §2.3.1). */
      authenticate?: SecretMethod | undefined
    }
  | {
      /** Adds the credentials of this API to each request, as `privateKeyJwt` does. If it throws, the answer is 503. */
      authenticate: ClientAuthentication
      clientId?: undefined
      clientSecret?: undefined
    }

export interface IntrospectionSettings<Claims = RawClaims> extends ClaimsOptions<Claims> {
  /** The names of this API. One of them must be in the `aud` of a response. `null` disables the check. */
  audience: string | readonly string[] | null
  /**
   * The hosts for which plain http is allowed, such as `['keycloak:8080']`: each with its port, unless that is 80. Compared
   * exactly, without wildcards. Default: loopback only.
   *
   * Risk: an attacker who can read or change packets on the way to such a host gets the tokens and the credentials of this API,
   * and can decide which tokens are active.
   */
  allowHttp?: readonly string[] | undefined
  /**
   * How long one introspection may take, including its time in the `queue`. After that, the answer is 503. In seconds,
   * 0.001–60. Default 3.
   */
  timeout?: Seconds | undefined
  /**
   * How many introspection requests are open at once, 1–10,000. Default 64. A quarter of them is reserved for known tokens:
   * those that the server has reported as active before. See docs/introspection.md.
   */
  concurrency?: number | undefined
  /**
   * How many more introspection requests may wait, 0–100,000. Default 1,000. Known tokens go first. If the queue is full, or
   * the wait would be longer than `timeout`, the answer is 503 at once.
   */
  queue?: number | undefined
  /**
   * The error statuses with which the server says that a token is inactive, such as `[400]`. The gate then answers 401
   * `invalid_token` instead of 503. Allowed are 400–499, except 407, 408 and 429. To list 401 or 403, you must also set
   * `clientSecret`. Default: none, because a server must answer 200 for an inactive token (RFC 7662 §2.2).
   *
   * Risk: if the server sends the same status for another fault, all tokens look invalid. See docs/introspection.md.
   */
  inactiveStatus?: readonly number[] | undefined
  /** How far the clocks of the authorization server and of this process may be apart. In seconds, 0–300. Default 30. */
  clockTolerance?: Seconds | undefined
  /**
   * Caches results for `ttl` seconds. If a token is revoked at the server, the gate accepts it until its cached result expires.
   * Default: each request is introspected.
   */
  cache?: SharedCacheOptions | undefined
  /**
   * Called after each failed introspection, and after the first success that follows. It never gets a token. If the
   * listener throws, the verifier ignores the error. Default: none.
   */
  onIntrospection?: IntrospectionListener | undefined
  /** The clock for the dates of a response, in milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
  /**
   * The function that sends all requests of the verifier. Default on Node: a client of this package for HTTP/1.1. But if the
   * application has replaced `globalThis.fetch` or its dispatcher, that `fetch` is used. Default on other runtimes: their
   * `fetch`.
   */
  fetch?: Fetch | undefined
}

const OPTIONS = [
  ...['endpoint', 'issuer', 'clientId', 'clientSecret', 'authenticate', 'audience', 'allowHttp'],
  ...['timeout', 'concurrency', 'queue', 'inactiveStatus', 'clockTolerance', ...CLAIMS_OPTIONS],
  ...['cache', 'onIntrospection', 'now', 'fetch'],
]

/**
 * Verifies tokens by asking their authorization server. If the server does not respond, rejects the credentials of this API,
 * or sends anything but an introspection response, the answer is 503. Concurrent requests with the same token share one
 * introspection (single flight).
 *
 * Also checks `aud`, and if the response has them, `exp`, `nbf`, `iat`, `iss` and `token_type`. An optional member that is
 * `null`, an empty string or an empty array counts as absent.
 *
 * @example
 * const verifier = introspection({ issuer, clientId: 'api', clientSecret, audience: 'https://api.example.com' })
 * @throws TypeError if an option is unknown, missing or invalid
 */
export function introspection<Claims = RawClaims>(
  options: IntrospectionOptions<Claims>,
): TokenVerifier<Identity<Claims>> {
  const read = readOptions('introspection', options, OPTIONS)
  const now = assertClock(read.now)
  const limits = read.cache === undefined ? UNCACHED : givenLimits(read.cache)
  return markBuiltIn(new Cache(new Introspector(settingsOf(read, now, limits)), limits, now))
}

function settingsOf<Claims>(
  options: IntrospectionOptions<Claims>,
  now: () => number,
  limits: CacheLimits,
): IntrospectorSettings<Claims> {
  const server = locationOf(options)
  if (options.audience === undefined)
    throw configurationError(
      'MISSING_OPTION',
      '"audience" is required. Pass null to disable the audience check',
    )
  const { issuer } = server
  const audience = options.audience === null ? null : assertStrings('audience', options.audience)
  const { authenticate, onIntrospection } = options
  const timeout = assertSeconds('timeout', options.timeout, { preset: 3, min: 0.001, max: 60 })
  return {
    server,
    authenticate: clientAuthentication(options),
    answers: new SharedAnswers(
      nameOf(server, options.clientId ?? clientIdOf(authenticate)),
      resultStoreOf(options.cache),
      limits,
      timeout / 2,
      now,
    ),
    policy: {
      issuer,
      audience,
      clockTolerance: assertSeconds('clockTolerance', options.clockTolerance, {
        preset: 30,
        min: 0,
        max: 300,
      }),
      read: claimsReader('introspection', options, audience, issuer),
      now,
    },
    timeout,
    concurrency: assertInteger('concurrency', options.concurrency, { preset: 64, min: 1, max: 10_000 }),
    queue: assertInteger('queue', options.queue, { preset: 1_000, min: 0, max: 100_000 }),
    inactiveStatus: statuses(options.inactiveStatus, typeof authenticate === 'function'),
    listener: assertFunction<IntrospectionListener, undefined>('onIntrospection', onIntrospection, undefined),
    fetch: assertFunction<Fetch, Fetch>('fetch', options.fetch, runtimeFetch),
  }
}

/** The name of the verifier in a shared store. A server may tell each client something else about a token (RFC 7662 §2.2). */
function nameOf({ endpoint, issuer }: ServerLocation, clientId: string | undefined): string {
  return `introspection ${endpoint ?? issuer} ${clientId ?? ''}`
}

function locationOf(options: Server & { allowHttp?: readonly string[] | undefined }): ServerLocation {
  const { endpoint, issuer } = options
  const allowHttp = httpHosts(options.allowHttp)
  if (endpoint !== undefined)
    return {
      endpoint: secureUrl('endpoint', endpoint, allowHttp),
      allowHttp,
      issuer: issuer === undefined ? undefined : uriText('issuer', issuer),
    }
  if (issuer === undefined)
    throw configurationError(
      'MISSING_OPTION',
      '"endpoint" is required, or "issuer", whose metadata names the endpoint',
    )
  return {
    endpoint,
    issuer: parseIssuer('issuer', issuer, 'give "endpoint" to fetch no metadata', allowHttp),
    allowHttp,
  }
}

/**
 * The statuses of a proxy (407), of a slow request (408) and of a limit (429): none of them is about a token (RFC 9110 §15.5).
 */
const NOT_ABOUT_TOKENS: readonly unknown[] = [407, 408, 429]

/** @param isFunction whether a function authenticates this API */
function statuses(value: unknown, isFunction: boolean): readonly number[] {
  if (value === undefined) return []
  const list: readonly unknown[] | undefined = Array.isArray(value) ? [...value] : undefined
  const isAllowed = (status: unknown) =>
    Number.isInteger(status) &&
    (status as number) >= 400 &&
    (status as number) <= 499 &&
    !NOT_ABOUT_TOKENS.includes(status)
  if (list === undefined || !list.every(isAllowed))
    throw configurationError(
      'INVALID_OPTION',
      '"inactiveStatus" must be an array of statuses from 400 to 499, without 407, 408 and 429',
    )
  // Such a function may send an access token of this API, and `invalid_token` would be about that one (RFC 7662 §2.3).
  if (isFunction && list.some((status) => UNAUTHORIZED.includes(status)))
    throw configurationError(
      'CONFLICTING_OPTIONS',
      '"inactiveStatus" may contain 401 and 403 only together with "clientSecret": a function in "authenticate" may send an access token of this API, and the 401 or 403 may then be about that token',
    )
  return Object.freeze(list as readonly number[])
}
