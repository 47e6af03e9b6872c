/** Verifies access tokens of Amazon Cognito user pools. */

import { assertFunction, assertOneOf, assertString, assertStrings } from '../lib/assert.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { getOwn } from '../lib/json.ts'
import type { Identity } from '../model/identity.ts'
import { namesOf, type RawClaims } from '../verify/claims/values.ts'
import type { TokenVerifier } from '../verify/verifier.ts'
import { type PresetOptions, preset, readPreset } from './preset.ts'

export interface CognitoOptions<Claims = RawClaims> extends PresetOptions<Claims> {
  /** The id of the user pool, such as `eu-central-1_AbCdEf123`. */
  userPoolId: string
  /** The ids of the app clients whose tokens are accepted, compared with `client_id`. */
  clientId: string | readonly string[]
  /** The resource in `aud`, if the pool binds tokens to one (RFC 8707). Default: `aud` is not checked. */
  audience?: string | readonly string[] | undefined
  /**
   * The host in `iss`: `original` is `cognito-idp.…`, `updated` is `issuer-cognito-idp.…`. It is a setting of the pool. Default
   * `original`.
   */
  issuerType?: 'original' | 'updated' | undefined
}

const USER_POOL_ID = /^([a-z]{2,4}(?:-[a-z]+)+-\d{1,2})_[\dA-Za-z]{1,55}$/

/**
 * Verifies the access tokens of a user pool. They usually have no `aud`, so the client is checked instead.
 *
 * Checks these in addition to what `jwt` checks:
 * - `iss` is the user pool, and the signature is RS256 with a key of the pool.
 * - `token_use` is `access`, so ID tokens are rejected.
 * - `client_id` is one of `clientId`.
 *
 * `identity.roles` contains the `cognito:groups`. Pools outside `amazonaws.com` are not supported.
 *
 * @example
 * const gate = createGate({ verifier: cognito({ userPoolId: 'eu-central-1_AbCdEf123', clientId: '4example' }) })
 * @throws TypeError if an option is unknown, missing or impossible
 */
export function cognito<Claims = RawClaims>(
  options: CognitoOptions<Claims>,
): TokenVerifier<Identity<Claims>> {
  const read = readPreset('cognito', options, ['userPoolId', 'clientId', 'audience', 'issuerType'])
  const userPoolId = assertString('userPoolId', read.userPoolId)
  const [, region] = USER_POOL_ID.exec(userPoolId) ?? []
  if (region === undefined)
    throw configurationError(
      'INVALID_OPTION',
      '"userPoolId" must be the id of a user pool, such as "eu-central-1_AbCdEf123"',
    )
  const issuerType = assertOneOf('issuerType', read.issuerType, ['original', 'updated'])
  const host = issuerType === 'original' ? 'cognito-idp' : 'issuer-cognito-idp'
  const issuer = `https://${host}.${region}.amazonaws.com/${userPoolId}`
  return preset(read, {
    issuer,
    jwksUri: `${issuer}/.well-known/jwks.json`,
    audience: read.audience === undefined ? null : assertStrings('audience', read.audience),
    algorithms: ['RS256'],
    requiredClaims: { token_use: 'access', client_id: assertStrings('clientId', read.clientId) },
    roles: assertFunction('roles', read.roles, (claims) => namesOf(getOwn(claims, 'cognito:groups'))),
  })
}
