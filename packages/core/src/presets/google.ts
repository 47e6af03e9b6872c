/** ID tokens that Google signs for service accounts, by which services call each other. */

import { assertStrings } from '../lib/assert.ts'
import type { Identity } from '../model/identity.ts'
import type { RawClaims } from '../verify/claims/values.ts'
import type { TokenVerifier } from '../verify/verifier.ts'
import { domainName, type PresetOptions, preset, readPreset } from './preset.ts'

export type GoogleOptions<Claims = RawClaims> = PresetOptions<Claims> & {
  /** What callers name as the audience, as a rule the URL of this service: one of these must stand in `aud`. */
  audience: string | readonly string[]
} & (
    | {
        /**
         * The e-mail addresses of the service accounts that may call. Only `null`, in writing, takes every account of Google's,
         * where something else decides who may call: everyone can get a token for any audience.
         */
        serviceAccounts: string | readonly string[] | null
        hostedDomain?: string | undefined
      }
    | {
        serviceAccounts?: undefined
        /** The domain of the Google Workspace whose accounts may call, compared with `hd`, which no service account has. */
        hostedDomain: string
      }
  )

/**
 * Verifies ID tokens that Google signs: those of service accounts, as Cloud Run, Cloud Tasks, Pub/Sub and IAM have them.
 *
 * Checked beyond what `jwt` checks: `iss` is `https://accounts.google.com`; the signature is RS256, by a key of
 * `https://www.googleapis.com/oauth2/v3/certs`; `email` is one of `serviceAccounts`, and `email_verified`; `hd` is
 * `hostedDomain`. An ID token says who calls and nothing of what for: there are no scopes and no roles but your own.
 * Not taken: access tokens of Google's, which are opaque; JWTs that a service account signed itself; tokens of Firebase
 * and of the Identity-Aware Proxy; ID tokens of a sign-in that have a `nonce` or an `at_hash`.
 * @throws TypeError where an option is unknown, missing or impossible
 */
export function google<Claims = RawClaims>(options: GoogleOptions<Claims>): TokenVerifier<Identity<Claims>> {
  const read = readPreset('google', options, ['audience', 'serviceAccounts', 'hostedDomain'])
  const { serviceAccounts, hostedDomain } = read
  const isAnyone = serviceAccounts === undefined || serviceAccounts === null
  if (serviceAccounts === undefined && hostedDomain === undefined)
    throw new TypeError('"serviceAccounts" or "hostedDomain" must be given; only null takes every account')
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
    throw new TypeError('"serviceAccounts" must be e-mail addresses')
  return emails
}
