/** Checks the options that decide which claims are accepted. */

import { assertBoolean, assertOneOf, assertSeconds, assertStrings, unsetHint } from '../../lib/assert.ts'
import { configurationError } from '../../lib/configuration-error.ts'
import { issuerText } from '../../lib/url.ts'
import type { ClaimsPolicy, Profile } from './claims.ts'
import { discoveredIssuer, isDiscovered, nullIssuer } from './key-source.ts'
import type { JwtOptions } from './options.ts'
import { ID_TOKEN_CLAIMS, type IdTokenClaim } from './token-kind.ts'

const YEAR = 31_536_000

/**
 * Creates the policy of an issuer from its options.
 * @throws TypeError if an option is missing or impossible
 */
export function policyOf(options: JwtOptions<unknown>): ClaimsPolicy {
  const { audience, profile, clockTolerance, maxTokenAge } = options
  const issuer = issuerOf(options)
  if (audience === undefined)
    throw configurationError(
      'MISSING_OPTION',
      `"audience" is required, such as "https://api.example.com", but is undefined${unsetHint(audience)} Pass null to disable the audience check`,
    )
  return {
    issuer,
    audience:
      audience === null
        ? null
        : assertStrings('audience', audience, 'INVALID_AUDIENCE', ', or null to skip the check'),
    profile: assertOneOf<Profile>('profile', profile, ['generic', 'rfc9068']),
    idTokenClaims: idTokenClaimsOf(options),
    clockTolerance: assertSeconds('clockTolerance', clockTolerance, { preset: 30, min: 0, max: 300 }),
    maxTokenAge:
      maxTokenAge === undefined
        ? undefined
        : assertSeconds('maxTokenAge', maxTokenAge, { preset: YEAR, min: 1, max: YEAR }),
    needsExp: !allowsMissingExp(options),
  }
}

/** Reads the option `allowMissingExp`. */
function allowsMissingExp({ allowMissingExp, maxTokenAge, profile }: JwtOptions<unknown>): boolean {
  const isAllowed = assertBoolean('allowMissingExp', allowMissingExp)
  if (isAllowed && maxTokenAge === undefined)
    throw configurationError(
      'MISSING_OPTION',
      '"allowMissingExp" needs "maxTokenAge", in seconds: otherwise a token without "exp" would be valid for ever',
    )
  if (isAllowed && profile === 'rfc9068')
    throw configurationError(
      'CONFLICTING_OPTIONS',
      '"allowMissingExp" cannot be combined with the profile "rfc9068", which requires "exp"',
    )
  return isAllowed
}

/** Reads the option `allowIdTokenClaims`. */
function idTokenClaimsOf(options: JwtOptions<unknown>): readonly IdTokenClaim[] {
  const { allowIdTokenClaims: allowed, audience, profile } = options
  if (allowed === undefined) return []
  // A copy, because `every` skips the holes of an array.
  const names = Array.isArray(allowed) ? [...allowed] : undefined
  if (names === undefined || !names.every((name) => ID_TOKEN_CLAIMS.includes(name)))
    throw configurationError(
      'INVALID_OPTION',
      `"allowIdTokenClaims" must be an array of claims, each of which is one of ${ID_TOKEN_CLAIMS.join(', ')}`,
    )
  if (names.length > 0 && (audience === null || profile === 'rfc9068'))
    throw configurationError(
      'CONFLICTING_OPTIONS',
      '"allowIdTokenClaims" cannot be combined with "audience: null", which would accept the ID tokens of every client. It also cannot be combined with the profile "rfc9068", which accepts only tokens with the "typ" of access tokens',
    )
  return names
}

/**
 * Reads the option `issuer`. It must be an `Issuer` if its metadata is fetched. Otherwise it may be any text that consists of
 * the characters of a URI.
 */
function issuerOf(options: JwtOptions<unknown>): string | null {
  const { issuer, jwksUri, profile } = options
  if (isDiscovered(options)) return discoveredIssuer(options)
  if (issuer !== null) return issuerText(issuer)
  if (jwksUri === undefined && profile !== 'rfc9068') return null
  throw nullIssuer()
}
