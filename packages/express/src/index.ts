/** Express, and whatever else has requests of `node:http`: translate in, call the core, translate out. */

import {
  type AllowedIdentity,
  type AllowedUser,
  BearerAuthError,
  type Decision,
  fromNodeRequest,
  type Gate,
  type Identity,
  type IssuerGateOptions,
  type NodeRequest,
  type OnDenied,
  type Passed,
  type Requirement,
  type ResourceMetadata,
  type VerifierGateOptions,
} from '@bearergate/core'
import {
  type Authorizing,
  answerOf,
  answerPreflight,
  authorizeRequest,
  type CallerHelpers,
  callerHelpers,
  forceHeaders,
  metadataHandler,
  type NodeHandler,
  type NodeResponse,
  type Scopes,
  scopesRequirement,
  sendAnswer,
  setDecision,
  toGate,
  toRequirement,
} from '@bearergate/core/adapter'
import type { Request, RequestHandler } from 'express'

declare global {
  namespace Express {
    interface Request {
      /** Who sent the request; `undefined` where `bearer()` did not run. `auth.identity(req)` knows it for sure. */
      identity?: Identity<unknown> | undefined
    }
  }
}

/**
 * The middleware that `bearer` makes: for Express, and for any host that calls it with a request and a response of Node.
 * `identity`, `token` and `user` read what it found out about a request.
 */
export interface Bearer<I extends Identity<unknown> | undefined = Identity, User = unknown>
  extends RequestHandler,
    NodeHandler,
    CallerHelpers<I, User, Express.Request | NodeRequest> {
  readonly gate: Gate<I, User>
  /**
   * Lets a request pass if the identity that this gate let pass meets the requirement, and answers 403 or asks for a
   * step-up otherwise. Mount it behind this middleware.
   * @throws TypeError if it is not a requirement
   */
  authorize(required: Requirement<NonNullable<I>, Request>): RequestHandler & NodeHandler
  /**
   * Lets a request pass if its token has all of these scopes, and answers 403 otherwise. Mount it behind this middleware.
   * @throws TypeError if there is no scope, or one is not a scope-token (RFC 6749 §3.3)
   */
  requireScope(first: Scopes, ...rest: readonly Scopes[]): RequestHandler & NodeHandler
}

/**
 * Lets a request pass whose bearer token is good, as `req.identity`; answers 400, 401, 403 or 503 to any other.
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
    const view = fromNodeRequest(request)
    const answer = gate.metadata(view)
    if (answer !== undefined) return void sendAnswer(response, answer)
    const decision = gate.authenticate(view)
    // What `next` throws is not caught: called again, a plain `next` would run its handler a second time.
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
 * Like `auth.authorize`, for the only `bearer()` that ran for the request. If more than one ran, it throws a `TypeError`.
 * @throws TypeError if it is not a requirement
 */
export function authorize(required: Requirement<Identity<unknown>, Request>): RequestHandler & NodeHandler {
  return guard(required as Required)
}

/**
 * Like `auth.requireScope`, for the only `bearer()` that ran for the request. If more than one ran, it throws a `TypeError`.
 * @throws TypeError if there is no scope, or one is not a scope-token (RFC 6749 §3.3)
 */
export function requireScope(first: Scopes, ...rest: readonly Scopes[]): RequestHandler & NodeHandler {
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

function guard(required: Required, gate?: Authorizing): RequestHandler & NodeHandler {
  const rule = toRequirement('authorize', required)
  return (request: NodeRequest, response: NodeResponse, next: Next) => {
    const [decision, onDenied] = authorizeRequest(request, rule, gate)
    if (decision instanceof Promise)
      void decision.then((settled) => proceed(settled, onDenied, response, next))
    else proceed(decision, onDenied, response, next)
  }
}

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
