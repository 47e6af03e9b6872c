/** Verifies ID tokens that Google signs for service accounts, which services use to call each other. */

import { assertStrings } from '../lib/assert.ts'
import { configurationError } from '../lib/configuration-error.ts'
import type { Identity } from '../model/identity.ts'
import type { RawClaims } from '../verify/claims/values.ts'
import type { TokenVerifier } from '../verify/verifier.ts'
import { domainName, type PresetOptions, preset, readPreset } from './preset.ts'

export type GoogleOptions<Claims = RawClaims> = PresetOptions<Claims> & {
  /**
   * The audience that callers ask for, usually the URL of this service. Or an array of audiences, of which `aud` must contain
   * one.
   */
  audience: string | readonly string[]
} & (
    | {
        /**
         * The e-mail addresses of the service accounts that may call. `null` allows every Google account: use it only if
         * something else decides who may call, because everyone can get a token for any audience.
         */
        serviceAccounts: string | readonly string[] | null
        hostedDomain?: string | undefined
      }
    | {
        serviceAccounts?: undefined
        /** The Google Workspace domain whose accounts may call, compared with `hd`. Service accounts have no `hd`. */
        hostedDomain: string
      }
  )

/**
 * Verifies ID tokens of service accounts, which Cloud Run, Cloud Tasks, Pub/Sub and IAM send.
 *
 * Checks these in addition to what `jwt` checks:
 * - `iss` is `https://accounts.google.com`.
 * - The signature is RS256 with a key of `https://www.googleapis.com/oauth2/v3/certs`.
 * - `email` is one of `serviceAccounts` and `email_verified` is `true`.
 * - `hd` is `hostedDomain`.
 *
 * An ID token has no scopes and no roles. These tokens are rejected: opaque access tokens of Google, JWTs that a service
 * account signed itself, tokens of Firebase and of the Identity-Aware Proxy, and ID tokens of a sign-in, which have a
 * `nonce` or an `at_hash`.
 *
 * @example
 * const verifier = google({
 *   audience: 'https://orders.example.com',
 *   serviceAccounts: 'billing@project.iam.gserviceaccount.com',
 * })
 * @throws TypeError if an option is unknown, missing or impossible
 */
export function google<Claims = RawClaims>(options: GoogleOptions<Claims>): TokenVerifier<Identity<Claims>> {
  const read = readPreset('google', options, ['audience', 'serviceAccounts', 'hostedDomain'])
  const { serviceAccounts, hostedDomain } = read
  const isAnyone = serviceAccounts === undefined || serviceAccounts === null
  if (serviceAccounts === undefined && hostedDomain === undefined)
    throw configurationError(
      'MISSING_OPTION',
      '"serviceAccounts", such as "billing@project.iam.gserviceaccount.com", or "hostedDomain" is required. Pass serviceAccounts: null to allow every Google account',
    )
  return preset<Claims>(read, {
    issuer: 'https://accounts.google.com',
    jwksUri: 'https://www.googleapis.com/oauth2/v3/certs',
    audience: assertStrings('audience', read.audience),
    algorithms: ['RS256'],
    requiredClaims: {
      ...(!isAnyone && { email: addresses(serviceAccounts), email_verified: true }),
      ...(hostedDomain !== undefined && { hd: domainName('hostedDomain', hostedDomain) }),
    },
  })
}

function addresses(serviceAccounts: unknown): readonly string[] {
  const emails = assertStrings('serviceAccounts', serviceAccounts)
  if (!emails.every((email) => /^[^\s@]+@[^\s@]+$/.test(email)))
    throw configurationError('INVALID_OPTION', '"serviceAccounts" must be e-mail addresses')
  return emails
}
