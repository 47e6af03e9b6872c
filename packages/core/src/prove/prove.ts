/** Stage 3: checks the proof of possession of the key that a token is bound to (RFC 7800). */

import { getOwn, isObject } from '../lib/json.ts'
import type { Identity } from '../model/identity.ts'
import type { Rejection } from '../model/rejection.ts'

const UNPROVEN: Rejection = { reason: 'missing_proof' }

/**
 * Returns why the binding of an identity is not proven, or `undefined` if there is none. A bound token must not be accepted
 * as a plain bearer token (RFC 9449 §7.2, RFC 8705 §3). No kind of proof is supported, so every bound token is rejected.
 *
 * The claims count as well: a verifier of the application may return them without setting `confirmation`.
 */
export function prove({ confirmation, claims }: Identity<unknown>): Rejection | undefined {
  const cnf = confirmation ?? (isObject(claims) ? getOwn(claims, 'cnf') : undefined)
  return cnf === undefined || cnf === null ? undefined : UNPROVEN
}
