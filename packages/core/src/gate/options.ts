/** Defines the options of a gate. */

import type { AnswerFunction } from '../answer/custom.ts'
import type { ResourceMetadata } from '../answer/metadata.ts'
import type { CorsMiddleware, PreflightPolicy } from '../answer/preflight.ts'
import type { Requirement } from '../authorize/requirement.ts'
import type { TokenSources, TokenSyntax } from '../model/credentials.ts'
import type { Identity } from '../model/identity.ts'
import type { Seconds } from '../model/units.ts'
import type { DecisionListener } from '../observe/events.ts'
import type { RequestLike } from '../request/request.ts'
import type { RevocationStore } from '../state/revocations.ts'
import type { RawClaims } from '../verify/claims/values.ts'
import { JWT_OPTIONS, type JwtOptions, type JwtOptionsOfResource } from '../verify/jwt/options.ts'
import type { TokenVerifier } from '../verify/verifier.ts'

/** The options that every gate has. */
export interface GateSettings<
  V extends Identity<unknown> = Identity,
  Anonymous extends boolean = false,
  User extends UserObject = never,
> {
  /** The protection space, named in every challenge (RFC 9110 §11.5). Printable ASCII. Default `api`. */
  realm?: string | undefined
  /**
   * The URL of this API as a protected resource, or its whole metadata (RFC 9728 §2). Challenges then contain the URL of the
   * metadata. `bearer`, `gate.protect` and `lambda` answer requests for the metadata. The URL is also the default of
   * `audience`. Default: none.
   */
  resource?: string | ResourceMetadata | undefined
  /** Allows requests without credentials, which have no identity. Invalid credentials are always rejected. Default `false`. */
  optional?: Anonymous | undefined
  /**
   * A token that came over plain http is rejected with 400 (RFC 6750 §5.3). On Express and Koa, the framework says if a request
   * came over TLS, and you can configure it to trust a proxy. Elsewhere the socket says it. A fetch `Request` has no socket:
   * set `isSecure` as well. Default `false`.
   */
  requireTls?: boolean | undefined
  /**
   * With `requireTls`: returns whether a request came over TLS. Called if neither the framework nor the socket confirms TLS.
   * Default: none.
   *
   * Write `() => true` on a platform with https only, such as Workers. If your own proxy sets `X-Forwarded-Proto` on every
   * request, write `(request) => request.header('x-forwarded-proto') === 'https'`.
   */
  isSecure?: ((request: RequestLike) => boolean) | undefined
  /**
   * With `requireTls`: allows plain http from the same machine, for development. A request with `Forwarded`, `Via` or
   * `X-Forwarded-*` came through a proxy, and is still rejected. Default `false`.
   */
  allowLoopback?: boolean | undefined
  /** The places where the gate looks for the token (RFC 6750 §2). Default: the `Authorization` field only. */
  tokenFrom?: TokenSources | undefined
  /**
   * The maximum length of a token. In characters, 256–15,000. Default 8,192. The answer to a longer token is 400. Hosts have a
   * limit too: in Node, all header fields together may have 16 KiB by default.
   */
  maxTokenLength?: number | undefined
  /**
   * The requirement for every request, in addition to a valid token. If it is a function, its second argument is a
   * `RequestLike`. Default: none.
   */
  requirement?: Requirement<NoInfer<V>, RequestLike> | undefined
  /**
   * Returns whether a granted scope includes the needed scope. Called only if no granted scope equals the needed scope. Default:
   * no scope implies another.
   *
   * @example
   * createGate({ issuer, audience, scopeImplies: (granted, needed) => granted === 'admin' })
   */
  scopeImplies?: ((granted: string, needed: string) => boolean) | undefined
  /**
   * The store in which `gate.revoke` keeps revocations. Gates that share a store reject what any of them revokes. Default: a
   * store in memory for this gate only.
   */
  revocations?: RevocationStore | undefined
  /**
   * Called on every request, including cache hits. Return `true` to reject the token as revoked. If it throws, the answer is
   * 503.
   */
  isRevoked?: ((identity: V) => boolean | Promise<boolean>) | undefined
  /**
   * Loads the user of a request from your application, such as a row of a database. Called with the identity and the request,
   * after all other checks have passed. Returns an object, or `null` or `undefined` if there is no such user. If it throws or
   * returns anything else, the answer is 503. Handlers read the user with `auth.user(req)`, `auth.user(ctx)` or
   * `gate.userOf(request)`. Default: no user is loaded.
   *
   * Check that `subject` is not `undefined` before you query. Tokens of services (machine-to-machine) may have no subject.
   *
   * @example
   * bearer({
   *   issuer,
   *   audience,
   *   loadUser: ({ subject }) => (subject === undefined ? null : users.findOne({ subject })),
   * })
   */
  loadUser?:
    | ((identity: V, request: RequestLike) => User | null | undefined | PromiseLike<User | null | undefined>)
    | undefined
  /**
   * How long the gate reuses a loaded user for further requests with the same token. In seconds, 0–3600. Default 0: the user is
   * loaded for each request. Without a cache of the verifier, the option has no effect.
   *
   * The gate does not notice changes of the user in that time, but it does notice revocations. If you set `userTtl`, `loadUser`
   * must use only the identity, because other requests get the same user. If it uses the request, the answer is 503.
   */
  userTtl?: Seconds | undefined
  /**
   * The status of the answer if `loadUser` finds no user. 401 (default): the error is `invalid_token`, and clients ask for a
   * new token. 403: the error is `insufficient_scope`, and clients keep their token.
   */
  unknownUserStatus?: 401 | 403 | undefined
  /**
   * Called once for each decision. Its `stage` is `authenticate` if the gate decided about a request, and `authorize` if it
   * decided about the requirement of a route. The function cannot change a decision. The gate ignores its errors.
   */
  onDecision?: DecisionListener<AllowedIdentity<V, Anonymous>> | undefined
  /** How long a request waits for its decision. In seconds, 0.01–120. Default 10. After that the answer is 503. */
  deadline?: Seconds | undefined
  /** The clock for the dates of tokens, in milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
  /**
   * The answer to CORS preflights, which carry no token. Pass `{ methods, headers }`: the gate answers 204 with these values.
   * Or pass a CORS middleware: the gate calls it to answer. Handlers never get a preflight. Cannot be combined with
   * `requirement`. Default: the gate handles a preflight like any request without credentials, so mount your CORS middleware
   * before the gate.
   */
  allowPreflight?: PreflightPolicy | CorsMiddleware | undefined
  /** Lets scripts of other origins read the challenge, by `Access-Control-Expose-Headers`. Default `false`. */
  exposeChallenge?: boolean | undefined
  /**
   * Writes the body of the response to a denied request, and adds header fields. It cannot change the status, the challenge,
   * `Retry-After` and `Cache-Control`. For problem details (RFC 9457), pass the function `problemDetails` of this package.
   * Default: JSON with `error` and `error_description`. The same is sent if the function throws.
   *
   * @example
   * createGate({ issuer, audience, answer: ({ reason }) => ({ body: { code: reason } }) })
   */
  answer?: AnswerFunction | undefined
  /**
   * Decides who answers a denied request in Express and Koa. `'answer'` (default): the middleware. `'next'`: the framework with
   * its error handling, which gets a `BearerAuthError`.
   */
  onDenied?: OnDenied | undefined
}

