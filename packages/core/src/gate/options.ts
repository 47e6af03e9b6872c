/** What a gate is told, and the verifier that it describes. */

import { type ResourceMetadata, resourceAudience } from '../answer/metadata.ts'
import type { CorsMiddleware, PreflightPolicy } from '../answer/preflight.ts'
import type { Requirement } from '../authorize/requirement.ts'
import type { TokenSources } from '../model/credentials.ts'
import type { Identity } from '../model/identity.ts'
import type { Seconds } from '../model/units.ts'
import type { DecisionListener } from '../observe/events.ts'
import type { RequestLike } from '../request/request.ts'
import type { RevocationStore } from '../state/revocations.ts'
import { checked } from '../verify/checked.ts'
import type { RawClaims } from '../verify/claims/values.ts'
import { jwt } from '../verify/jwt/jwt.ts'
import { JWT_OPTIONS, type JwtOptions, type JwtOptionsOfResource } from '../verify/jwt/options.ts'
import type { TokenVerifier } from '../verify/verifier.ts'

/** What every gate can be told. */
export interface GateSettings<V extends Identity<unknown> = Identity, Anonymous extends boolean = false> {
  /** The protection space, named in every challenge (RFC 9110 §11.5). Printable ASCII. Default `api`. */
  realm?: string | undefined
  /**
   * The protected resource that this is: its URL, or its whole metadata (RFC 9728 §2). Challenges name the metadata, hosts
   * answer requests for it, and it is the audience where no other is given. Default: none.
   */
  resource?: string | ResourceMetadata | undefined
  /** Whether a request without credentials passes, without an identity. Bad credentials never do. Default `false`. */
  optional?: Anonymous | undefined
  /**
   * Rejects a token that came over plain http with 400 (RFC 6750 §5.3). The gate asks the socket, and Express and Koa
   * if they trust a proxy. It never asks `Host` or the URL, which the client writes: for a fetch `Request`, say by
   * `isSecure` what you know. Default `false`.
   */
  requireTls?: boolean | undefined
  /**
   * With `requireTls`: whether a request came over TLS, if the socket cannot tell. Behind a proxy of yours that sets the
   * field: `(request) => request.header('x-forwarded-proto') === 'https'`. On a platform that accepts https only, such
   * as Workers: `() => true`. Default: only the socket and the framework decide.
   */
  isSecure?: ((request: RequestLike) => boolean) | undefined
  /**
   * With `requireTls`: allows plain http if both addresses of the socket are this machine's and no proxy has added
   * `Forwarded`, `Via` or `X-Forwarded-*`. A proxy on the same machine that adds none of them passes as well, so use it
   * for development. Default `false`.
   */
  allowLoopback?: boolean | undefined
  /** Where a token may stand. Default: in the `Authorization` field only. */
  tokenFrom?: TokenSources | undefined
  /** What every request needs, beyond a good token. Default: nothing. */
  requirement?: Requirement<V> | undefined
  /** Whether a granted scope implies the needed one, which is another: `(granted, needed) => granted === 'admin'`. Default: none does. */
  scopeImplies?: ((granted: string, needed: string) => boolean) | undefined
  /**
   * Where `gate.revoke` keeps revocations. Give several gates the same store, and what one of them revokes is rejected
   * by all. Default: a store of this gate's own, in memory.
   */
  revocations?: RevocationStore | undefined
  /** Asked of every request, whatever is cached: whether what the identity stands for was revoked. What it throws is answered 503. */
  isRevoked?: ((identity: V) => boolean | Promise<boolean>) | undefined
  /**
   * Told of each decision, once: of each request with `stage: 'authenticate'`, and of what a route needs with
   * `stage: 'authorize'`. It cannot change a decision, and what it throws is ignored.
   */
  onDecision?: DecisionListener<AllowedIdentity<V, Anonymous>> | undefined
  /** The longest that a request waits for its decision, in seconds, up to 120; then 503. Default 10. */
  deadline?: Seconds | undefined
  /** The clock by which tokens are judged, in milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
  /**
   * Answers CORS preflights, which never carry a token: 204 with these methods and headers, or by the CORS middleware
   * that is named. A preflight reaches no handler. Cannot be combined with `requirement`. Default: a preflight is a
   * request without credentials, so answer it before the gate.
   */
  allowPreflight?: PreflightPolicy | CorsMiddleware | undefined
  /** Whether scripts of other origins may read the challenge, by `Access-Control-Expose-Headers`. Default `false`. */
  exposeChallenge?: boolean | undefined
  /**
   * Who answers a refused request in Express and Koa: the middleware (`answer`, the default), or the framework's own
   * error handling, which gets a `BearerAuthError` (`next`).
   */
  onDenied?: OnDenied | undefined
}

export type OnDenied = 'answer' | 'next'

/** A gate for the JWT access tokens of one issuer. */
export type IssuerGateOptions<Claims = RawClaims, Anonymous extends boolean = false> = GateSettings<
  Identity<Claims>,
  Anonymous
> & {
  verifier?: undefined
} & (JwtOptions<Claims> | (JwtOptionsOfResource<Claims> & { resource: string | ResourceMetadata }))

/** A gate for whatever tokens the verifier knows. */
export type VerifierGateOptions<
  V extends Identity<unknown> = Identity,
  Anonymous extends boolean = false,
> = GateSettings<V, Anonymous> & {
  verifier: TokenVerifier<V>
} & { [Name in Exclude<(typeof JWT_OPTIONS)[number], 'now'>]?: undefined }

/** The identity type of an allowed request; includes `undefined` if `optional` allows anonymous requests. */
export type AllowedIdentity<V extends Identity<unknown>, Anonymous extends boolean> = [Anonymous] extends [
  false,
]
  ? V
  : V | undefined

const SETTINGS = [
  'realm',
  'resource',
  'optional',
  'requireTls',
  'isSecure',
  'allowLoopback',
  'tokenFrom',
  'requirement',
  'scopeImplies',
  'isRevoked',
  'onDecision',
  'deadline',
  'allowPreflight',
  'revocations',
  'exposeChallenge',
  'onDenied',
] as const

/** Every option of `createGate`. */
export const GATE_OPTIONS: readonly [...typeof SETTINGS, 'verifier', ...typeof JWT_OPTIONS] = [
  ...SETTINGS,
  'verifier',
  ...JWT_OPTIONS,
]

/**
 * Returns the verifier that is given, or one for the issuer that is described.
 * @returns whether the gate made it, and closes it
 */
export function verifierOf<V extends Identity<unknown>>(
  options: {
    verifier?: TokenVerifier<V> | undefined
    resource?: string | ResourceMetadata | undefined
  },
  now: () => number,
): { readonly verifier: TokenVerifier<V>; readonly isOwn: boolean } {
  const { verifier, ...others } = options
  const described: Record<string, unknown> = Object.fromEntries(
    Object.entries(others).filter(([name]) => !isSetting(name)),
  )
  if (verifier === undefined) {
    if (described.audience === undefined && options.resource !== undefined)
      described.audience = resourceAudience(options.resource)
    const own = jwt(described as unknown as JwtOptions) as TokenVerifier<
      Identity<unknown>
    > as TokenVerifier<V>
    return { verifier: own, isOwn: true }
  }
  delete described.now
  const surplus = Object.keys(described).find((name) => described[name] !== undefined)
  if (surplus !== undefined) throw new TypeError(`"${surplus}" and "verifier" exclude each other`)
  return { verifier: checked('verifier', verifier, now), isOwn: false }
}

function isSetting(name: string): boolean {
  return (SETTINGS as readonly string[]).includes(name)
}
