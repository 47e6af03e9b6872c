/** Verifies access tokens of Okta's custom authorization servers. */

import { assertFunction, assertString, assertStrings } from '../lib/assert.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { getOwn } from '../lib/json.ts'
import type { Identity } from '../model/identity.ts'
import { namesOf, type RawClaims } from '../verify/claims/values.ts'
import type { TokenVerifier } from '../verify/verifier.ts'
import { domainName, isNamed, type PresetOptions, preset, readPreset } from './preset.ts'

export interface OktaOptions<Claims = RawClaims> extends PresetOptions<Claims> {
  /** The domain of the organization, such as `acme.okta.com`, or your custom domain, if clients get their tokens there. */
  domain: string
  /** The audience of the authorization server. Or an array of audiences, of which `aud` must contain one. */
  audience: string | readonly string[]
  /** The id of the custom authorization server. Default `default`. */
  authorizationServer?: string | undefined
  /** The ids of the clients whose tokens are accepted, compared with `cid`. Default: any client. */
  clientId?: string | readonly string[] | undefined
}

/**
 * Verifies the access tokens of a custom authorization server.
 *
 * Checks these in addition to what `jwt` checks:
 * - `iss` is `https://DOMAIN/oauth2/SERVER`.
 * - The signature is RS256 with a key of `ISSUER/v1/keys`.
 * - `cid` names the client, and is one of `clientId` if that is given. ID tokens do not name a client in `cid`.
 *
 * `identity.roles` contains the `groups`, if the server adds that claim. Tokens of the organization's own authorization
 * server, whose `iss` is the domain, are rejected: Okta issues them for its own APIs only.
 *
 * @example
 * const gate = createGate({ verifier: okta({ domain: 'acme.okta.com', audience: 'api://orders' }) })
 * @throws TypeError if an option is unknown, missing or impossible
 */
export function okta<Claims = RawClaims>(options: OktaOptions<Claims>): TokenVerifier<Identity<Claims>> {
  const read = readPreset('okta', options, ['domain', 'audience', 'authorizationServer', 'clientId'])
  const domain = domainName('domain', read.domain)
  if (/-admin\.okta(?:preview|-emea)?\.com$/.test(domain))
    throw configurationError(
      'INVALID_OPTION',
      '"domain" must be the domain of the organization, not of its admin console: no "-admin"',
    )
  const server =
    read.authorizationServer === undefined
      ? 'default'
      : assertString('authorizationServer', read.authorizationServer)
  if (!/^[\w-]+$/.test(server))
    throw configurationError(
      'INVALID_OPTION',
      '"authorizationServer" must be an id such as "default", not a URL',
    )
  const issuer = `https://${domain}/oauth2/${server}`
  return preset(read, {
    issuer,
    jwksUri: `${issuer}/v1/keys`,
    audience: assertStrings('audience', read.audience),
    algorithms: ['RS256'],
    requiredClaims: { cid: read.clientId === undefined ? isNamed : assertStrings('clientId', read.clientId) },
    roles: assertFunction('roles', read.roles, (claims) => namesOf(getOwn(claims, 'groups'))),
  })
}