/** The values of the option `onDenied`. */
export type OnDenied = 'answer' | 'next'

/** The audience defaults to the resource. TypeScript shows this name if `audience` is missing. */
interface ResourceInsteadOfAudience {
  resource: string | ResourceMetadata
}

/** A gate for the JWT access tokens of one issuer. */
export type IssuerGateOptions<
  Claims = RawClaims,
  Anonymous extends boolean = false,
  User extends UserObject = never,
> = ((ResourceInsteadOfAudience & JwtOptionsOfResource<Claims>) | JwtOptions<Claims>) &
  GateSettings<Identity<Claims>, Anonymous, User> & { verifier?: undefined }

/** A gate for the tokens of a verifier. */
export type VerifierGateOptions<
  V extends Identity<unknown> = Identity,
  Anonymous extends boolean = false,
  User extends UserObject = never,
> = GateSettings<V, Anonymous, User> & {
  verifier: TokenVerifier<V>
  /**
   * Which characters a token may have. `b64token` (default) is the syntax of RFC 6750 §2.1. `visible-ascii` also allows tokens
   * such as `12|x7:Ab$9`, with any visible ASCII character except the comma. The answer to any other text is 400.
   */
  tokenSyntax?: TokenSyntax | undefined
} & { [Name in Exclude<(typeof JWT_OPTIONS)[number], 'now'>]?: undefined }

/** The identity type of an allowed request; includes `undefined` if `optional` allows anonymous requests. */
export type AllowedIdentity<V extends Identity<unknown>, Anonymous extends boolean> = [Anonymous] extends [
  false,
]
  ? V
  : V | undefined

/** A user of the application: any object but a promise, so that the type of a `loadUser` that returns a promise is inferred. */
export type UserObject = object & { readonly then?: never }

/**
 * The user type of an allowed request; includes `undefined` if `optional` allows anonymous requests. `unknown` if the type is not
 * known: without `loadUser`, and in `ReturnType<typeof createGate>`.
 */
export type AllowedUser<User, Anonymous extends boolean> = [User] extends [never]
  ? unknown
  : [UserObject] extends [User]
    ? unknown
    : [Anonymous] extends [false]
      ? User
      : User | undefined

const SETTINGS = [
  'realm',
  'resource',
  'optional',
  'requireTls',
  'isSecure',
  'allowLoopback',
  'tokenFrom',
  'maxTokenLength',
  'tokenSyntax',
  'requirement',
  'scopeImplies',
  'isRevoked',
  'loadUser',
  'userTtl',
  'unknownUserStatus',
  'onDecision',
  'deadline',
  'allowPreflight',
  'revocations',
  'exposeChallenge',
  'answer',
  'onDenied',
] as const

/** Every option of `createGate`. */
export const GATE_OPTIONS: readonly [...typeof SETTINGS, 'verifier', ...typeof JWT_OPTIONS] = [
  ...SETTINGS,
  'verifier',
  ...JWT_OPTIONS,
]
