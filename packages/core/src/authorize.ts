/** Step 4, what an identity must be allowed to do: requirements, and whether they are met (RFC 6750 §3.1). */

import { isScopeToken } from './challenge.ts'
import type { Identity } from './identity.ts'
import { disown } from './options.ts'
import { type Rejection, Unavailable } from './rejection.ts'

/** Something that an operation requires of an identity. */
export interface Requirement {
  /** Every scope that the operation needs: what the challenge names, whichever of them is missing. */
  readonly scopes: readonly string[]
  /** Whether the identity meets it. */
  isMet(identity: Identity<unknown>): boolean
}

/**
 * Requires one scope, compared character by character (RFC 6749 §3.3).
 * @throws TypeError where it is not one scope-token: two scopes are `allOf(scope('a'), scope('b'))`
 */
export function scope(name: string): Requirement {
  if (!isScopeToken(name))
    throw new TypeError('"scope" must be one scope-token (RFC 6749 §3.3): several are arguments of their own')
  return Object.freeze({
    scopes: Object.freeze([name]),
    isMet: (identity: Identity<unknown>) => identity.scopes.includes(name),
  })
}

/**
 * Requires all of the requirements. A challenge names the scopes of all of them at once.
 * @throws TypeError where none is given
 */
export function allOf(...requirements: readonly [Requirement, ...Requirement[]]): Requirement {
  if (requirements.length === 0) throw new TypeError('"allOf" needs at least one requirement')
  for (const item of requirements) requirement('allOf', item)
  return Object.freeze({
    scopes: Object.freeze(requirements.flatMap(({ scopes }) => scopes)),
    isMet: (identity: Identity<unknown>) => requirements.every((item) => isMet(item, identity)),
  })
}

/** The check of an option that takes a requirement. */
export function requirement(name: string, value: unknown): Requirement {
  if (typeof (value as Requirement | null)?.isMet !== 'function')
    throw new TypeError(`"${name}" must be a requirement, such as scope('read')`)
  return value as Requirement
}

/** Why the identity may not do what is required; `undefined` where it may. */
export function authorize(
  identity: Identity<unknown>,
  required: Requirement | undefined,
): Rejection | undefined {
  if (required === undefined || isMet(required, identity)) return undefined
  return { reason: 'insufficient_scope', scopes: required.scopes }
}

/** A promise is truthy, whatever becomes of it: only `true` is a yes, and only `false` a no. */
function isMet(required: Requirement, identity: Identity<unknown>): boolean {
  const answer: unknown = required.isMet(identity)
  if (typeof answer === 'boolean') return answer
  disown(answer)
  throw new Unavailable('A requirement gave neither true nor false')
}
