/** Checks the requirement of one handler, in addition to the gate. */

import { type AsyncRule, type Requirement, toRequirement } from '../authorize/requirement.ts'
import { readOptions } from '../lib/assert.ts'
import type { Decision } from '../model/decision.ts'
import type { Identity } from '../model/identity.ts'
import type { RequestLike } from '../request/request.ts'
import { toRequestLike } from '../request/to-request-like.ts'
import { setDecision } from './attachments.ts'
import type { Background } from './keep-alive.ts'

/** Options of one handler, in `gate.protect`, `lambda` and `authenticateUpgrade`. */
export interface HandlerOptions<I extends Identity<unknown> | undefined, R> {
  /** The requirement in addition to the `requirement` of the gate. Default: none. `undefined` also means none. */
  requirement?: Requirement<NonNullable<I>, R> | undefined
}

/** @throws TypeError if an option is unknown, or not a requirement */
export function handlerRequirement<I extends Identity<unknown> | undefined, R>(
  factory: string,
  options: HandlerOptions<I, R> = {},
): AsyncRule<NonNullable<I>, R> | undefined {
  const { requirement } = readOptions(factory, options, ['requirement'])
  return requirement === undefined ? undefined : toRequirement('requirement', requirement)
}

/** The members of a gate that are used. */
export interface Deciding<I extends Identity<unknown> | undefined> {
  authenticate(request: Request | RequestLike, background?: Background): Decision<I> | Promise<Decision<I>>
  authorize<R>(
    identity: I,
    required: Requirement<NonNullable<I>, R>,
    request: R,
  ): Decision<I> | Promise<Decision<I>>
}

/**
 * Decides whether a request reaches a handler, and attaches the decision for `gate.tokenOf`.
 * @param carrier what the handler gets as its request
 */
export async function admit<I extends Identity<unknown> | undefined, R extends object>(
  gate: Deciding<I>,
  request: Request | RequestLike,
  carrier: R,
  required: AsyncRule<NonNullable<I>, R> | undefined,
  background?: Background,
): Promise<Decision<I>> {
  const view = toRequestLike(request)
  const decision = await gate.authenticate(view, background)
  if (!decision.ok) return decision
  setDecision<I>(carrier, gate, decision, view)
  if (required === undefined) return decision
  const authorized = await gate.authorize(decision.identity as I, required, carrier)
  return authorized.ok ? decision : authorized
}
