/** Verifies access tokens of Microsoft Entra ID, versions 1.0 and 2.0. */

import { assertFunction, assertStrings } from '../lib/assert.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { getOwn } from '../lib/json.ts'
import type { Identity } from '../model/identity.ts'
import { listOf, namesOf, type RawClaims } from '../verify/claims/values.ts'
import type { TokenVerifier } from '../verify/verifier.ts'
import { isNamed, type PresetOptions, preset, readPreset } from './preset.ts'

export interface EntraOptions<Claims = RawClaims> extends PresetOptions<Claims> {
  /** The ids (GUIDs) of the tenants whose tokens are accepted. `common` is not allowed: name each tenant that you trust. */
  tenant: string | readonly string[]
  /**
   * The application id of the API, which tokens of version 2 have in `aud`. Tokens of version 1 may have its application id URI
   * instead.
   */
  audience: string | readonly string[]
  /**
   * The version of the tokens: 1, 2 or `both`. It is the `requestedAccessTokenVersion` in the app registration of the API. If
   * that is not set, Entra issues version 1.
   */
  version: 1 | 2 | 'both'
  /** The ids of the applications that may call, compared with `azp` (v2.0) or `appid` (v1.0). Default: any application. */
  clientId?: string | readonly string[] | undefined
}

const LOGIN = 'https://login.microsoftonline.com'
const TENANT_ID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/

const VERSIONS = {
  1: {
    ver: '1.0',
    client: 'appid',
    issuer: (tenant: string) => `https://sts.windows.net/${tenant}/`,
    jwksUri: (tenant: string) => `${LOGIN}/${tenant}/discovery/keys`,
  },
  2: {
    ver: '2.0',
    client: 'azp',
    issuer: (tenant: string) => `${LOGIN}/${tenant}/v2.0`,
    jwksUri: (tenant: string) => `${LOGIN}/${tenant}/discovery/v2.0/keys`,
  },
} as const

/**
 * Verifies the access tokens that the named tenants issue for an API.
 *
 * Checks these in addition to what `jwt` checks:
 * - `iss` is one of the tenants, in the form of the token's version, and `tid` is the same tenant.
 * - The signature is RS256 with a key of that tenant.
 * - `ver` is the version.
 * - `azp` (v2.0) or `appid` (v1.0) names the client. ID tokens have neither.
 *
 * `identity.scopes` comes from `scp` and `identity.roles` from `roles`. Require one of them: any application of the tenant
 * can get a token without scopes and roles. Tokens for Microsoft Graph, of national clouds and of External ID are not
 * supported.
 *
 * @example
 * const verifier = entra({ tenant: '11111111-2222-3333-4444-555555555555', audience: 'api://orders', version: 1 })
 * @throws TypeError if an option is unknown, missing or impossible
 */
export function entra<Claims = RawClaims>(options: EntraOptions<Claims>): TokenVerifier<Identity<Claims>> {
  const read = readPreset('entra', options, ['tenant', 'audience', 'version', 'clientId'])
  const audience = assertStrings('audience', read.audience)
  const client = read.clientId === undefined ? isNamed : assertStrings('clientId', read.clientId)
  const tenants = tenantIds(read.tenant)
  const providers = versions(read.version).flatMap((version) =>
    tenants.map((tenant) => ({
      issuer: version.issuer(tenant),
      jwksUri: version.jwksUri(tenant),
      audience,
      algorithms: ['RS256' as const],
      requiredClaims: { tid: tenant, ver: version.ver, [version.client]: client },
      scopes: assertFunction('scopes', read.scopes, (claims: RawClaims) => listOf(getOwn(claims, 'scp'))),
      roles: assertFunction('roles', read.roles, (claims: RawClaims) => namesOf(getOwn(claims, 'roles'))),
    })),
  )
  return preset(read, ...providers)
}

function tenantIds(tenant: unknown): readonly string[] {
  const ids = assertStrings('tenant', tenant).map((id) => id.toLowerCase())
  if (!ids.every((id) => TENANT_ID.test(id)))
    throw configurationError(
      'INVALID_OPTION',
      '"tenant" must be the id of a tenant (a GUID), or a non-empty array of such ids',
    )
  return [...new Set(ids)]
}

function versions(version: unknown): readonly (typeof VERSIONS)[1 | 2][] {
  if (version === 'both') return [VERSIONS[2], VERSIONS[1]]
  if (version !== 1 && version !== 2)
    throw configurationError('INVALID_OPTION', '"version" must be 1, 2 or "both"')
  return [VERSIONS[version]]
}
