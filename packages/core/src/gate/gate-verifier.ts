/** Creates the verifier of a gate from its options. */

import { type ResourceMetadata, resourceAudience } from '../answer/metadata.ts'
import { configurationError } from '../lib/configuration-error.ts'
import type { Identity } from '../model/identity.ts'
import { checked } from '../verify/checked.ts'
import { jwt } from '../verify/jwt/jwt.ts'
import { JWT_OPTIONS, type JwtOptions } from '../verify/jwt/options.ts'
import type { TokenVerifier } from '../verify/verifier.ts'

export interface GateVerifier<V extends Identity<unknown>> {
  readonly verifier: TokenVerifier<V>
  /** Whether the gate created the verifier, and closes it. */
  readonly isOwn: boolean
}

/**
 * Returns the verifier of the options, or creates one for the issuer that they describe.
 * @param now the clock for the results of a verifier of the application. In milliseconds since the epoch
 * @throws TypeError if there are a verifier and options of an issuer, or the options of the issuer are invalid
 */
export function gateVerifier<V extends Identity<unknown>>(
  options: { readonly [Name in (typeof JWT_OPTIONS)[number]]?: unknown } & {
    verifier?: TokenVerifier<V> | undefined
    resource?: string | ResourceMetadata | undefined
  },
  now: () => number,
): GateVerifier<V> {
  const { verifier, resource } = options
  if (verifier !== undefined) {
    // The clock is an option of the gate as well.
    const surplus = JWT_OPTIONS.find((name) => name !== 'now' && options[name] !== undefined)
    if (surplus !== undefined)
      throw configurationError(
        'CONFLICTING_OPTIONS',
        `"${surplus}" cannot be combined with "verifier". Put it into the options of the verifier, such as verifier: jwt({ ${surplus}: … }), or remove "verifier"`,
      )
    return { verifier: checked('verifier', verifier, now), isOwn: false }
  }
  // An option that is given as `undefined` stays: its error says that a variable may be unset.
  const given = JWT_OPTIONS.filter((name) => Object.hasOwn(options, name))
  const described: Record<string, unknown> = Object.fromEntries(given.map((name) => [name, options[name]]))
  // The value `null` stays, because it disables the check of the audience.
  if (described.audience === undefined && resource !== undefined)
    described.audience = resourceAudience(resource)
  const own: unknown = jwt(described as unknown as JwtOptions)
  return { verifier: own as TokenVerifier<V>, isOwn: true }
}
