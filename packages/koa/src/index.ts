/** Adapts gates to Koa: it translates the request, calls the core, and translates the decision. */

import {
  BearerAuthError,
  type Decision,
  fromNodeRequest,
  type Gate,
  type Identity,
  type IssuerGateOptions,
  type OnDenied,
  type Preflight,
  type Requirement,
  type ResourceMetadata,
  type VerifierGateOptions,
} from '@bearergate/core'
import {
  type AllowedIdentity,
  type AllowedUser,
  type Answer,
  type Authorizing,
  answerOf,
  assertHost,
  authorizeRequest,
  type CallerHelpers,
  callerHelpers,
  forceHeaders,
  metadataHandler,
  removeTargetedCacheControl,
  type Scopes,
  scopesRequirement,
  setDecision,
  toGate,
  toRequirement,
  type UserObject,
} from '@bearergate/core/adapter'
import type { Context, ExtendableContext, Middleware, Next } from 'koa'

declare module 'koa' {
  interface DefaultState {
    /**
     * The caller's identity. `undefined` if `bearer()` did not run. Other middleware can change it, so `auth.identity(ctx)` is
     * safer, and has the exact type.
     */
    identity?: Identity<unknown> | undefined
  }
}

/**
 * The middleware that `bearer` creates. Its methods `identity`, `token` and `user` return the results for a request.
 *
 * @example
 * router.get('/me', auth, (ctx) => { ctx.body = { subject: auth.identity(ctx).subject } })
 */
export interface Bearer<I extends Identity<unknown> | undefined = Identity, User = unknown>
  extends Middleware,
    CallerHelpers<I, User, ExtendableContext> {
  /** The gate that decides. Use it for `gate.ready()`, `gate.revoke()`, `gate.close()` and `gate.describe()`. */
  readonly gate: Gate<I, User>
  /**
   * Creates middleware that allows a request if its identity meets the requirement. It answers any other request 403, or 401
   * with a step-up challenge (RFC 9470 §3). Mount it after this middleware.
   *
   * @example
   * router.delete('/orders/:id', auth.authorize(allOf(scope('orders:write'), maxAge(300))), remove)
   * @throws TypeError if it is not a requirement
   */
  authorize(required: Requirement<NonNullable<I>, Context>): Middleware
  /**
   * Creates middleware that allows a request if its token has all of these scopes. It answers any other request 403
   * `insufficient_scope`, with all of these scopes (RFC 6750 §3.1). Mount it after this middleware.
   *
   * @example
   * router.get('/orders', auth.requireScope('orders:read'), list)
   * @throws TypeError if there is no scope, or one is not a scope-token (RFC 6749 §3.3)
   */
  requireScope(first: Scopes, ...rest: readonly Scopes[]): Middleware
}

/**
 * Creates middleware that allows requests with a valid bearer token. It sets `ctx.state.identity`, and adds the headers that
 * the response must carry. It answers any other request with 400, 401, 403 or 503, or throws a `BearerAuthError` if `onDenied`
 * is `next`.
 *
 * @example
 * const auth = bearer({ issuer: 'https://id.example.com', audience: 'https://api.example.com' })
 * app.use(auth)
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
  const middleware: Middleware = (context, next) => {
    function settle(decision: Decision<I>): unknown {
      if (decision.ok) {
        setDecision(context, gate, decision, view)
        context.state.identity = decision.identity
        if (decision.headers !== undefined) forceHeaders(context.res, decision.headers)
      }
      if (!decision.ok && decision.reason === 'preflight' && gate.cors !== undefined) {
        return answerBy(gate.cors as Middleware, decision)
      }
      return proceed(decision, gate.onDenied, context, next)
    }
    /** If the CORS middleware throws, the gate answers, unless `onDenied` passes errors to the app. */
    async function answerBy(cors: Middleware, decision: Preflight): Promise<void> {
      try {
        await cors(context, async () => send(context, answerOf(decision)))
        if (context.status === 404 && context.body == null) send(context, answerOf(decision))
      } catch (cause) {
        if (gate.onDenied === 'next') throw cause
        send(context, answerOf(decision))
      }
    }
    assertHost('@bearergate/koa', typeof context.set === 'function', 'In Express, use @bearergate/express')
    const view = fromNodeRequest(context.req, context.request)
    const answer = gate.metadata(view)
    if (answer !== undefined) return send(context, answer)
    const decision = gate.authenticate(view)
    return decision instanceof Promise ? decision.then(settle) : settle(decision)
  }
  return Object.assign(middleware, {
    gate,
    ...callerHelpers(gate),
    authorize: (required: Requirement<NonNullable<I>, Context>) => guard(required as Required, gate),
    requireScope: (...scopes: readonly Scopes[]) => guard(scopesRequirement(scopes), gate),
  })
}

/**
 * Creates middleware like `auth.authorize`, for the only `bearer()` that ran for the request. Use it in modules that do not
 * know `auth`. If none or more than one ran, the middleware throws a `TypeError`, which is a mistake in the app.
 * @throws TypeError if it is not a requirement
 */
export function authorize(required: Requirement<Identity<unknown>, Context>): Middleware {
  return guard(required)
}

/**
 * Creates middleware like `auth.requireScope`, for the only `bearer()` that ran for the request. If none or more than one ran,
 * the middleware throws a `TypeError`.
 * @throws TypeError if there is no scope, or one is not a scope-token (RFC 6749 §3.3)
 */
export function requireScope(first: Scopes, ...rest: readonly Scopes[]): Middleware {
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
): Middleware {
  const answerOf = metadataHandler(source)
  return (context, next) => {
    const answer = answerOf(fromNodeRequest(context.req, context.request))
    return answer === undefined ? next() : send(context, answer)
  }
}

type Required = Requirement<Identity<unknown>, Context>

/** Creates the middleware of `authorize`. Checks the requirement at creation, not at the first request. */
function guard(required: Required, gate?: Authorizing): Middleware {
  const rule = toRequirement('authorize', required)
  return (context, next) => {
    const [decision, onDenied] = authorizeRequest<Context>(context, rule, gate)
    if (!(decision instanceof Promise)) return proceed(decision, onDenied, context, next)
    return decision.then((settled) => proceed(settled, onDenied, context, next))
  }
}

/** Calls the next middleware, or answers as `onDenied` says. */
function proceed(
  decision: Decision<Identity<unknown> | undefined>,
  onDenied: OnDenied,
  context: Context,
  next: Next,
): unknown {
  if (decision.ok) return next()
  if (onDenied === 'next' && decision.reason !== 'preflight') throw new BearerAuthError(decision)
  return send(context, answerOf(decision))
}

/** Sends an answer. Headers that other middleware exposes to scripts stay exposed. */
function send(context: Context, { status, headers, body }: Answer): void {
  const { 'Access-Control-Expose-Headers': exposed, ...fields } = headers
  removeTargetedCacheControl(context.res)
  if (exposed !== undefined) context.append('Access-Control-Expose-Headers', exposed as string)
  context.status = status
  context.set(fields as Record<string, string | string[]>)
  context.body = body
}
