/** Express: translate in, call the core, translate out. */

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
import type { NextFunction, Request, RequestHandler, Response } from 'express'

declare global {
  namespace Express {
    interface Request {
      /** Who sent the request; `undefined` where `bearer()` did not run. `auth.identity(req)` knows it for sure. */
      identity?: Identity<unknown> | undefined
    }
  }
}

/** The middleware that `bearer` makes. `identity`, `token` and `user` read what it found out about a request. */
export interface Bearer<I extends Identity<unknown> | undefined = Identity, User = unknown>
  extends RequestHandler,
    CallerHelpers<I, User, Express.Request> {
  readonly gate: Gate<I, User>
  /**
   * Lets a request pass if the identity that this gate let pass meets the requirement, and answers 403 or asks for a
   * step-up otherwise. Mount it behind this middleware.
   * @throws TypeError if it is not a requirement
   */
  authorize(required: Requirement<NonNullable<I>, Request>): RequestHandler
  /**
   * Lets a request pass if its token has all of these scopes, and answers 403 otherwise. Mount it behind this middleware.
   * @throws TypeError if there is no scope, or one is not a scope-token (RFC 6749 §3.3)
   */
  requireScope(first: Scopes, ...rest: readonly Scopes[]): RequestHandler
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
  const middleware: RequestHandler = (request, response, next) => {
    function settle(decision: Decision<I>): void {
      if (decision.ok) {
        setDecision(request, gate, decision, view)
        request.identity = decision.identity
        if (decision.headers !== undefined) forceHeaders(response, decision.headers)
      }
      if (decision.ok || decision.reason !== 'preflight' || gate.cors === undefined)
        proceed(decision, gate.onDenied, response, next)
      else answerBy(gate.cors as RequestHandler, decision)
    }
    /** Nothing but an error goes on: `next(null)` and `next('route')` would let a preflight into the app. */
    function answerBy(cors: RequestHandler, decision: Preflight): void {
      const answered: NextFunction = (cause?: unknown) => {
        if (cause instanceof Error) next(cause)
        else if (!response.headersSent) send(response, answerOf(decision))
      }
      // A middleware that is an async function may reject, with anything.
      new Promise((resolve) => resolve(cors(request, response, answered))).catch((cause) =>
        next(cause instanceof Error ? cause : new Error('The CORS middleware failed', { cause })),
      )
    }
    const view = fromNodeRequest(request)
    const answer = gate.metadata(view)
    if (answer !== undefined) return void send(response, answer)
    const decision = gate.authenticate(view)
    if (decision instanceof Promise) decision.then(settle).catch(next)
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
export function authorize(required: Requirement<Identity<unknown>, Request>): RequestHandler {
  return guard(required)
}

/**
 * Like `auth.requireScope`, for the only `bearer()` that ran for the request. If more than one ran, it throws a `TypeError`.
 * @throws TypeError if there is no scope, or one is not a scope-token (RFC 6749 §3.3)
 */
export function requireScope(first: Scopes, ...rest: readonly Scopes[]): RequestHandler {
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
): RequestHandler {
  const answerOf = metadataHandler(source)
  return (request, response, next) => {
    const answer = answerOf(fromNodeRequest(request))
    if (answer === undefined) next()
    else send(response, answer)
  }
}

type Required = Requirement<Identity<unknown>, Request>

function guard(required: Required, gate?: Authorizing): RequestHandler {
  const rule = toRequirement('authorize', required)
  return (request, response, next) => {
    const [decision, onDenied] = authorizeRequest(request, rule, gate)
    if (decision instanceof Promise)
      decision.then((settled) => proceed(settled, onDenied, response, next)).catch(next)
    else proceed(decision, onDenied, response, next)
  }
}

function proceed(
  decision: Decision<Identity<unknown> | undefined>,
  onDenied: OnDenied,
  response: Response,
  next: NextFunction,
): void {
  if (decision.ok) next()
  else if (onDenied === 'next' && decision.reason !== 'preflight') next(new BearerAuthError(decision))
  else if (!response.headersSent) send(response, answerOf(decision))
}

/** What another middleware exposes to scripts stays exposed. */
function send(response: Response, { status, headers, body }: Answer): void {
  const { 'Access-Control-Expose-Headers': exposed, ...fields } = headers
  if (exposed !== undefined) response.append('Access-Control-Expose-Headers', exposed as string)
  response.status(status).set(fields).end(body)
}
