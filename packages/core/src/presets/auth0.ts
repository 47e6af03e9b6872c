/** Verifies access tokens of Auth0, in its own profile or in that of RFC 9068. */

import { assertStrings } from '../lib/assert.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { getOwn } from '../lib/json.ts'
import type { Identity } from '../model/identity.ts'
import { type StandardSchema, schema } from '../verify/claims/schema.ts'
import { listOf, type RawClaims } from '../verify/claims/values.ts'
import type { TokenVerifier } from '../verify/verifier.ts'
import { domainName, isNamed, type PresetOptions, preset, readPreset } from './preset.ts'

export type Auth0Options<Claims = RawClaims> = Omit<PresetOptions<Claims>, 'scopes'> & {
  /** The domain of the tenant, such as `acme.eu.auth0.com`, or your custom domain, if clients get their tokens there. */
  domain: string
  /**
   * The identifier of the API in Auth0, not the id of a client. Or an array of identifiers, of which `aud` must contain one.
   */
  audience: string | readonly string[]
} & (
    | {
        /**
         * Whether `identity.scopes` comes from the claim `permissions`, which Auth0's role-based access control adds. Default
         * `false`: it comes from `scope`, which lists what the client asked for.
         */
        permissions?: false | undefined
        scopes?: PresetOptions['scopes'] | undefined
      }
    | { permissions: true; scopes?: undefined }
  )

/**
 * Verifies the access tokens that Auth0 issues for an API.
 *
 * Checks these in addition to what `jwt` checks:
 * - `iss` is `https://DOMAIN/`, with the slash.
 * - The signature is RS256 or PS256, with a key of `https://DOMAIN/.well-known/jwks.json`.
 * - `azp` or `client_id` names the client. ID tokens of Auth0 have neither.
 *
 * Auth0 issues opaque or encrypted tokens if a client asks for no API. They are rejected.
 *
 * @example
 * const gate = createGate({ verifier: auth0({ domain: 'acme.eu.auth0.com', audience: 'https://api.example.com' }) })
 * @throws TypeError if an option is unknown, missing or impossible
 */
export function auth0<Claims = RawClaims>(options: Auth0Options<Claims>): TokenVerifier<Identity<Claims>> {
  const read = readPreset('auth0', options, ['domain', 'audience', 'permissions'])
  const { permissions = false } = read
  if (typeof permissions !== 'boolean')
    throw configurationError('INVALID_OPTION', '"permissions" must be true or false')
  if (permissions && read.scopes !== undefined)
    throw configurationError(
      'CONFLICTING_OPTIONS',
      '"permissions" cannot be combined with "scopes": each of them decides where the scopes come from',
    )
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

/** Requires a client, by the name that the token's profile uses, and then applies the user's schema. */
function ofClient<Claims>(wanted: StandardSchema<Claims> | undefined): StandardSchema<Claims> {
  const next = wanted === undefined ? undefined : schema('claims', wanted)['~standard']
  return {
    '~standard': {
      version: 1,
      vendor: 'bearergate',
      validate(claims) {
        if (!['azp', 'client_id'].some((name) => isNamed(getOwn(claims as RawClaims, name))))
          return { issues: [{ message: 'expected the client in "azp" or "client_id"', path: ['azp'] }] }
        return next === undefined ? { value: claims as Claims } : next.validate(claims)
      },
    },
  }
}
