/**
 * Adapts gates to Express, and to any framework with requests of `node:http`: it translates the request, calls the core, and
 * translates the decision.
 */

import {
  BearerAuthError,
  type Decision,
  fromNodeRequest,
  type Gate,
  type Identity,
  type IssuerGateOptions,
  type OnDenied,
  type Passed,
  type Requirement,
  type ResourceMetadata,
  type VerifierGateOptions,
} from '@bearergate/core'
import {
  type AllowedIdentity,
  type AllowedUser,
  type Authorizing,
  answerOf,
  answerPreflight,
  assertHost,
  authorizeRequest,
  type CallerHelpers,
  callerHelpers,
  forceHeaders,
  metadataHandler,
  type NodeHandler,
  type NodeRequest,
  type NodeResponse,
  type Scopes,
  scopesRequirement,
  sendAnswer,
  setDecision,
  toGate,
  toRequirement,
  type UserObject,
} from '@bearergate/core/adapter'
import type { Request, RequestHandler } from 'express'

declare global {
  namespace Express {
    interface Request {
      /**
       * The caller's identity. `undefined` if `bearer()` did not run. Other middleware can change it, so `auth.identity(req)`
       * is safer, and has the exact type.
       */
      identity?: Identity<unknown> | undefined
    }
  }
}

/**
 * The middleware that `bearer` creates: for Express, and for any host that calls it with a request and a response of Node. Its
 * methods `identity`, `token` and `user` return the results for a request.
 *
 * @example
 * app.get('/me', auth, (req, res) => res.json({ subject: auth.identity(req).subject }))
 */
export interface Bearer<I extends Identity<unknown> | undefined = Identity, User = unknown>
  extends RequestHandler,
    NodeHandler,
    CallerHelpers<I, User, Express.Request | NodeRequest> {
  /** The gate that decides. Use it for `gate.ready()`, `gate.revoke()`, `gate.close()` and `gate.describe()`. */
  readonly gate: Gate<I, User>
  /**
   * Creates middleware that allows a request if its identity meets the requirement. It answers any other request 403, or 401
   * with a step-up challenge (RFC 9470 §3). Mount it after this middleware.
   *
   * @example
   * app.delete('/orders/:id', auth.authorize(allOf(scope('orders:write'), maxAge(300))), remove)
   * @throws TypeError if it is not a requirement
   */
  authorize(required: Requirement<NonNullable<I>, Request>): RequestHandler & NodeHandler
  /**
   * Creates middleware that allows a request if its token has all of these scopes. It answers any other request 403
   * `insufficient_scope`, with all of these scopes (RFC 6750 §3.1). Mount it after this middleware.
   *
   * @example
   * app.get('/orders', auth.requireScope('orders:read'), list)
   * @throws TypeError if there is no scope, or one is not a scope-token (RFC 6749 §3.3)
   */
  requireScope(first: Scopes, ...rest: readonly Scopes[]): RequestHandler & NodeHandler
}

/**
 * Creates middleware that allows requests with a valid bearer token. It sets `req.identity`, and adds the headers that the
 * response must carry. It answers any other request with 400, 401, 403 or 503, or passes a `BearerAuthError` to `next` if
 * `onDenied` is `next`. It never throws because of a request.
 *
 * @example
 * const auth = bearer({ issuer: 'https://id.example.com', audience: 'https://api.example.com' })
 * app.use('/api', auth)
 * @param options the options of `createGate`, or a gate, which may serve several middlewares
 * @throws TypeError if an option is unknown, missing or invalid
 */
export function bearer<I extends Identity<unknown> | undefined, User = unknown>(
  gate: Gate<I, User>,
): Bearer<I, User>
export function bearer<
  V extends Identity<unknown> = Identity,
  A extends boolean = false,
  U extends UserObject = never,
