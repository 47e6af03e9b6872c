/** Builds the verifier of a preset: the preset decides the issuer and the required claims, the user the rest. */

import { assertString, readOptions } from '../lib/assert.ts'
import { configurationError } from '../lib/configuration-error.ts'
import type { Identity } from '../model/identity.ts'
import { type RequiredClaims, readRequired } from '../verify/claims/required.ts'
import type { RawClaims } from '../verify/claims/values.ts'
import { jwt } from '../verify/jwt/jwt.ts'
import { multiIssuerJwt } from '../verify/jwt/multi-issuer.ts'
import {
  type IssuerOptions,
  type JsonWebKeySet,
  JWT_OPTIONS,
  type JwtOptions,
  type JwtSettings,
} from '../verify/jwt/options.ts'
import type { TokenVerifier } from '../verify/verifier.ts'

/** The options that every preset accepts: those of `jwt`, except what the preset decides. */
export interface PresetOptions<Claims = RawClaims>
  extends Omit<JwtSettings<Claims>, 'algorithms' | 'profile' | 'allowIdTokenClaims' | 'allowMissingExp'> {
  /**
   * The key set of the provider (RFC 7517 §5). If it is set, the verifier fetches no keys. Default: the verifier fetches the
   * key set from the provider.
   */
  keys?: JsonWebKeySet | undefined
}

/** One issuer as a preset knows it. */
interface Provider<Claims> extends Pick<JwtSettings<Claims>, 'algorithms' | 'claims' | 'scopes' | 'roles'> {
  readonly issuer: string
  readonly jwksUri: string
  readonly audience: JwtOptions['audience']
  /** The claims that distinguish access tokens for this API from other tokens of the issuer. */
  readonly requiredClaims: RequiredClaims
}

const DECIDED: readonly string[] = [
  'issuer',
  'audience',
  'jwksUri',
  'discovery',
  'secret',
  'publicKey',
  'allowMissingExp',
  'algorithms',
  'profile',
  'allowIdTokenClaims',
]
const KNOWN = JWT_OPTIONS.filter((name) => !DECIDED.includes(name)) as readonly (keyof PresetOptions)[]
const ASIDE: readonly string[] = ['keys', 'requiredClaims', 'cache', 'now']
const PASSED = KNOWN.filter((name) => !ASIDE.includes(name))

/** Reads the options of a preset: its own and the common ones. */
export function readPreset<T extends object>(factory: string, options: T, names: readonly string[]): T {
  return readOptions(factory, options, [...names, ...KNOWN])
}

/** Creates the verifier for one provider, or for several issuers of one provider. */
export function preset<Claims>(
  read: PresetOptions<Claims>,
  ...providers: readonly Provider<Claims>[]
): TokenVerifier<Identity<Claims>> {
  const list = providers.map((provider) => issuerOptions(read, provider))
  const caching = given(read, ['cache', 'now'])
  const [first, second] = list
  if (first !== undefined && second === undefined) return jwt({ ...first, ...caching })
  return multiIssuerJwt(list, caching) as TokenVerifier<Identity<unknown>> as TokenVerifier<Identity<Claims>>
}

function issuerOptions<Claims>(
  read: PresetOptions<Claims>,
  { jwksUri, requiredClaims, ...decided }: Provider<Claims>,
): IssuerOptions<Claims> {
  return {
    ...given(read, PASSED as readonly Exclude<keyof PresetOptions, 'keys' | 'cache' | 'now'>[]),
    ...decided,
    requiredClaims: both(requiredClaims, read.requiredClaims),
    ...(read.keys === undefined ? { jwksUri } : { keys: read.keys }),
  }
}

/** Picks the named options that were given. */
function given<T extends object, Name extends keyof T>(read: T, names: readonly Name[]): Pick<T, Name> {
  const there = names.filter((name) => read[name] !== undefined)
  return Object.fromEntries(there.map((name) => [name, read[name]])) as Pick<T, Name>
}

/** Merges the required claims. The user cannot replace a check of the preset by a weaker one. */
function both(ours: RequiredClaims, given: RequiredClaims | undefined): RequiredClaims {
  const theirs = readRequired(given)
  const twice = Object.keys(theirs).find((name) => Object.hasOwn(ours, name))
  if (twice !== undefined)
    throw configurationError(
      'INVALID_OPTION',
      `"requiredClaims" must not have "${twice}", which the preset checks itself`,
    )
  return { ...theirs, ...ours }
}

const DOMAIN = /^(?=.{1,253}$)(?:[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?\.)+[a-z](?:[a-z\d-]{0,61}[a-z\d])$/i

/** Checks an option that is a domain name. Returns it in lower case, which issuers use. */
export function domainName(name: string, value: unknown): string {
  const domain = assertString(name, value)
  if (!DOMAIN.test(domain))
    throw configurationError(
      'INVALID_OPTION',
      `"${name}" must be a domain name without scheme, port and path, such as "acme.example.com"`,
    )
  return domain.toLowerCase()
}

/** Whether a claim is a non-empty string. */
export function isNamed(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
