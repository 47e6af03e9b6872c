/** Express: translate in, call the core, translate out. */

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
import type { NextFunction, RequestHandler, Response } from 'express'

declare global {
  namespace Express {
    interface Request {
      /** Who sent the request; `undefined` where `bearer()` did not run. `auth.identity(req)` knows it for sure. */
      identity?: Identity<unknown> | undefined
    }
  }
}

type Answer = Pick<Refusal, 'headers'> & { readonly status: number; readonly body: string }

/** The middleware that `bearer` makes. */
export interface Bearer<I extends Sender = Identity> extends RequestHandler {
  readonly gate: Gate<I>
  /**
   * Who sent the request; `undefined` where `optional` or `passPreflight` let it pass without an identity.
   * @throws TypeError where this middleware did not run for it
   */
  identity(request: Express.Request): I
}

/**
 * Lets a request pass whose bearer token is good, as `req.identity`; answers 400, 401, 403 or 503 to any other.
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
  const middleware: RequestHandler = (request, response, next) => {
    function settle(decision: Decision<I>): void {
      if (decision.ok) {
        attach(request, gate, decision)
        request.identity = decision.identity
        if (decision.headers !== undefined) insist(response, decision.headers)
      }
      proceed(decision, gate.onReject, response, next)
    }
    const view = nodeRequest(request)
    const answer = gate.metadata(view)
    if (answer !== undefined) return void send(response, answer)
    const decision = gate.authenticate(view)
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
  const rule = requirement('authorize', required)
  return (request, response, next) => {
    proceed(...authorizeAttached(request, rule), response, next)
  }
}

/**
 * Lets a request pass whose token has every one of the scopes. Stands behind `bearer()`.
 * @throws TypeError where no scope is given, or what is given is not a scope-token
 */
export function requireScope(first: string, ...rest: readonly string[]): RequestHandler {
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
): RequestHandler {
  const answerOf = metadataAnswer(source)
  return (request, response, next) => {
    const answer = answerOf(nodeRequest(request))
    if (answer === undefined) next()
    else send(response, answer)
  }
}

function proceed(
  decision: Decision<Sender>,
  onReject: OnReject,
  response: Response,
  next: NextFunction,
): void {
  if (decision.ok) next()
  else if (onReject === 'next') next(new RefusalError(decision))
  else if (!response.headersSent) send(response, { ...decision, body: JSON.stringify(decision.body) })
}

/** What another middleware exposes to scripts stays exposed. */
function send(response: Response, { status, headers, body }: Answer): void {
  const { 'Access-Control-Expose-Headers': exposed, ...fields } = headers
  if (exposed !== undefined) response.append('Access-Control-Expose-Headers', exposed as string)
  response.status(status).set(fields).end(body)
}
