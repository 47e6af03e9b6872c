/** What the presets have in common: they decide who issues and what is required, the rest stays the user's to say. */

import { assertString, readOptions } from '../lib/assert.ts'
import { isObject } from '../lib/json.ts'
import type { Identity } from '../model/identity.ts'
import type { ClaimsOptions } from '../verify/claims/mapping.ts'
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

/** What every preset takes besides its own options: what `jwt` takes, save what the preset decides. */
export interface PresetOptions<Claims = RawClaims>
  extends Omit<JwtSettings<Claims>, 'algorithms' | 'profile' | 'allowIdTokenClaims'> {
  /** The provider's key set itself: nothing is ever fetched. Default: it is fetched from where the provider has it. */
  keys?: JsonWebKeySet | undefined
}

type RequiredClaims = NonNullable<ClaimsOptions['requiredClaims']>

/** One issuer as a preset knows it. */
interface Provider<Claims> extends Pick<JwtSettings<Claims>, 'algorithms' | 'claims' | 'scopes' | 'roles'> {
  readonly issuer: string
  readonly jwksUri: string
  readonly audience: JwtOptions['audience']
  /** What tells access tokens for us from other tokens of the issuer. */
  readonly requiredClaims: RequiredClaims
}

const DECIDED: readonly string[] = [
  'issuer',
  'audience',
  'jwksUri',
  'discovery',
  'algorithms',
  'profile',
  'allowIdTokenClaims',
]
const KNOWN = JWT_OPTIONS.filter((name) => !DECIDED.includes(name)) as readonly (keyof PresetOptions)[]
const ASIDE: readonly string[] = ['keys', 'requiredClaims', 'cache', 'now']
const PASSED = KNOWN.filter((name) => !ASIDE.includes(name))

/** Reads the options of a preset: its own, and those that all presets have. */
export function readPreset<T extends object>(factory: string, options: T, names: readonly string[]): T {
  return readOptions(factory, options, [...names, ...KNOWN])
}

/** The verifier for the tokens of one issuer, or of several. */
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

/** Those of the named options that were given. */
function given<T extends object, Name extends keyof T>(read: T, names: readonly Name[]): Pick<T, Name> {
  const there = names.filter((name) => read[name] !== undefined)
  return Object.fromEntries(there.map((name) => [name, read[name]])) as Pick<T, Name>
}

/** A preset's requirement cannot be replaced by a weaker one of the same name. */
function both(ours: RequiredClaims, theirs: ClaimsOptions['requiredClaims']): RequiredClaims {
  if (theirs === undefined) return ours
  if (!isObject(theirs)) throw new TypeError('"requiredClaims" must be an object of claims')
  const twice = Object.keys(theirs).find((name) => Object.hasOwn(ours, name))
  if (twice !== undefined)
    throw new TypeError(`"requiredClaims" must not have "${twice}", which the preset checks itself`)
  return { ...theirs, ...ours }
}

const DOMAIN = /^(?=.{1,253}$)(?:[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?\.)+[a-z](?:[a-z\d-]{0,61}[a-z\d])$/i

/** The check of an option that takes a domain name, and nothing of a URL besides; in lower case, as issuers write it. */
export function domainName(name: string, value: unknown): string {
  const domain = assertString(name, value)
  if (!DOMAIN.test(domain))
    throw new TypeError(`"${name}" must be a domain name without scheme, port and path`)
  return domain.toLowerCase()
}

/** Whether a claim names something. */
export function isNamed(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
