/** Requires a role (RFC 9068 §2.2.3.1). */

import { configurationError } from '../lib/configuration-error.ts'
import { received } from '../lib/received.ts'
import { assertSingle, creates, type Rule, simpleRule } from './requirement.ts'

/**
 * Requires one role, compared exactly. If the identity lacks the role, the answer is 403. The challenge names no scope, because
 * a new token would not help.
 *
 * @example
 * auth.authorize(role('admin'))
 * @throws TypeError if it is not a non-empty string
 */
export function role(name: string, ...more: readonly never[]): Rule {
  if (typeof name !== 'string' || name === '')
    throw configurationError(
      'INVALID_REQUIREMENT',
      `"role" must be a non-empty string, such as role('admin'), but is ${received(name)}`,
    )
  assertSingle('role', more)
  return simpleRule(({ roles }) => roles.includes(name), {
    reason: 'insufficient_scope',
    lacks: 'role',
    requirement: `role(${name})`,
    detail: `the role ${name} is needed`,
  })
}

creates(role, "role('admin')")
