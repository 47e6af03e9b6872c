/** Stores the gate's decision for a request, so that handlers and later middleware find it again. */

import { isObject } from '../lib/json.ts'
import type { Passed } from '../model/decision.ts'
import type { Identity } from '../model/identity.ts'
import { type RequestLike, toRequestLike } from '../request/request.ts'
import { PassedRequest } from './passed.ts'

type AnyIdentity = Identity<unknown> | undefined

interface Attachment {
  readonly gate: object
  readonly decision: Passed<AnyIdentity>
  readonly request: RequestLike | undefined
  /** What another gate attached before. */
  readonly before: Attachment | undefined
}

/** Registered, so that two copies of this module in one process find each other's attachments. */
const ATTACHMENTS = Symbol.for('bearergate.attachments')

type Attachments = WeakMap<object, Attachment>

/** By the request itself: what hangs on it may be shared, copied or replaced. */
function attachments(): Attachments {
  const registry = globalThis as { [ATTACHMENTS]?: Attachments }
  registry[ATTACHMENTS] ??= new WeakMap()
  return registry[ATTACHMENTS]
}

const all = attachments()

/**
 * Stores the decision by which a gate let a request pass.
 * @param carrier the request, or an object that lives as long: the `ctx` of Koa, the event of Lambda
 * @param request the request that the gate decided about, for `onDecision` and `answer` of later decisions
 */
export function setDecision<I extends AnyIdentity>(
  carrier: object,
  gate: object,
  decision: Passed<I>,
  request?: RequestLike,
): void {
  // An emulator may call a Lambda function without an event.
  if (isObject(carrier)) all.set(carrier, { gate, decision, request, before: all.get(carrier) })
}

/** Returns the request that a gate decided about, or a fetch `Request` or `RequestLike` itself. `undefined` for anything else. */
export function requestOf(carrier: unknown, gate: object): RequestLike | undefined {
  if (typeof carrier !== 'object' || carrier === null) return undefined
  for (let found = all.get(carrier); found !== undefined; found = found.before)
    if (found.gate === gate && found.request !== undefined) return found.request
  try {
    return toRequestLike(carrier as RequestLike)
  } catch {
    return undefined
  }
}

/**
 * Returns the decision by which this gate let a request pass.
 * @throws TypeError if it did not
 */
export function attachedDecision(carrier: object, gate: object): Passed<AnyIdentity> {
  for (let found = all.get(carrier); found !== undefined; found = found.before)
    if (found.gate === gate) return found.decision
  throw new TypeError('this bearer() did not run for this request: mount it before this handler')
}

/** Returns the gates that let a request pass, the last one first. */
export function gatesOf(carrier: object): readonly object[] {
  const gates: object[] = []
  for (let found = all.get(carrier); found !== undefined; found = found.before) gates.push(found.gate)
  return gates
}

/**
 * Returns the token of a request as it was sent.
 * @param carrier what `setDecision` was called with, or the decision itself
 * @throws TypeError if the gate did not let this request pass, or let it pass without a token
 */
export function getToken(carrier: object, gate: object): string {
  const decision = passedRequest(carrier, gate)
  const token = PassedRequest.tokenOf(decision)
  if (token === undefined)
    throw new TypeError('this request passed without a token: check that it has an identity first')
  return token
}

/**
 * Returns the user of a request; `undefined` for a request without an identity.
 * @param carrier what `setDecision` was called with, or the decision itself
 * @throws TypeError if the gate did not let this request pass, or has no `loadUser`
 */
export function getUser(carrier: object, gate: object): unknown {
  const decision = passedRequest(carrier, gate)
  const user = PassedRequest.userOf(decision)
  if (user === undefined && decision.identity !== undefined)
    throw new TypeError('this gate loads no user: it has no option "loadUser"')
  return user
}

function passedRequest(carrier: object, gate: object): PassedRequest<AnyIdentity> {
  const decision: object = PassedRequest.is(carrier) ? carrier : attachedDecision(carrier, gate)
  if (PassedRequest.is(decision)) return decision
  throw new TypeError('the decision was not made by this copy of @bearergate/core')
}
