/** Access tokens of Auth0, in its own profile or in that of RFC 9068. */

import { assertStrings } from '../lib/assert.ts'
import { getOwn } from '../lib/json.ts'
import type { Identity } from '../model/identity.ts'
import { type StandardSchema, schema } from '../verify/claims/schema.ts'
import { listOf, type RawClaims } from '../verify/claims/values.ts'
import type { TokenVerifier } from '../verify/verifier.ts'
import { domainName, isNamed, type PresetOptions, preset, readPreset } from './preset.ts'

export type Auth0Options<Claims = RawClaims> = Omit<PresetOptions<Claims>, 'scopes'> & {
  /** The tenant's domain, such as `acme.eu.auth0.com`, or its custom domain: the one at which clients ask for tokens. */
  domain: string
  /** The identifier of the API, or several: one must stand in `aud`. Not the id of a client. */
  audience: string | readonly string[]
} & (
    | {
        /**
         * Whether the scopes are those of the claim `permissions` alone: what the roles of the subject allow (RBAC), whatever
         * the client asked for. Default `false`: they are those of `scope`.
         */
        permissions?: false | undefined
        scopes?: PresetOptions['scopes'] | undefined
      }
    | { permissions: true; scopes?: undefined }
  )

/**
 * Verifies the access tokens that Auth0 issues for an API.
 *
 * Checked beyond what `jwt` checks: `iss` is `https://DOMAIN/`, with the slash; the signature is RS256 or PS256, by a key
 * of `https://DOMAIN/.well-known/jwks.json`; a client is named, by `azp` or `client_id`, as no ID token does.
 * Tokens for no API of yours are opaque or encrypted, and refused.
 * @throws TypeError where an option is unknown, missing or impossible
 */
export function auth0<Claims = RawClaims>(options: Auth0Options<Claims>): TokenVerifier<Identity<Claims>> {
  const read = readPreset('auth0', options, ['domain', 'audience', 'permissions'])
  const { permissions = false } = read
  if (typeof permissions !== 'boolean') throw new TypeError('"permissions" must be true or false')
  if (permissions && read.scopes !== undefined)
    throw new TypeError('"permissions" and "scopes" exclude each other')
  const issuer = `https://${domainName('domain', read.domain)}/`
  return preset<Claims>(read as PresetOptions<Claims>, {
    issuer,
    jwksUri: `${issuer}.well-known/jwks.json`,
    audience: assertStrings('audience', read.audience),
    algorithms: ['RS256', 'PS256'],
    requiredClaims: {},
    claims: ofClient(read.claims),
    ...(permissions && { scopes: (claims: RawClaims) => listOf(getOwn(claims, 'permissions')) }),
  })
}

/** Which of the two names the client is up to the profile of the token; the user's schema is asked next. */
function ofClient<Claims>(wanted: StandardSchema<Claims> | undefined): StandardSchema<Claims> {
  const next = wanted === undefined ? undefined : schema('claims', wanted)['~standard']
  return {
    '~standard': {
      version: 1,
      vendor: 'bearergate',
      validate(claims) {
        if (!['azp', 'client_id'].some((name) => isNamed(getOwn(claims as RawClaims, name))))
          return { issues: [{ message: 'no client is named', path: ['azp'] }] }
        return next === undefined ? { value: claims as Claims } : next.validate(claims)
      },
    },
  }
}
