/** Checks of denials whose exact answer no oracle can know. */

import type { Decision } from '@bearergate/core'

/**
 * Tells whether a decision denies a request in a definite way: with one of the statuses that a gate has for it, and never
 * with 500. Only for random garbage: there the right status depends on how the garbage happens to be broken, so an oracle
 * would repeat the code under test. A test that can compute the right answer asserts that answer instead.
 */
export function isDenied(decision: Decision): boolean {
  return !decision.ok && [400, 401, 403, 503].includes(decision.status)
}
