/** Stores the gate's decision for a request, so that handlers and later middleware find it again. */

import { allOf } from '../authorize/combinators.ts'
import { type Requirement, type Rule, toRequirement } from '../authorize/requirement.ts'
import { scope } from '../authorize/scope.ts'
import { assertCalled } from '../lib/called.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { quoted, quotedList } from '../lib/received.ts'
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
    'NOT_MOUNTED',
    all.has(carrier)
      ? 'this bearer() did not run for this request, but another one did: mount this bearer() before this handler as well, or use identity(), authorize() and requireScope() of the other one'
      : 'this bearer() did not run for this request: mount it before this handler, such as app.use(auth)',
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
      'NOT_MOUNTED',
      'bearer() did not run for this request: mount it before authorize() and requireScope(), such as app.use(bearer(options))',
    )
  for (let other = first.before; other !== undefined; other = other.before)
    if (other.gate !== first.gate)
      throw configurationError(
        'AMBIGUOUS_GATE',
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
  assertCalled('requireScope', scopes[0], "app.use('/messages', requireScope('read:messages'))")
  const names = scopes.flatMap((given) => given ?? [])
  const spaced = names.find((name) => typeof name === 'string' && / /.test(name.trim()))
  if (spaced !== undefined)
    throw configurationError(
      'INVALID_SCOPE',
      `"requireScope" needs each scope as an argument of its own, but received ${quoted(spaced)}: write requireScope(${quotedList(spaced.trim().split(/ +/))})`,
    )
  const [first, ...others] = names.map((name) => scope(name))
  if (first === undefined)
    throw configurationError(
      'INVALID_SCOPE',
      '"requireScope" needs at least one scope, but received none: write requireScope(\'read:messages\')',
    )
  return toRequirement('requireScope', allOf(first, ...others))
}
