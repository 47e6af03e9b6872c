/** Describes a `jwt` verifier for operators, without secrets. */

import type { Seconds } from '../../model/units.ts'
import type { Algorithm } from '../keys/jwk.ts'
import type { KeySetDescription } from '../keys/key-set.ts'
import type { ClaimsPolicy, Profile } from './claims.ts'

/** The configuration of a `jwt` verifier and the contents of its key set, for operators. */
export interface JwtDescription {
  readonly kind: 'jwt'
  /** `null` if tokens without `iss` are accepted, and no others. */
  readonly issuer: string | null
  /** `null` if tokens for any audience are accepted. */
  readonly audience: readonly string[] | null
  readonly profile: Profile
  /** The claims of ID tokens that are allowed, if any are. */
  readonly allowIdTokenClaims?: readonly string[]
  /** Set if tokens without `exp` are accepted until `maxTokenAge`, in seconds. */
  readonly allowMissingExp?: true
  readonly maxTokenAge?: Seconds | undefined
  readonly algorithms: readonly Algorithm[]
  /** The hosts that plain http is allowed for. */
  readonly allowHttp: readonly string[]
  readonly keySet: KeySetDescription
}

/** Creates the description. An option that accepts more tokens than usual is only there if it is set. */
export function describeJwt(
  policy: ClaimsPolicy,
  algorithms: readonly Algorithm[],
  allowHttp: ReadonlySet<string>,
  keySet: KeySetDescription,
): JwtDescription {
  const { issuer, audience, profile, idTokenClaims, needsExp, maxTokenAge } = policy
  return {
    kind: 'jwt',
    issuer,
    audience,
    profile,
    ...(idTokenClaims.length > 0 && { allowIdTokenClaims: idTokenClaims }),
    ...(!needsExp && { allowMissingExp: true as const, maxTokenAge }),
    algorithms,
    allowHttp: [...allowHttp],
    keySet,
  }
}
