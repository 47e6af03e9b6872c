/** Koa: translate in, call the core, translate out. */

import {
  allOf,
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
  type Refusal,
  RefusalError,
  type Requirement,
  type ResourceMetadata,
  requirement,
  type Sender,
  scope,
  type VerifierGateOptions,
} from '@bearergate/core'
import type { Context, ExtendableContext, Middleware, Next } from 'koa'

declare module 'koa' {
  interface DefaultState {
    /** Who sent the request; `undefined` where `bearer()` did not run. `auth.identity(ctx)` knows it for sure. */
    identity?: Identity<unknown> | undefined
  }
}

type Answer = Pick<Refusal, 'headers'> & { readonly status: number; readonly body: string }

/** The middleware that `bearer` makes. */
export interface Bearer<I extends Sender = Identity> extends Middleware {
  readonly gate: Gate<I>
  /**
   * Who sent the request; `undefined` where `optional` or `passPreflight` let it pass without an identity.
   * @throws TypeError where this middleware did not run for it
   */
  identity(context: ExtendableContext): I
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
export function bearer<I extends Sender>(options: object): Bearer<I> {
  const gate = gateOf<I>(options)
  const middleware: Middleware = (context, next) => {
    function settle(decision: Decision<I>): unknown {
      if (decision.ok) {
        attach(context, gate, decision)
        context.state.identity = decision.identity
        if (decision.headers !== undefined) insist(context.res, decision.headers)
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
  })
}

/**
 * Lets a request pass that does what is required, and answers 403 to any other. Stands behind `bearer()`.
 * @throws TypeError where the requirement is none
 */
export function authorize(required: Requirement): Middleware {
  const rule = requirement('authorize', required)
  return (context, next) => proceed(...authorizeAttached(context, rule), context, next)
}

/**
 * Lets a request pass whose token has every one of the scopes. Stands behind `bearer()`.
 * @throws TypeError where no scope is given, or what is given is not a scope-token
 */
export function requireScope(first: string, ...rest: readonly string[]): Middleware {
  return authorize(allOf(scope(first), ...rest.map((name) => scope(name))))
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

function proceed(decision: Decision<Sender>, onReject: OnReject, context: Context, next: Next): unknown {
  if (decision.ok) return next()
  if (onReject === 'next') throw new RefusalError(decision)
  return send(context, { ...decision, body: JSON.stringify(decision.body) })
}

/** What another middleware exposes to scripts stays exposed. */
function send(context: Context, { status, headers, body }: Answer): void {
  const { 'Access-Control-Expose-Headers': exposed, ...fields } = headers
  if (exposed !== undefined) context.append('Access-Control-Expose-Headers', exposed as string)
  context.status = status
  context.set(fields as Record<string, string | string[]>)
  context.body = body
}
