/** Answers handlers and middleware behind a gate: who sent the request, and whether the identity meets a requirement. */

import { allOf } from '../authorize/combinators.ts'
import type { Requirement, Rule } from '../authorize/requirement.ts'
import { scope } from '../authorize/scope.ts'
import { assertCalled } from '../lib/called.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { quoted, quotedList, received } from '../lib/received.ts'
import type { Decision } from '../model/decision.ts'
import type { Identity } from '../model/identity.ts'
import { attachmentOf, gatesOf, getToken, getUser } from './attachments.ts'
import type { Gate } from './interface.ts'
import type { OnDenied } from './options.ts'

/** Returns the results of a gate for the caller of a request. */
export interface CallerHelpers<I extends Identity<unknown> | undefined, User, Carrier extends object> {
  /**
   * Returns the caller's identity. `undefined` if `optional` allowed the request without one. Its type is that of the gate, so
   * a schema in `claims` needs no cast.
   * @throws TypeError if the gate did not run for the request. It never returns the identity of another gate
   */
  identity(request: Carrier): I
  /**
   * Returns the raw token, so that you can forward it to another API. The token is a secret: do not log or store it.
   * @throws TypeError if the gate did not run for the request, or `optional` allowed it without a token
   */
  token(request: Carrier): string
  /**
   * Returns the user that `loadUser` returned. `undefined` if `optional` allowed the request without an identity.
   * @throws TypeError if the gate did not run for the request, or there is no `loadUser`
   */
  user(request: Carrier): User
}

/** Creates the helpers of one gate. Their argument is what `setDecision` was called with. */
export function callerHelpers<I extends Identity<unknown> | undefined, User>(
  gate: Gate<I, User>,
): CallerHelpers<I, User, object> {
  return {
    identity: (carrier) => attachmentOf(carrier, gate).decision.identity as I,
    token: (carrier) => getToken(carrier, gate),
    user: (carrier) => getUser(carrier, gate) as User,
  }
}

/** The members of a gate that decide about a requirement. */
export type Authorizing = Pick<Gate<Identity<unknown> | undefined>, 'authorize' | 'onDenied'>
type AnyDecision = Decision<Identity<unknown> | undefined>

/**
 * Decides whether the identity of a request meets a requirement, by the gate that is named, or by the only one that ran.
 * @param carrier what `setDecision` was called with. A requirement that is a function gets it as its second argument
 * @throws TypeError if that gate did not run for this request, or if no gate is named and more than one ran
 */
export function authorizeRequest<R extends object>(
  carrier: R,
  required: Requirement<Identity<unknown>, R>,
  named?: Authorizing,
): [decision: AnyDecision | Promise<AnyDecision>, onDenied: OnDenied] {
  const gate = named ?? onlyGate(carrier)
  const { identity } = attachmentOf(carrier, gate).decision
  return [gate.authorize(identity, required, carrier), gate.onDenied]
}

function onlyGate(carrier: object): Authorizing {
  const [gate, ...others] = gatesOf(carrier) as Authorizing[]
  if (gate === undefined)
    throw configurationError(
      'NOT_MOUNTED',
      'bearer() did not run for this request: mount it before authorize() and requireScope(), such as app.use(bearer(options))',
    )
  if (others.some((other) => other !== gate))
    throw configurationError(
      'AMBIGUOUS_GATE',
      'more than one bearer() ran for this request, so authorize() and requireScope() cannot tell which one decides: use auth.authorize(…) or auth.requireScope(…) of the bearer() that you mean',
    )
  return gate
}

/** One scope, or several in an array. */
export type Scopes = string | readonly string[]

/**
 * Creates a requirement that needs all of these scopes.
 * @throws TypeError if an argument has no scope, or one is not a scope-token
 */
export function scopesRequirement(scopes: readonly Scopes[]): Rule {
  assertCalled('requireScope', scopes[0], "app.use('/messages', requireScope('read:messages'))")
  const isGiven = (given: unknown) => typeof given === 'string' || (Array.isArray(given) && given.length > 0)
  const empty = scopes.findIndex((given) => !isGiven(given))
  if (scopes.length === 0 || empty !== -1)
    throw configurationError(
      'INVALID_SCOPE',
      `"requireScope" needs at least one scope in each argument, but received ${received(scopes[empty])}: write requireScope('read:messages')`,
    )
  const names = scopes.flat()
  const spaced = names.find((name) => typeof name === 'string' && / /.test(name.trim()))
  if (spaced !== undefined)
    throw configurationError(
      'INVALID_SCOPE',
      `"requireScope" needs each scope as an argument of its own, but received ${quoted(spaced)}: write requireScope(${quotedList(spaced.trim().split(/ +/))})`,
    )
  return allOf(...(names.map((name) => scope(name)) as [Rule, ...Rule[]]))
}
