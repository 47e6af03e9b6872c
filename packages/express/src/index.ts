/** Express: translate in, call the core, translate out. */

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
import type { NextFunction, RequestHandler, Response } from 'express'

declare global {
  namespace Express {
    interface Request {
      /** Who sent the request; `undefined` where `bearer()` did not run. `auth.identity(req)` knows it for sure. */
      identity?: Identity<unknown> | undefined
    }
  }
}

/** The middleware that `bearer` makes. */
export interface Bearer<I extends Identity<unknown> = Identity> extends RequestHandler {
  readonly gate: Gate<I>
  /**
   * Who sent the request.
   * @throws TypeError where this middleware did not run for it
   */
  identity(request: Express.Request): I
}

/**
 * Lets a request pass whose bearer token is good, as `req.identity`; answers 400, 401, 403 or 503 to any other.
 * @param options those of `createGate`, or a gate
 * @throws TypeError where an option is unknown, missing or impossible
 */
export function bearer<I extends Identity<unknown> = Identity>(options: GateOptions<I> | Gate<I>): Bearer<I> {
  const gate = gateOf(options)
  const middleware: RequestHandler = (request, response, next) => {
    function settle(decision: Decision<I>): void {
      if (decision.ok) {
        attach(request, gate, decision.identity)
        request.identity = decision.identity
      }
      proceed(decision, gate.onReject, response, next)
    }
    const decision = gate.authenticate(nodeRequest(request))
    if (decision instanceof Promise) decision.then(settle).catch(next)
    else settle(decision)
  }
  return Object.assign(middleware, {
    gate,
    identity: (request: Express.Request) => identityFrom(request, gate),
  })
}

/**
 * Lets a request pass that does what is required, and answers 403 to any other. Stands behind `bearer()`.
 * @throws TypeError where the requirement is none
 */
export function authorize(required: Requirement): RequestHandler {
  requirement('authorize', required)
  return (request, response, next) => {
    proceed(...authorizeAttached(request, required), response, next)
  }
}

/**
 * Lets a request pass whose token has every one of the scopes. Stands behind `bearer()`.
 * @throws TypeError where no scope is given, or what is given is not a scope-token
 */
export function requireScope(first: string, ...rest: readonly string[]): RequestHandler {
  return authorize(allOf(scope(first), ...rest.map((name) => scope(name))))
}

function proceed(
  decision: Decision<Identity<unknown>>,
  onReject: OnReject,
  response: Response,
  next: NextFunction,
): void {
  if (decision.ok) next()
  else if (onReject === 'next') next(new RefusalError(decision))
  else if (!response.headersSent)
    response.status(decision.status).set(decision.headers).end(JSON.stringify(decision.body))
}
