/** Several trusted issuers, each with its own keys and rules; the `iss` of a token only says which of them is meant. */

import { type Identity, isObject } from '../identity.ts'
import { after, callback, count, isPending, number, readOptions, type Seconds } from '../options.ts'
import { Unavailable } from '../rejection.ts'
import { lru } from './cached.ts'
import { checkText, unverifiedIssuer } from './jws.ts'
import { JwtVerifier, withCache } from './jwt.ts'
import { JWT_OPTIONS, type JwtOptions } from './jwt-options.ts'
import type { RawClaims } from './mapping.ts'
import { uptime } from './pacing.ts'
import { type Active, type Inactive, inactive, type TokenVerifier, type Verification } from './verifier.ts'

/** How the tokens of one issuer among several are verified. Cache and clock are those of all of them. */
export type IssuerOptions<Claims = RawClaims> = JwtOptions<Claims> & { cache?: never; now?: never }

/**
 * Finds the options of an issuer by the `iss` of a token, which is not verified yet; `undefined` where it is not trusted.
 * What it throws is answered 503, and so are options of another issuer.
 */
export type ResolveIssuer<Claims = RawClaims> = (
  issuer: string,
) => IssuerOptions<Claims> | undefined | Promise<IssuerOptions<Claims> | undefined>

export interface IssuersOptions {
  /** The cache of good results of all the issuers, as that of `jwt`. */
  cache?: JwtOptions['cache']
  /** The clock by which tokens are judged, in milliseconds since the epoch. Default `Date.now`. */
  now?: () => number
  /**
   * With a function: how many issuers are held at most, 1 to 10,000, and how many are added in a minute. Default 100. More
   * tenants than that are answered 503 in part: let it be larger than their number.
   */
  max?: number
  /**
   * With a function: for how long its answer is used before it is asked again, in seconds, up to 86,400. Default 60. Keys
   * are kept where the options are still the same.
   */
  ttl?: Seconds
}

/**
 * Verifies the JWT access tokens of several issuers: of a list, or of those that a function knows, such as tenants.
 *
 * @example
 * const verifier = issuers([
 *   { issuer: 'https://id.example.com', audience: 'https://api.example.com' },
 *   { issuer: 'https://partner.example.org', audience: 'urn:partner', profile: 'rfc9068', algorithms: ['ES256'] },
 * ])
 * @throws TypeError where an option is unknown, missing or impossible, or an issuer stands in the list twice
 */
export function issuers<Claims = RawClaims>(
  trusted: readonly IssuerOptions<Claims>[] | ResolveIssuer<Claims>,
  options: IssuersOptions = {},
): TokenVerifier<Identity<Claims>> {
  const read = readOptions('issuers', options, ['cache', 'now', 'max', 'ttl'])
  const now = callback('now', read.now, Date.now)
  if (typeof trusted === 'function') {
    const max = count('max', read.max, { preset: 100, min: 1, max: 10_000 })
    const ttl = number('ttl', read.ttl, { preset: 60, min: 0.001, max: 86_400 })
    return withCache(new Selection(new Tenants(trusted, max, ttl, now)), read.cache, now)
  }
  if (read.max !== undefined || read.ttl !== undefined)
    throw new TypeError('"max" and "ttl" go with a function only')
  return withCache(new Selection(new Listed(trusted, now)), read.cache, now)
}

type Found<Claims> = JwtVerifier<Claims> | undefined

/** Where the verifier of an issuer comes from. */
interface Source<Claims> {
  /** The issuers that are known before any token. */
  readonly names: readonly string[]
  find(issuer: string): Found<Claims> | Promise<Found<Claims>>
  /** The verifier that is at hand, and may still be used. */
  held(issuer: string): Found<Claims>
  all(): readonly JwtVerifier<Claims>[]
  owns(issuer: string): boolean
}

class Selection<Claims> implements TokenVerifier<Identity<Claims>> {
  readonly #source: Source<Claims>

  constructor(source: Source<Claims>) {
    this.#source = source
  }

  owns(token: string): boolean {
    const issuer = unverifiedIssuer(token)
    return issuer !== undefined && this.#source.owns(issuer)
  }

  get issuers(): readonly string[] {
    return this.#source.names
  }

  verify(token: string): Verification<Identity<Claims>> | Promise<Verification<Identity<Claims>>> {
    const refusal = checkText(token)
    if (refusal !== undefined) return refusal
    const issuer = unverifiedIssuer(token)
    if (issuer === undefined) return UNTRUSTED
    const found = this.#source.find(issuer)
    if (!isPending(found)) return found?.verify(token) ?? UNTRUSTED
    return found.then((verifier) => verifier?.verify(token) ?? UNTRUSTED)
  }

  holds(verification: Active<Identity<Claims>>): boolean {
    const verifier = this.#source.held(verification.identity.issuer ?? '')
    return verifier?.holds(verification as Parameters<JwtVerifier<Claims>['holds']>[0]) ?? false
  }

