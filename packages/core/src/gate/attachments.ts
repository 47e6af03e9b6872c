/** Stores the gate's decision for a request, so that handlers and later middleware find it again. */

import { configurationError } from '../lib/configuration-error.ts'
import { isObject } from '../lib/json.ts'
import { createSlot, type Slot } from '../lib/slot.ts'
import type { Passed } from '../model/decision.ts'
import type { Identity } from '../model/identity.ts'
import type { RequestLike } from '../request/request.ts'
import { toRequestLike } from '../request/to-request-like.ts'
import { PassedRequest } from './passed.ts'

type AnyIdentity = Identity<unknown> | undefined

export interface Attachment {
  readonly gate: object
  readonly decision: Passed<AnyIdentity>
  readonly request: RequestLike | undefined
  /** The token as it was sent. `undefined` for an anonymous request. */
  readonly token: string | undefined
  /** The attachment of another gate that ran before. */
  readonly before: Attachment | undefined
}

/** Registered, so that two copies of this module in one process find each other's attachments. */
const ATTACHMENTS = Symbol.for('bearergate.attachments')

/** On the request itself: what hangs on its members may be shared, copied or replaced. */
function attachments(): Slot<Attachment> {
  const registry = globalThis as { [ATTACHMENTS]?: Slot<Attachment> }
  registry[ATTACHMENTS] ??= createSlot()
  return registry[ATTACHMENTS]
}

const all = attachments()

/**
 * Stores the decision by which a gate let a request pass.
 * @param carrier the request, or an object that lives as long: the `ctx` of Koa, the event of Lambda
 * @param request the request that the gate decided about. Its token is found again and stored. Without it, `gate.tokenOf`
 *   has no token
 */
export function setDecision<I extends AnyIdentity>(
  carrier: object,
  gate: object,
  decision: Passed<I>,
  request?: Request | RequestLike,
): void {
  // An emulator may call a Lambda function without an event.
  if (!isObject(carrier)) return
  // Now, because later middleware may change the request. The gate itself keeps no token while it waits.
  const view = request === undefined ? undefined : toRequestLike(request)
  const token = decision.identity === undefined ? undefined : tokenIn(view, gate)
  all.set(carrier, { gate, decision, request: view, token, before: all.get(carrier) })
}

/** A method of gates that finds the token of a request again. A symbol, because only `setDecision` calls it. */
export const FIND_TOKEN: unique symbol = Symbol.for('bearergate.findToken') as never

/** The name of the field in which a gate reads tokens, in lower case. A symbol, because only hosts need it. */
export const TOKEN_FIELD: unique symbol = Symbol.for('bearergate.tokenField') as never

function tokenIn(
  request: RequestLike | undefined,
  gate: { [FIND_TOKEN]?(request: RequestLike): string | undefined },
) {
  try {
    return request === undefined ? undefined : gate[FIND_TOKEN]?.(request)
  } catch {
    return undefined
  }
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
 * Returns what is known of a request that this gate let pass.
 * @throws TypeError if it did not
 */
export function attachmentOf(carrier: object, gate: object): Attachment {
  for (let found = all.get(carrier); found !== undefined; found = found.before)
    if (found.gate === gate) return found
  throw configurationError(
    'NOT_MOUNTED',
    all.get(carrier) !== undefined
      ? 'this bearer() did not run for this request, but another one did: mount this bearer() before this handler as well, or use identity(), authorize() and requireScope() of the other one'
      : 'this bearer() did not run for this request: mount it before this handler, such as app.use(auth). If you call gate.authenticate() yourself, call setDecision() of @bearergate/core/adapter after it',
  )
}

/** Returns the gates that let a request pass, the last one first. */
export function gatesOf(carrier: object): readonly object[] {
  const gates: object[] = []
  for (let found = all.get(carrier); found !== undefined; found = found.before) gates.push(found.gate)
  return gates
}

/**
 * Returns the token of a request as it was sent.
 * @param carrier what `setDecision` was called with
 * @throws TypeError if the gate did not let this request pass, or let it pass without a token
 */
export function getToken(carrier: object, gate: object): string {
  const { token, decision } = attachmentOf(carrier, gate)
  if (token !== undefined) return token
  throw configurationError(
    'INVALID_ARGUMENT',
    decision.identity === undefined
      ? 'this request passed without a token: check that it has an identity first'
      : 'the token of this request is not known: pass the request to setDecision(carrier, gate, decision, request)',
  )
}

/**
 * Returns the user of a request; `undefined` for a request without an identity.
 * @param carrier what `setDecision` was called with, or the decision itself
 * @throws TypeError if the gate did not let this request pass, or has no `loadUser`
 */
export function getUser(carrier: object, gate: object): unknown {
  const decision: object = PassedRequest.is(carrier) ? carrier : attachmentOf(carrier, gate).decision
  const user = PassedRequest.is(decision) ? PassedRequest.userOf(decision, gate) : undefined
  if (user !== undefined || (decision as Passed<AnyIdentity>).identity === undefined) return user
  throw configurationError(
    'MISSING_OPTION',
    'this gate loads no user: set its option "loadUser", such as loadUser: (identity) => users.find(identity.subject). A decision of another gate has no user for this gate',
  )
}