>(options: VerifierGateOptions<V, A, U>): Bearer<AllowedIdentity<V, A>, AllowedUser<U, A>>
export function bearer<Claims = Identity['claims'], A extends boolean = false, U extends UserObject = never>(
  options: IssuerGateOptions<Claims, A, U>,
): Bearer<AllowedIdentity<Identity<Claims>, A>, AllowedUser<U, A>>
export function bearer<I extends Identity<unknown> | undefined, User>(
  options: object,
  ...more: readonly never[]
): Bearer<I, User> {
  const gate = toGate<I, User>(options, more)
  const middleware = (request: AnyRequest, response: NodeResponse, next: Next) => {
    function settle(decision: Decision<I>): void {
      try {
        if (decision.ok) attach(decision)
      } catch (cause) {
        next(cause as Error)
        return
      }
      if (decision.ok || decision.reason !== 'preflight' || gate.cors === undefined)
        proceed(decision, gate.onDenied, response, next)
      // `next` is called only with an error, and only if `onDenied` asks for it: the host may ignore its argument.
      else answerPreflight(gate, decision, request, response, next)
    }
    function attach(decision: Passed<I>): void {
      setDecision(request, gate, decision, view)
      request.identity = decision.identity
      if (decision.headers !== undefined) forceHeaders(response, decision.headers)
    }
    assertHost('@bearergate/express', typeof next === 'function', 'In Koa, use @bearergate/koa')
    const view = fromNodeRequest(request)
    const answer = gate.metadata(view)
    if (answer !== undefined) return void sendAnswer(response, answer)
    const decision = gate.authenticate(view)
    // Errors that `next` throws are not caught: passed to `next`, they would make a plain host run its handler a second time.
    if (decision instanceof Promise) void decision.then(settle)
    else settle(decision)
  }
  return Object.assign(middleware, {
    gate,
    ...callerHelpers(gate),
    authorize: (required: Requirement<NonNullable<I>, Request>) => guard(required as Required, gate),
    requireScope: (...scopes: readonly Scopes[]) => guard(scopesRequirement(scopes), gate),
  })
}

/**
 * Creates middleware like `auth.authorize`, for the only `bearer()` that ran for the request. Use it in modules that do not
 * know `auth`. If none or more than one ran, the middleware throws a `TypeError`, which is a mistake in the app.
 * @throws TypeError if it is not a requirement
 */
export function authorize(required: Requirement<Identity<unknown>, Request>): RequestHandler & NodeHandler {
  return guard(required as Required)
}

/**
 * Creates middleware like `auth.requireScope`, for the only `bearer()` that ran for the request. If none or more than one ran,
 * the middleware throws a `TypeError`.
 * @throws TypeError if there is no scope, or one is not a scope-token (RFC 6749 §3.3)
 */
export function requireScope(first: Scopes, ...rest: readonly Scopes[]): RequestHandler & NodeHandler {
  return authorize(scopesRequirement([first, ...rest]))
}

/**
 * Creates middleware that answers requests for the metadata of a protected resource, which need no token (RFC 9728 §3). It
 * calls `next` for any other request. Mount it at the root of the app, because the path of the metadata begins with
 * `/.well-known`. `bearer()` with a `resource` answers the same requests, but only below the path where it is mounted.
 *
 * @example
 * app.use(protectedResource(auth.gate))
 * @param source a gate with a `resource`, or the metadata itself
 * @throws TypeError if there is no resource, or a member is unknown or invalid
 */
export function protectedResource(
  source: Pick<Gate, 'metadata' | 'describe'> | ResourceMetadata,
): RequestHandler & NodeHandler {
  const answerOf = metadataHandler(source)
  return (request: NodeRequest, response: NodeResponse, next: Next) => {
    const answer = answerOf(fromNodeRequest(request))
    if (answer === undefined) next()
    else sendAnswer(response, answer)
  }
}

type Next = Parameters<NodeHandler>[2]

/** Any request of Node. It is not `Express.Request`, which other packages extend with members of their own. */
type AnyRequest = NodeRequest & { identity?: Identity<unknown> | undefined }

type Required = Requirement<Identity<unknown>, NodeRequest>

/** Creates the middleware of `authorize`. Checks the requirement at creation, not at the first request. */
function guard(required: Required, gate?: Authorizing): RequestHandler & NodeHandler {
  const rule = toRequirement('authorize', required)
  return (request: NodeRequest, response: NodeResponse, next: Next) => {
    const [decision, onDenied] = authorizeRequest(request, rule, gate)
    if (decision instanceof Promise)
      void decision.then((settled) => proceed(settled, onDenied, response, next))
    else proceed(decision, onDenied, response, next)
  }
}

/** Calls the next handler, or answers as `onDenied` says. */
function proceed(
  decision: Decision<Identity<unknown> | undefined>,
  onDenied: OnDenied,
  response: NodeResponse,
  next: Next,
): void {
  if (decision.ok) next()
  else if (onDenied === 'next' && decision.reason !== 'preflight') next(new BearerAuthError(decision))
  else sendAnswer(response, answerOf(decision))
}
