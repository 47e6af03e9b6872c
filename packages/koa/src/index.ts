/** Koa: translate in, call the core, translate out. */

import {
  allOf,
  attach,
  authorizeAttached,
  type Decision,
  type Gate,
  type GateOptions,
  gateOf,
  type Identity,
  identityFrom,
  nodeRequest,
  type OnReject,
  RefusalError,
  type Requirement,
  requirement,
  scope,
} from '@bearergate/core'
import type { Context, ExtendableContext, Middleware, Next } from 'koa'

declare module 'koa' {
  interface DefaultState {
    /** Who sent the request; `undefined` where `bearer()` did not run. `auth.identity(ctx)` knows it for sure. */
    identity?: Identity<unknown> | undefined
  }
}

/** The middleware that `bearer` makes. */
export interface Bearer<I extends Identity<unknown> = Identity> extends Middleware {
  readonly gate: Gate<I>
  /**
   * Who sent the request.
   * @throws TypeError where this middleware did not run for it
   */
  identity(context: ExtendableContext): I
}

/**
 * Lets a request pass whose bearer token is good, as `ctx.state.identity`; answers 400, 401, 403 or 503 to any other.
 * @param options those of `createGate`, or a gate
 * @throws TypeError where an option is unknown, missing or impossible
 */
export function bearer<I extends Identity<unknown> = Identity>(options: GateOptions<I> | Gate<I>): Bearer<I> {
  const gate = gateOf(options)
  const middleware: Middleware = (context, next) => {
    function settle(decision: Decision<I>): unknown {
      if (decision.ok) {
        attach(context, gate, decision.identity)
        context.state.identity = decision.identity
      }
      return proceed(decision, gate.onReject, context, next)
    }
    const decision = gate.authenticate(nodeRequest(context.req))
    return decision instanceof Promise ? decision.then(settle) : settle(decision)
  }
  return Object.assign(middleware, {
    gate,
    identity: (context: ExtendableContext) => identityFrom(context, gate),
  })
}

/**
 * Lets a request pass that does what is required, and answers 403 to any other. Stands behind `bearer()`.
 * @throws TypeError where the requirement is none
 */
export function authorize(required: Requirement): Middleware {
  requirement('authorize', required)
  return (context, next) => proceed(...authorizeAttached(context, required), context, next)
}

/**
 * Lets a request pass whose token has every one of the scopes. Stands behind `bearer()`.
 * @throws TypeError where no scope is given, or what is given is not a scope-token
 */
export function requireScope(first: string, ...rest: readonly string[]): Middleware {
  return authorize(allOf(scope(first), ...rest.map((name) => scope(name))))
}

function proceed(
  decision: Decision<Identity<unknown>>,
  onReject: OnReject,
  context: Context,
  next: Next,
): unknown {
  if (decision.ok) return next()
  if (onReject === 'next') throw new RefusalError(decision)
  context.status = decision.status
  context.set(decision.headers as Record<string, string | string[]>)
  context.body = JSON.stringify(decision.body)
  return undefined
}
