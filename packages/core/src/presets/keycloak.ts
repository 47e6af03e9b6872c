/** Verifies access tokens of a Keycloak realm. */

import { assertFunction, assertString, assertStrings } from '../lib/assert.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { getOwn } from '../lib/json.ts'
import { type HttpHosts, httpHosts, parseIssuer } from '../lib/url.ts'
import type { Identity } from '../model/identity.ts'
import { member, namesOf, type RawClaims } from '../verify/claims/values.ts'
import type { TokenVerifier } from '../verify/verifier.ts'
import { type PresetOptions, preset, readPreset } from './preset.ts'

export interface KeycloakOptions<Claims = RawClaims> extends PresetOptions<Claims> {
  /**
   * The part of `iss` before `/realms`, such as `https://id.example.com`. It must be an https URL, spelled as `new URL` spells
   * it. Http is allowed in three cases: on loopback, for a host in `allowHttp`, or if `keys` is set.
   */
  url: string
  /** The name of the realm. */
  realm: string
  /**
   * The names of this API. One of them must be in `aud`. Keycloak adds the id of a client to `aud` if the user has a role of
   * that client. For any other name, the realm needs an audience mapper.
   */
  audience: string | readonly string[]
  /** The clients whose roles count, in addition to the roles of the realm. Default: the `audience`. */
  clientId?: string | readonly string[] | undefined
}

/**
 * Verifies the access tokens that a realm issues for an API.
 *
 * Checks these in addition to what `jwt` checks:
 * - `iss` is `URL/realms/REALM`.
 * - The signature is made with a key of `ISSUER/protocol/openid-connect/certs`.
 * - The claim `typ` is `Bearer`, or `DPoP` for a token that is bound to a key. ID, refresh and logout tokens have another.
 *
 * `identity.roles` contains the roles of `realm_access` and, from `resource_access`, those of `clientId`.
 * @throws TypeError if an option is unknown, missing or impossible
 */
export function keycloak<Claims = RawClaims>(
  options: KeycloakOptions<Claims>,
): TokenVerifier<Identity<Claims>> {
  const read = readPreset('keycloak', options, ['url', 'realm', 'audience', 'clientId'])
  const audience = assertStrings('audience', read.audience)
  const clients = read.clientId === undefined ? audience : assertStrings('clientId', read.clientId)
  // With "keys" nothing is fetched, so the scheme does not matter.
  const hosts = read.keys === undefined ? httpHosts(read.allowHttp) : { has: () => true }
  const issuer = `${baseUrl(read.url, hosts)}/realms/${realmName(read.realm)}`
  return preset(read, {
    issuer,
    jwksUri: `${issuer}/protocol/openid-connect/certs`,
    audience,
    requiredClaims: { typ: ['Bearer', 'DPoP'] },
    roles: assertFunction('roles', read.roles, (claims) => roles(claims, clients)),
  })
}

function baseUrl(url: unknown, hosts: HttpHosts): string {
  const base = parseIssuer('url', url, undefined, hosts)
  if (/\/realms(?:\/|$)/.test(base))
    throw configurationError(
      'INVALID_OPTION',
      '"url" must end before "/realms", such as "https://id.example.com": the option "realm" names the realm',
    )
  return base.replace(/\/$/, '')
}

function realmName(realm: unknown): string {
  if (!/^\w[\w.~-]*$/.test(assertString('realm', realm)))
    throw configurationError(
      'INVALID_OPTION',
      '"realm" must be the name of a realm of Keycloak, with only letters, digits, ".", "_", "~" and "-"',
    )
  return realm as string
}

function roles(claims: RawClaims, clients: readonly string[]): readonly string[] {
  const resources = member(claims, 'resource_access')
  const holders = [member(claims, 'realm_access'), ...clients.map((client) => member(resources, client))]
  return [...new Set(holders.flatMap((holder) => namesOf(getOwn(holder, 'roles'))))]
}
