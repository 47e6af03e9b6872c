/** Koa: translate in, call the core, translate out. */

import {
  type AllowedIdentity,
  type AllowedUser,
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
  type Answer,
  type Authorizing,
  answerOf,
  authorizeRequest,
  type CallerHelpers,
  callerHelpers,
  forceHeaders,
  metadataHandler,
  type Scopes,
  scopesRequirement,
  setDecision,
  toGate,
  toRequirement,
} from '@bearergate/core/adapter'
import type { Context, ExtendableContext, Middleware, Next } from 'koa'

declare module 'koa' {
  interface DefaultState {
    /** Who sent the request; `undefined` where `bearer()` did not run. `auth.identity(ctx)` knows it for sure. */
    identity?: Identity<unknown> | undefined
  }
}

/** The middleware that `bearer` makes. `identity`, `token` and `user` read what it found out about a request. */
export interface Bearer<I extends Identity<unknown> | undefined = Identity, User = unknown>
  extends Middleware,
    CallerHelpers<I, User, ExtendableContext> {
  readonly gate: Gate<I, User>
  /**
   * Lets a request pass if the identity that this gate let pass meets the requirement, and answers 403 or asks for a
   * step-up otherwise. Mount it behind this middleware.
   * @throws TypeError if it is not a requirement
   */
  authorize(required: Requirement<NonNullable<I>, Context>): Middleware
  /**
   * Lets a request pass if its token has all of these scopes, and answers 403 otherwise. Mount it behind this middleware.
   * @throws TypeError if there is no scope, or one is not a scope-token (RFC 6749 §3.3)
   */
  requireScope(first: Scopes, ...rest: readonly Scopes[]): Middleware
}

/**
 * Lets a request pass whose bearer token is good, as `ctx.state.identity`; answers 400, 401, 403 or 503 to any other.
 * @param options those of `createGate`, or a gate
 * @throws TypeError where an option is unknown, missing or impossible
 */
export function bearer<I extends Identity<unknown> | undefined, User = unknown>(
  gate: Gate<I, User>,
): Bearer<I, User>
export function bearer<
  V extends Identity<unknown> = Identity,
  Anonymous extends boolean = false,
  User = unknown,
>(
  options: VerifierGateOptions<V, Anonymous, User>,
): Bearer<AllowedIdentity<V, Anonymous>, AllowedUser<User, Anonymous>>
export function bearer<Claims = Identity['claims'], Anonymous extends boolean = false, User = unknown>(
  options: IssuerGateOptions<Claims, Anonymous, User>,
): Bearer<AllowedIdentity<Identity<Claims>, Anonymous>, AllowedUser<User, Anonymous>>
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
      } catch (cause) {
        if (gate.onDenied === 'next') throw cause
        send(context, answerOf(decision))
      }
    }
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
 * Like `auth.authorize`, for the only `bearer()` that ran for the request. If more than one ran, it throws a `TypeError`.
 * @throws TypeError if it is not a requirement
 */
export function authorize(required: Requirement<Identity<unknown>, Context>): Middleware {
  return guard(required)
}

/**
 * Like `auth.requireScope`, for the only `bearer()` that ran for the request. If more than one ran, it throws a `TypeError`.
 * @throws TypeError if there is no scope, or one is not a scope-token (RFC 6749 §3.3)
 */
export function requireScope(first: Scopes, ...rest: readonly Scopes[]): Middleware {
  return authorize(scopesRequirement([first, ...rest]))
}

/**
 * Answers requests for the metadata of a protected resource, which need no token (RFC 9728 §3); any other passes. Stands at
 * the root of the app; `bearer()` with a `resource` does the same where it is mounted.
 * @param source a gate with a `resource`, or the metadata itself
 * @throws TypeError where there is no resource, or a member is unknown or impossible
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

function guard(required: Required, gate?: Authorizing): Middleware {
  const rule = toRequirement('authorize', required)
  return (context, next) => {
    const [decision, onDenied] = authorizeRequest<Context>(context, rule, gate)
    if (!(decision instanceof Promise)) return proceed(decision, onDenied, context, next)
    return decision.then((settled) => proceed(settled, onDenied, context, next))
  }
}

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

/** What another middleware exposes to scripts stays exposed. */
function send(context: Context, { status, headers, body }: Answer): void {
  const { 'Access-Control-Expose-Headers': exposed, ...fields } = headers
  if (exposed !== undefined) context.append('Access-Control-Expose-Headers', exposed as string)
  context.status = status
  context.set(fields as Record<string, string | string[]>)
  context.body = body
}
