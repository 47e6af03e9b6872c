/** Access tokens of the custom authorization servers of Okta. */

import { assertFunction, assertString, assertStrings } from '../lib/assert.ts'
import { getOwn } from '../lib/json.ts'
import type { Identity } from '../model/identity.ts'
import { namesOf, type RawClaims } from '../verify/claims/values.ts'
import type { TokenVerifier } from '../verify/verifier.ts'
import { domainName, isNamed, type PresetOptions, preset, readPreset } from './preset.ts'

export interface OktaOptions<Claims = RawClaims> extends PresetOptions<Claims> {
  /** The domain of the organization, such as `acme.okta.com`, or its custom domain: the one at which clients ask for tokens. */
  domain: string
  /** The audience of the authorization server: one of these must stand in `aud`. */
  audience: string | readonly string[]
  /** The id of the custom authorization server. Default `default`. */
  authorizationServer?: string | undefined
  /** The clients whose tokens are taken, compared with `cid`. Default: any to which the server issues. */
  clientId?: string | readonly string[] | undefined
}

/**
 * Verifies the access tokens of a custom authorization server.
 *
 * Checked beyond what `jwt` checks: `iss` is `https://DOMAIN/oauth2/SERVER`; the signature is RS256, by a key of
 * `ISSUER/v1/keys`; `cid` names the client, as no ID token does, and one of `clientId` where that is given.
 * Roles are the `groups`, where the server is set up to say them.
 * Not taken: the tokens of the organization's own authorization server, whose `iss` is the domain: Okta issues them for
 * its own APIs, and nobody else is to read them.
 * @throws TypeError where an option is unknown, missing or impossible
 */
export function okta<Claims = RawClaims>(options: OktaOptions<Claims>): TokenVerifier<Identity<Claims>> {
  const read = readPreset('okta', options, ['domain', 'audience', 'authorizationServer', 'clientId'])
  const domain = domainName('domain', read.domain)
  if (/-admin\.okta(?:preview|-emea)?\.com$/.test(domain))
    throw new TypeError(
      '"domain" must be the domain of the organization, not of its admin console: no "-admin"',
    )
  const server =
    read.authorizationServer === undefined
      ? 'default'
      : assertString('authorizationServer', read.authorizationServer)
  if (!/^[\w-]+$/.test(server)) throw new TypeError('"authorizationServer" must be an id, no URL')
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
