/** Defines what applications and adapters see of a gate. */

import type { MetadataResponse } from '../answer/metadata.ts'
import type { CorsMiddleware } from '../answer/preflight.ts'
import type { Requirement, SyncRequirement } from '../authorize/requirement.ts'
import type { Decision } from '../model/decision.ts'
import type { Identity } from '../model/identity.ts'
import type { Explanation } from '../observe/explain.ts'
import type { RequestLike } from '../request/request.ts'
import type { HandlerOptions } from './handler-options.ts'
import type { Background } from './keep-alive.ts'
import type { OnDenied } from './options.ts'
import type { ProtectedHandler } from './protect.ts'
import type { Revocation } from './revoke.ts'

/**
 * Decides which requests are allowed. Create one per set of rules: a gate serves any number of requests, hosts and frameworks.
 */
export interface Gate<I extends Identity<unknown> | undefined = Identity, User = unknown> {
  /** The option `onDenied`, for adapters of frameworks. */
  readonly onDenied: OnDenied
  /** The CORS middleware that answers preflights, if `allowPreflight` is one. */
  readonly cors: CorsMiddleware | undefined
  /**
   * Decides whether a request is allowed. Never throws or rejects. Returns the decision itself, not a promise, if the result
   * for the token is cached and no function in the options returns a promise.
   * @param request a fetch `Request`, or a `RequestLike` made of any other request
   * @param background keeps the runtime awake for work that continues after the answer, such as the `ctx` of a Worker
   */
  authenticate(request: Request | RequestLike, background?: Background): Decision<I> | Promise<Decision<I>>
  /**
   * Decides whether an identity meets a requirement. If it does not, the answer is 403 with every scope that is needed (RFC
   * 6750 §3.1), or 401 if a stronger authentication is needed (RFC 9470). Without an identity, the answer is 401. Never throws
   * or rejects. Returns a promise only if a function in the requirement does.
   * @param request the second argument of functions in the requirement
   */
  authorize<R = unknown>(identity: I, required: SyncRequirement<NonNullable<I>, R>, request?: R): Decision<I>
  authorize<R = unknown>(
    identity: I,
    required: Requirement<NonNullable<I>, R>,
    request?: R,
  ): Decision<I> | Promise<Decision<I>>
  /**
   * Returns a fetch handler that calls your handler if the request is allowed. Otherwise it answers the request itself. It
   * passes further arguments of the runtime on to your handler, such as `env` and `ctx`.
   *
   * @example
   * gate.protect(deleteMessage, { requirement: scope('write:messages') })
   * @throws TypeError if the handler is not a function, or an option is unknown or invalid
   */
  protect<Rest extends unknown[]>(
    handler: ProtectedHandler<I, Rest>,
    options?: HandlerOptions<I, Request>,
  ): (request: Request, ...rest: Rest) => Promise<Response>
  /**
   * Returns the raw token of an allowed request, so that you can forward it to another API. The token is a secret: do not log
   * or store it. No identity, event or error contains it.
   * @param request the request that a handler got: of `protect`, of Express, the `ctx` of Koa, or the event of Lambda
   * @throws TypeError if this gate did not allow the request, or `optional` allowed it without a token
   */
  tokenOf(request: object): string
  /**
   * Returns the user that `loadUser` returned for an allowed request. `undefined` if `optional` allowed the request without an
   * identity.
   * @param request the request, the event of Lambda, the `req` of Express, the `ctx` of Koa, or an allowed decision
   * @throws TypeError if this gate did not allow the request, or has no `loadUser`
   */
  userOf(request: object): User
  /**
   * Returns a signal for what outlives an allowed request, such as an event stream or a WebSocket. It aborts when the token of the
   * request expires (`exp`), or is revoked by `gate.revoke`, here or in another process. The reason is an error with the code
   * `ERR_TOKEN_EXPIRED` or `ERR_TOKEN_REVOKED`. `isRevoked` is not called again. Add your listener before the next `await`: a
   * token that the gate accepts within its `clockTolerance` has expired already.
   * @param request as for `tokenOf`
   * @param ended a signal that aborts when the stream is over, so that the gate forgets it before the token expires
   * @throws TypeError if this gate did not allow the request, or `optional` allowed it without a token
   */
  signal(request: object, ended?: AbortSignal): AbortSignal
  /**
   * Returns the answer to a request for the metadata of the protected resource, which needs no token (RFC 9728 §3), and
   * `undefined` for any other request. `protect` and the middleware of Express and Koa call it themselves.
   */
  metadata(request: Request | RequestLike): MetadataResponse | undefined
  /**
   * Revokes a token, or all tokens of a session or a subject. From now on this gate and every gate with the same `revocations` rejects them,
   * also if their result is cached or their verification is pending. The gate forgets the revocation after the last of these
   * tokens has expired.
   * @throws TypeError if it is not a revocation
   * @throws RangeError if the store is full
   */
  revoke(revocation: Revocation): Promise<void>
  /**
   * Fetches what the first request needs, such as the keys of the issuer. Optional: otherwise the first request fetches them.
   * @throws UnavailableError if they cannot be fetched now
   */
  ready(): Promise<void>
  /**
   * Aborts pending fetches and starts no more, if the gate created its verifier. Cached keys and results stay usable. For any
   * other token the answer is 503. A `verifier` that you passed may serve other gates, so close it yourself.
   */
  close(): void
  /**
   * Explains a token, or the token of a request: makes the checks of the gate in their order, and returns for each what it
   * compared, what went wrong, and which option or setting of the issuer would correct it. It decides nothing and caches
   * nothing. It may fetch keys or introspect the token, and calls `isRevoked`, the `requirement` and `loadUser`.
   *
   * For operators only: the explanation contains neither the token nor a part of it, but claims and configuration, so never
   * send it to a client of the API.
   *
   * @example
   * const { failed } = await gate.explain(token)
   * console.log(failed?.cause, failed?.fix)
   * @throws TypeError if the argument is neither a token nor a request. Also in a bundle for Workers or browsers without the
   *   import of `@bearergate/core/explain`
   */
  explain(token: string | Request | RequestLike): Promise<Explanation>
  /** Returns the configuration and the state as plain data without secrets, for operators. */
  describe(): GateDescription
}

export interface GateDescription {
  readonly realm: string
  /** The URL of the metadata, if the gate has a `resource`. */
  readonly metadataUrl?: string | undefined
  /** The number of revocations in the store of the gate. */
  readonly revocations: number
  /** The state of the store of revocations, if it describes itself, such as that of `@bearergate/redis`. */
  readonly revocationStore?: object | undefined
  /** The result of the verifier's `describe`. For `jwt` a `JwtDescription`. With a cache also `cache: { max, entries }`. */
  readonly verifier: object
}
