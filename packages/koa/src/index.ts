/** Koa: translate in, call the core, translate out. */

import {
  type Answer,
  answerOf,
  attach,
  authorizeAttached,
  type Decision,
  type Gate,
  gateOf,
  type Identity,
  type IssuerGateOptions,
  identityFrom,
  insist,
  metadataAnswer,
  nodeRequest,
  type OnReject,
  type Passing,
  RefusalError,
  type Requirement,
  type ResourceMetadata,
  requirement,
  type Scopes,
  type Sender,
  scopesRequirement,
  type VerifierGateOptions,
} from '@bearergate/core'
import type { Context, ExtendableContext, Middleware, Next } from 'koa'

declare module 'koa' {
  interface DefaultState {
    /** Who sent the request; `undefined` where `bearer()` did not run. `auth.identity(ctx)` knows it for sure. */
    identity?: Identity<unknown> | undefined
  }
}

/** The middleware that `bearer` makes. */
export interface Bearer<I extends Sender = Identity> extends Middleware {
  readonly gate: Gate<I>
  /**
   * Returns the caller's identity; `undefined` if `optional` let the request pass without one.
   * @throws TypeError if this middleware did not run for the request
   */
  identity(context: ExtendableContext): I
  /**
   * Lets a request pass if the identity that this gate let pass meets the requirement, and answers 403 or asks for a
   * step-up otherwise. Mount it behind this middleware.
   * @throws TypeError if it is not a requirement
   */
  authorize(required: Requirement<NonNullable<I>>): Middleware
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
export function bearer<I extends Sender>(gate: Gate<I>): Bearer<I>
export function bearer<V extends Identity<unknown> = Identity, Anonymous extends boolean = false>(
  options: VerifierGateOptions<V, Anonymous>,
): Bearer<Passing<V, Anonymous>>
export function bearer<Claims = Identity['claims'], Anonymous extends boolean = false>(
  options: IssuerGateOptions<Claims, Anonymous>,
): Bearer<Passing<Identity<Claims>, Anonymous>>
export function bearer<I extends Sender>(options: object, ...more: readonly never[]): Bearer<I> {
  const gate = gateOf<I>(options, more)
  const middleware: Middleware = (context, next) => {
    function settle(decision: Decision<I>): unknown {
      if (decision.ok) {
        attach(context, gate, decision)
        context.state.identity = decision.identity
        if (decision.headers !== undefined) insist(context.res, decision.headers)
      }
      if (!decision.ok && decision.reason === 'preflight' && gate.cors !== undefined) {
        const cors = gate.cors as Middleware
        return cors(context, async () => send(context, answerOf(decision)))
      }
      return proceed(decision, gate.onReject, context, next)
    }
    const view = nodeRequest(context.req, context.request)
    const answer = gate.metadata(view)
    if (answer !== undefined) return send(context, answer)
    const decision = gate.authenticate(view)
    return decision instanceof Promise ? decision.then(settle) : settle(decision)
  }
  return Object.assign(middleware, {
    gate,
    identity: (context: ExtendableContext) => identityFrom(context, gate),
    authorize: (required: Requirement<NonNullable<I>>) => guard(required as Requirement, gate),
    requireScope: (...scopes: readonly Scopes[]) => guard(scopesRequirement(scopes), gate),
  })
}

/**
 * Like `auth.authorize`, for the only `bearer()` that ran for the request. If more than one ran, it throws a `TypeError`.
 * @throws TypeError if it is not a requirement
 */
export function authorize(required: Requirement): Middleware {
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
  const answerOf = metadataAnswer(source)
  return (context, next) => {
    const answer = answerOf(nodeRequest(context.req, context.request))
    return answer === undefined ? next() : send(context, answer)
  }
}

function guard(required: Requirement, gate?: Gate<Sender>): Middleware {
  const rule = requirement('authorize', required)
  return (context, next) => proceed(...authorizeAttached(context, rule, gate), context, next)
}

function proceed(decision: Decision<Sender>, onReject: OnReject, context: Context, next: Next): unknown {
  if (decision.ok) return next()
  if (onReject === 'next' && decision.reason !== 'preflight') throw new RefusalError(decision)
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
