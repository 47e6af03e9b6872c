/** Checks the options that decide which claims are accepted. */

import { assertNumber, assertOneOf, assertStrings } from '../../lib/assert.ts'
import { uriText } from '../../lib/url.ts'
import { type ClaimsPolicy, ID_TOKEN_CLAIMS, type IdTokenClaim, type Profile } from './claims.ts'
import { discoveredIssuer, isDiscovered } from './key-source.ts'
import type { JwtOptions } from './options.ts'

const YEAR = 31_536_000

/**
 * Creates the policy of an issuer from its options.
 * @throws TypeError if an option is missing or impossible
 */
export function policyOf(options: JwtOptions<unknown>): ClaimsPolicy {
  const { audience, profile, clockTolerance, maxTokenAge } = options
  const issuer = issuerOf(options)
  if (audience === undefined) throw new TypeError('"audience" must be given; only null asks nothing of it')
  return {
    issuer,
    audience: audience === null ? null : assertStrings('audience', audience),
    profile: assertOneOf<Profile>('profile', profile, ['generic', 'rfc9068']),
    idTokenClaims: idTokenClaimsOf(options),
    clockTolerance: assertNumber('clockTolerance', clockTolerance, { preset: 30, min: 0, max: 300 }),
    maxTokenAge:
      maxTokenAge === undefined
        ? undefined
        : assertNumber('maxTokenAge', maxTokenAge, { preset: YEAR, min: 1, max: YEAR }),
  }
}

/** Reads the option `allowIdTokenClaims`. */
function idTokenClaimsOf(options: JwtOptions<unknown>): readonly IdTokenClaim[] {
  const { allowIdTokenClaims: allowed, audience, profile } = options
  if (allowed === undefined) return []
  // A copy, because `every` skips the holes of an array.
  const names = Array.isArray(allowed) ? [...allowed] : undefined
  if (names === undefined || !names.every((name) => ID_TOKEN_CLAIMS.includes(name)))
    throw new TypeError(`"allowIdTokenClaims" must be an array of ${ID_TOKEN_CLAIMS.join(' and ')}`)
  if (names.length > 0 && (audience === null || profile === 'rfc9068'))
    throw new TypeError(
      '"allowIdTokenClaims" cannot be combined with "audience: null", which would accept the ID tokens of every client, nor with the profile "rfc9068", which tells access tokens by "typ"',
    )
  return names
}

/** Reads the option `issuer`. It must be an `Issuer` if its metadata is fetched. Otherwise it may be any URI or name. */
function issuerOf(options: JwtOptions<unknown>): string | null {
  const { issuer, jwksUri, profile } = options
  if (issuer === undefined) throw new TypeError('"issuer" must be given')
  if (isDiscovered(options)) return discoveredIssuer(options)
  if (issuer !== null) return uriText('issuer', issuer)
  if (jwksUri === undefined && profile !== 'rfc9068') return null
  throw new TypeError(
    '"issuer" may be null only if all keys are in "keys", and not with the profile "rfc9068", which requires "iss"',
  )
}
