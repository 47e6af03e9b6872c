/** Access tokens of Amazon Cognito user pools. */

import { assertFunction, assertOneOf, assertString, assertStrings } from '../lib/assert.ts'
import { getOwn } from '../lib/json.ts'
import type { Identity } from '../model/identity.ts'
import { namesOf, type RawClaims } from '../verify/claims/values.ts'
import type { TokenVerifier } from '../verify/verifier.ts'
import { type PresetOptions, preset, readPreset } from './preset.ts'

export interface CognitoOptions<Claims = RawClaims> extends PresetOptions<Claims> {
  /** The id of the user pool, such as `eu-central-1_AbCdEf123`. */
  userPoolId: string
  /** The app clients whose tokens are taken: `client_id` must be one of them. */
  clientId: string | readonly string[]
  /** The resource, where the pool binds tokens to one (RFC 8707): it must stand in `aud` then. Default: nothing is asked of `aud`. */
  audience?: string | readonly string[] | undefined
  /** How the pool names itself in `iss`: `cognito-idp.…`, or `issuer-cognito-idp.…` where it was set so. Default `original`. */
  issuerType?: 'original' | 'updated' | undefined
}

const USER_POOL_ID = /^([a-z]{2,4}(?:-[a-z]+)+-\d{1,2})_[\dA-Za-z]{1,55}$/

/**
 * Verifies the access tokens of a user pool. They have no `aud` as a rule; in its place stands the client.
 *
 * Checked beyond what `jwt` checks: `iss` is that of the pool; the signature is RS256, by a key of the pool's;
 * `token_use` is `access`; `client_id` is one of `clientId`. Roles are the `cognito:groups`.
 * Not taken: ID tokens, and pools outside of `amazonaws.com`.
 * @throws TypeError where an option is unknown, missing or impossible
 */
export function cognito<Claims = RawClaims>(
  options: CognitoOptions<Claims>,
): TokenVerifier<Identity<Claims>> {
  const read = readPreset('cognito', options, ['userPoolId', 'clientId', 'audience', 'issuerType'])
  const userPoolId = assertString('userPoolId', read.userPoolId)
  const [, region] = USER_POOL_ID.exec(userPoolId) ?? []
  if (region === undefined)
    throw new TypeError('"userPoolId" must be the id of a user pool, such as "eu-central-1_AbCdEf123"')
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
