/** Requires a scope (RFC 6749 §3.3). */

import { configurationError } from '../lib/configuration-error.ts'
import { quoted, received } from '../lib/received.ts'
import { isScopeToken } from '../lib/syntax.ts'
import { assertSingle, creates, type Rule, simpleRule, toBoolean } from './requirement.ts'

/**
 * Requires one scope, compared exactly (RFC 6749 §3.3), or another scope that implies it according to `scopeImplies`.
 *
 * @example
 * auth.authorize(allOf(scope('read'), scope('write')))
 * @throws TypeError if it is not one scope-token
 */
export function scope(name: string, ...more: readonly never[]): Rule {
  if (!isScopeToken(name))
    throw configurationError(
      'INVALID_SCOPE',
      `"scope" must be one scope-token (RFC 6749 §3.3), such as scope('read'), but is ${typeof name === 'string' ? quoted(name, 64) : received(name)}. For several, write allOf(scope('a'), scope('b'))`,
    )
  assertSingle('scope', more)
  return simpleRule(
    ({ scopes }, { implies }) =>
      scopes.includes(name) ||
      (implies !== undefined && scopes.some((granted) => toBoolean(implies(granted, name), 'scopeImplies'))),
    {
      reason: 'insufficient_scope',
      requirement: `scope(${name})`,
      detail: `the scope ${name} is needed`,
      scopes: [name],
    },
  )
}

creates(scope, "scope('read:messages')")
