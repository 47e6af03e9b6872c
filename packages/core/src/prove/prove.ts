/** Step 3, sender-constrained tokens: a token that is bound to a key is good only with a proof of it (RFC 7800). */

import type { Identity } from '../model/identity.ts'
import type { Rejection } from '../model/rejection.ts'

const UNPROVEN: Rejection = { reason: 'missing_proof' }

/**
 * Why the binding of an identity is not proven; `undefined` where there is none.
 * A bound token must not pass as a plain bearer token (RFC 9449 §7.2, RFC 8705 §3), and no kind of proof is known yet.
 */
export function prove(identity: Identity<unknown>): Rejection | undefined {
  return identity.confirmation === undefined ? undefined : UNPROVEN
}