  async ready(): Promise<void> {
    await Promise.all(this.#source.all().map((verifier) => verifier.ready()))
  }

  close(): void {
    for (const verifier of this.#source.all()) verifier.close()
  }

  describe(): object {
    return { kind: 'issuers', issuers: this.#source.all().map((verifier) => verifier.describe()) }
  }
}

const UNTRUSTED: Inactive = Object.freeze(inactive('wrong_issuer', 'iss is none of the issuers'))

const OPTIONS = JWT_OPTIONS.filter((name) => name !== 'cache' && name !== 'now')

function verifierFor<Claims>(options: IssuerOptions<Claims>, now: () => number): JwtVerifier<Claims> {
  return new JwtVerifier<Claims>(readOptions('issuers', options, OPTIONS), now)
}

class Listed<Claims> implements Source<Claims> {
  readonly #verifiers: ReadonlyMap<string, JwtVerifier<Claims>>

  constructor(list: readonly IssuerOptions<Claims>[], now: () => number) {
    if (!Array.isArray(list) || list.length === 0)
      throw new TypeError('"issuers" must be a non-empty array of options, or a function')
    const verifiers = [...list].map(
      (options) => [options?.issuer, verifierFor<Claims>(options, now)] as const,
    )
    this.#verifiers = new Map(verifiers)
    if (this.#verifiers.size < verifiers.length) throw new TypeError('"issuers" has an "issuer" twice')
  }

  get names(): readonly string[] {
    return [...this.#verifiers.keys()]
  }

  find(issuer: string): Found<Claims> {
    return this.#verifiers.get(issuer)
  }

  held(issuer: string): Found<Claims> {
    return this.#verifiers.get(issuer)
  }

  all(): readonly JwtVerifier<Claims>[] {
    return [...this.#verifiers.values()]
  }

  owns(issuer: string): boolean {
    return this.#verifiers.has(issuer)
  }
}

interface Tenant<Claims> {
  readonly options: IssuerOptions<Claims>
  readonly verifier: JwtVerifier<Claims>
  readonly askedAt: Seconds
}

class Tenants<Claims> implements Source<Claims> {
  readonly names: readonly string[] = []
  readonly #resolve: ResolveIssuer<Claims>
  readonly #ttl: Seconds
  readonly #now: () => number
  readonly #tenants
  readonly #unknown = lru<{ readonly until: Seconds }>({ max: MAX_UNKNOWN })
  readonly #max: number
  #allowance: number
  #allowanceFrom = uptime()
  readonly #asking = new Map<string, Promise<Found<Claims>>>()

  constructor(resolve: ResolveIssuer<Claims>, max: number, ttl: Seconds, now: () => number) {
    this.#resolve = resolve
    this.#ttl = ttl
    this.#now = now
    this.#tenants = lru<Tenant<Claims>>({ max })
    this.#max = max
    this.#allowance = max
  }

  find(issuer: string): Found<Claims> | Promise<Found<Claims>> {
    const held = this.held(issuer)
    if (held !== undefined) return held
    const asking = this.#asking.get(issuer)
    if (asking !== undefined) return asking
    const refused = this.#unknown.get(issuer)
    if (refused !== undefined && uptime() < refused.until) return undefined
    const answer = this.#resolve(issuer)
    const found = after<IssuerOptions<Claims> | undefined, Found<Claims>>(answer, (options) =>
      this.#keep(issuer, options),
    )
    if (!isPending(found)) return found
    const pending = Promise.resolve(found).finally(() => this.#asking.delete(issuer))
    this.#asking.set(issuer, pending)
    return pending
  }

  held(issuer: string): Found<Claims> {
    const tenant = this.#tenants.get(issuer)
    return tenant !== undefined && uptime() < tenant.askedAt + this.#ttl ? tenant.verifier : undefined
  }

  all(): readonly JwtVerifier<Claims>[] {
    return [...this.#tenants.values()].map(({ verifier }) => verifier)
  }

  /** Whether it is one, only the function can tell: whatever is a signed JWT is asked for. */
  owns(): boolean {
    return true
  }

  #keep(issuer: string, options: IssuerOptions<Claims> | undefined): Found<Claims> {
    const known = this.#tenants.peek(issuer)
    if (options === undefined) {
      this.#tenants.delete(issuer)
      this.#unknown.set(issuer, { until: uptime() + Math.min(this.#ttl, UNKNOWN_FOR) })
      return undefined
    }
    const isSame = known !== undefined && isSameOptions(known.options, options)
    const verifier = isSame ? known.verifier : this.#verifierFor(issuer, options)
    this.#tenants.set(issuer, { options: { ...options }, verifier, askedAt: uptime() })
    return verifier
  }

  /** Each new verifier fetches its keys: tokens of more tenants than are held must not make it a storm. */
  #spend(): void {
    const now = uptime()
    const regained = ((now - this.#allowanceFrom) / MINUTE) * this.#max
    this.#allowance = Math.min(this.#max, this.#allowance + regained)
    this.#allowanceFrom = now
    if (this.#allowance < 1)
      throw new Unavailable(
        '"issuers" holds fewer tenants ("max") than are in use, and no more may be added for now',
      )
    this.#allowance -= 1
  }

  #verifierFor(issuer: string, options: IssuerOptions<Claims>): JwtVerifier<Claims> {
    if (!isObject(options) || options.issuer !== issuer)
      throw new Unavailable('The function of "issuers" gave no options of the issuer that it was asked for')
    this.#spend()
    try {
      return verifierFor<Claims>(options, this.#now)
    } catch (cause) {
      throw new Unavailable('The function of "issuers" gave impossible options', { cause })
    }
  }
}

/** How long it is believed that an issuer is none, in seconds, and of how many issuers. */
const UNKNOWN_FOR = 5
const MAX_UNKNOWN = 1_000
const MINUTE = 60

/** The same members with the same values; plain data by its content, anything else by its identity. */
function isSameOptions(one: object, other: object): boolean {
  const [entries, others] = [Object.entries(one), new Map(Object.entries(other))]
  return (
    entries.length === others.size && entries.every(([name, value]) => isSameValue(value, others.get(name)))
  )
}

function isSameValue(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true
  const isData = (value: unknown) =>
    Array.isArray(value) || (isObject(value) && Object.getPrototypeOf(value) === Object.prototype)
  return isData(one) && isData(other) && JSON.stringify(one) === JSON.stringify(other)
}
