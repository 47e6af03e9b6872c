/** Access tokens of a realm of Keycloak. */

import { assertFunction, assertString, assertStrings } from '../lib/assert.ts'
import { getOwn } from '../lib/json.ts'
import { type HttpHosts, httpHosts, parseIssuer } from '../lib/url.ts'
import type { Identity } from '../model/identity.ts'
import { member, namesOf, type RawClaims } from '../verify/claims/values.ts'
import type { TokenVerifier } from '../verify/verifier.ts'
import { type PresetOptions, preset, readPreset } from './preset.ts'

export interface KeycloakOptions<Claims = RawClaims> extends PresetOptions<Claims> {
  /** The URL of Keycloak as its tokens have it, with the path before `/realms` if there is one: https in canonical form (http on loopback, by `allowHttp`, or with `keys` only). */
  url: string
  /** The name of the realm. */
  realm: string
  /** One of these must stand in `aud`. It does where the realm has an audience mapper, or roles of that client, for it. */
  audience: string | readonly string[]
  /** The clients whose roles count, besides those of the realm. Default: those named as the `audience`. */
  clientId?: string | readonly string[] | undefined
}

/**
 * Verifies the access tokens that a realm issues for an API.
 *
 * Checked beyond what `jwt` checks: `iss` is `URL/realms/REALM`; the signature is by a key of the realm's, at
 * `ISSUER/protocol/openid-connect/certs`; the claim `typ` is `Bearer`, or `DPoP` for a token that is bound to a key, as
 * that of no ID, refresh or logout token is. Roles are those of `realm_access` and, in `resource_access`, of `clientId`.
 * Not taken: tokens with a `nonce`, as Keycloak before 25 issues them where the client sent one.
 * @throws TypeError where an option is unknown, missing or impossible
 */
export function keycloak<Claims = RawClaims>(
  options: KeycloakOptions<Claims>,
): TokenVerifier<Identity<Claims>> {
  const read = readPreset('keycloak', options, ['url', 'realm', 'audience', 'clientId'])
  const audience = assertStrings('audience', read.audience)
  const clients = read.clientId === undefined ? audience : assertStrings('clientId', read.clientId)
  // With "keys" nothing is fetched, and the scheme tells nothing.
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
  if (/\/realms(?:\/|$)/.test(base)) throw new TypeError('"url" must end before "/realms"')
  return base.replace(/\/$/, '')
}

function realmName(realm: unknown): string {
  if (!/^\w[\w.~-]*$/.test(assertString('realm', realm)))
    throw new TypeError('"realm" must be a name of letters, digits, ".", "_", "~" and "-"')
  return realm as string
}

function roles(claims: RawClaims, clients: readonly string[]): readonly string[] {
  const resources = member(claims, 'resource_access')
  const holders = [member(claims, 'realm_access'), ...clients.map((client) => member(resources, client))]
  return [...new Set(holders.flatMap((holder) => namesOf(getOwn(holder, 'roles'))))]
}
