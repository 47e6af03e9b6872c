/** Access tokens of Microsoft Entra ID, in the form of v1.0 and of v2.0. */

import { assertFunction, assertStrings } from '../lib/assert.ts'
import { getOwn } from '../lib/json.ts'
import type { Identity } from '../model/identity.ts'
import { listOf, namesOf, type RawClaims } from '../verify/claims/values.ts'
import type { TokenVerifier } from '../verify/verifier.ts'
import { isNamed, type PresetOptions, preset, readPreset } from './preset.ts'

export interface EntraOptions<Claims = RawClaims> extends PresetOptions<Claims> {
  /** The ids of the tenants whose tokens are taken, each a GUID. There is no `common`: whom you trust, you name. */
  tenant: string | readonly string[]
  /** The API's application id, as v2.0 has it in `aud`, or its application id URI, as v1.0 may have it. */
  audience: string | readonly string[]
  /** The form of the tokens, which the API's registration sets as `requestedAccessTokenVersion`; where it sets none, it is 1. */
  version: 1 | 2 | 'both'
  /** The ids of the applications that may call, compared with `azp`, or `appid` in v1.0. Default: any of the tenant's. */
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
 * Checked beyond what `jwt` checks: `iss` is that of one of the tenants, in the form of the version; the signature is
 * RS256, by a key of that tenant; `tid` is the tenant of that `iss`; `ver` is the version; the client is named, by
 * `azp` or in v1.0 `appid`, as no ID token does. Scopes are those of `scp`, roles those of `roles`.
 * Not checked: that there are any; without them any application of the tenant may have asked for the token.
 * Not taken: tokens for Microsoft Graph, of national clouds, and of External ID.
 * @throws TypeError where an option is unknown, missing or impossible
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
    throw new TypeError('"tenant" must be the id of a tenant, a GUID, or a non-empty array of them')
  return [...new Set(ids)]
}

function versions(version: unknown): readonly (typeof VERSIONS)[1 | 2][] {
  if (version === 'both') return [VERSIONS[2], VERSIONS[1]]
  if (version !== 1 && version !== 2) throw new TypeError('"version" must be 1, 2 or "both"')
  return [VERSIONS[version]]
}
