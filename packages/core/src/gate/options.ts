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
   * Identifies this API as a protected resource: its URL, or its whole metadata (RFC 9728 §2). Each challenge then names the
   * URL of the metadata. `bearer`, `gate.protect` and `lambda` answer requests for that URL. Without `audience` and `verifier`,
   * the URL of the resource is also the audience. Default: none.
   */
  resource?: string | ResourceMetadata | undefined
  /** Allows requests without credentials, which have no identity. Invalid credentials are always rejected. Default `false`. */
  optional?: Anonymous | undefined
  /**
   * Rejects with 400 a token that came over plain http (RFC 6750 §5.3). The socket shows the gate whether a connection uses
   * TLS, except on Express and Koa: there the framework decides, and you can configure the framework to trust a proxy. The gate
   * never uses `Host` or the URL, because the client writes them. A fetch `Request` has no socket, so set `isSecure` as well.
   * Default `false`.
   */
  requireTls?: boolean | undefined
  /**
   * With `requireTls`: returns whether a request came over TLS. The gate calls it only if neither the socket nor the framework
   * reports TLS. Behind your own proxy that always sets `X-Forwarded-Proto`:
   * `(request) => request.header('x-forwarded-proto') === 'https'`. On a platform that accepts only https, such as Workers:
   * `() => true`. Default: only the socket and the framework decide.
   */
  isSecure?: ((request: RequestLike) => boolean) | undefined
  /**
   * With `requireTls`: allows plain http if the remote and the local address of the socket are this machine's, and no proxy has
   * added `Forwarded`, `Via` or `X-Forwarded-*`. The gate cannot notice a proxy on the same machine that adds none of them, so
   * set `allowLoopback` only for development. Default `false`.
   */
  allowLoopback?: boolean | undefined
  /** The places where the gate looks for the token (RFC 6750 §2). Default: the `Authorization` field only. */
  tokenFrom?: TokenSources | undefined
  /**
   * The maximum length of a token. In characters, 256–15,000. Default 8,192. The gate answers a longer token with 400, before
   * any other work. Raise it if an issuer writes long lists into its tokens, such as the ids of 200 groups. The host limits the
   * size of all header fields together: in Node to 16 KiB by default.
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
   * Loads the application's user, such as a row of a database. Called with the identity and the request, after all other checks
   * of the gate have passed: once for each request, unless `userTtl` applies. Handlers read the user with `auth.user(req)`,
   * `auth.user(ctx)` or `gate.userOf(request)`. Return an object, or `null` or `undefined` if there is no such user. If it
   * throws, rejects, or returns anything else, the answer is 503. Default: no user is loaded.
   *
   * A token of a service may have no `sub`. Then `subject` is `undefined`. Check for that before you query: some database
   * libraries ignore a condition if its value is `undefined`, and then return any user.
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
   * For how long the gate reuses a loaded user, for further requests with the same cached token. In seconds, 0–3600. Default 0:
   * the gate loads the user for each request. The user is kept in memory with the cached verification, and never longer. While a user
   * is reused, the gate does not notice changes of the user. It still notices revocations at once. Above 0, all requests with the
   * token get the same object, so `loadUser` must then not read its second argument, the request. If it does, the answer is
   * 503. The option has no effect if the verifier caches nothing.
   */
  userTtl?: Seconds | undefined
  /**
   * The status of the answer if `loadUser` finds no user. Default 401: the error is `invalid_token`, so clients ask for a new
   * token or log in again. With 403 the error is `insufficient_scope`.
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
   * Decides how CORS preflights are answered. A preflight never carries a token. If you pass methods and headers, the gate
   * answers 204 with them. If you pass a CORS middleware, that middleware answers. A preflight reaches no handler. Cannot be
   * combined with `requirement`. Default: the gate treats a preflight as a request without credentials. In that case, mount a
   * CORS middleware before the gate.
   */
  allowPreflight?: PreflightPolicy | CorsMiddleware | undefined
  /** Lets scripts of other origins read the challenge, by `Access-Control-Expose-Headers`. Default `false`. */
  exposeChallenge?: boolean | undefined
  /**
   * Writes the body of the response to a denied request, and adds header fields to that response. It works in the same way on
   * every host. The status, the challenge, `Retry-After` and `Cache-Control` stay those of the gate. If it throws, or returns
   * something that cannot be sent, the default body is sent. `problemDetails` writes problem details (RFC 9457). Default: JSON
   * with `error` and `error_description`.
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

/** A gate for the JWT access tokens of one issuer. */
export type IssuerGateOptions<
  Claims = RawClaims,
  Anonymous extends boolean = false,
  User extends UserObject = never,
> = GateSettings<Identity<Claims>, Anonymous, User> & {
  verifier?: undefined
} & (JwtOptions<Claims> | (JwtOptionsOfResource<Claims> & { resource: string | ResourceMetadata }))

/** A gate for the tokens of a verifier. */
export type VerifierGateOptions<
  V extends Identity<unknown> = Identity,
  Anonymous extends boolean = false,
  User extends UserObject = never,
> = GateSettings<V, Anonymous, User> & {
  verifier: TokenVerifier<V>
  /**
   * Which characters a token may have. `b64token`, the default, is the syntax of RFC 6750 §2.1, and the answer to any other
   * text is 400. With `visible-ascii` the `verifier` also gets tokens with any other visible ASCII character except the comma,
   * such as `12|x7:Ab$9`. The answer to a token with white space, control characters or commas is always 400.
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
