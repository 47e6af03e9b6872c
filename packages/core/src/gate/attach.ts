/** Stores the gate's decision for a request, so that handlers and later middleware find it again. */

import { allOf } from '../authorize/combinators.ts'
import { type Requirement, type Rule, toRequirement } from '../authorize/requirement.ts'
import { scope } from '../authorize/scope.ts'
import { configurationError } from '../lib/configuration-error.ts'
import type { Decision, Passed } from '../model/decision.ts'
import type { Identity } from '../model/identity.ts'
import type { Gate } from './gate.ts'
import type { OnDenied } from './options.ts'

interface Attachment<I extends Identity<unknown> | undefined = Identity<unknown> | undefined> {
  readonly gate: Gate<I>
  readonly identity: I
  /** The decision that another gate stored before. */
  readonly before: Attachment | undefined
}

/** Registered, so that two copies of this module in one process find each other's attachments. */
const ATTACHMENTS = Symbol.for('bearergate.attachments')

type Attachments = WeakMap<object, Attachment>

/** Keyed by the request itself, because its properties can be shared, copied or replaced. */
function attachments(): Attachments {
  const registry = globalThis as { [ATTACHMENTS]?: Attachments }
  registry[ATTACHMENTS] ??= new WeakMap()
  return registry[ATTACHMENTS]
}

const all = attachments()

/** Stores the decision of a gate for a request, or for an object with the same lifetime. */
export function setDecision<I extends Identity<unknown> | undefined>(
  carrier: object,
  gate: Gate<I>,
  decision: Passed<I>,
): void {
  const attachment = { gate, identity: decision.identity, before: all.get(carrier) }
  all.set(carrier, attachment as unknown as Attachment)
}

/**
 * Returns the identity that passed this gate; `undefined` if the gate let the request pass without one.
 * @throws TypeError if the gate's middleware did not run for this request
 */
export function getIdentity<I extends Identity<unknown> | undefined>(carrier: object, gate: Gate<I>): I {
  for (let found = all.get(carrier); found !== undefined; found = found.before)
    if (found.gate === (gate as unknown)) return found.identity as I
  throw configurationError(
    'INVALID_OPTION',
    'this bearer() did not run for this request: mount it before this handler',
  )
}

/**
 * Decides whether the identity of a request meets a requirement, by the gate that is named, or by the only one that ran.
 * @throws TypeError if that gate did not run for this request; without a gate also if more than one ran
 */
export function authorizeRequest(
  carrier: object,
  required: Requirement,
  named?: Gate<Identity<unknown> | undefined>,
): [decision: Decision<Identity<unknown> | undefined>, onDenied: OnDenied] {
  const gate = named ?? onlyGate(carrier)
  return [gate.authorize(getIdentity(carrier, gate), required), gate.onDenied]
}

function onlyGate(carrier: object): Gate<Identity<unknown> | undefined> {
  const first = all.get(carrier)
  if (first === undefined)
    throw configurationError(
      'INVALID_OPTION',
      'bearer() did not run for this request: mount it before authorize() and requireScope()',
    )
  for (let other = first.before; other !== undefined; other = other.before)
    if (other.gate !== first.gate)
      throw configurationError(
        'INVALID_OPTION',
        'more than one bearer() ran for this request, so authorize() and requireScope() cannot tell which one decides: use auth.authorize(…) or auth.requireScope(…) of the one that you mean',
      )
  return first.gate
}

/** One scope, or several in an array. */
export type Scopes = string | readonly string[]

/**
 * Creates a requirement that needs all of these scopes.
 * @throws TypeError if none is given, or one is not a scope-token
 */
export function scopesRequirement(scopes: readonly Scopes[]): Rule {
  const [first, ...others] = scopes.flatMap((given) => given ?? []).map((name) => scope(name))
  if (first === undefined)
    throw configurationError(
      'INVALID_OPTION',
      '"requireScope" needs at least one scope, such as requireScope(\'read:messages\')',
    )
  return toRequirement('requireScope', allOf(first, ...others))
}
