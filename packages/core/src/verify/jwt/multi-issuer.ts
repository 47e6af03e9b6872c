/** Several trusted issuers, each with its own keys and rules; the `iss` of a token only says which of them is meant. */

import { assertFunction, assertInteger, assertNumber, readOptions } from '../../lib/assert.ts'
import { now as systemNow } from '../../lib/clock.ts'
import { isPromiseLike, mapMaybe } from '../../lib/promise.ts'
import type { Identity } from '../../model/identity.ts'
import type { Seconds } from '../../model/units.ts'
import type { RawClaims } from '../claims/values.ts'
import { PresentedToken } from '../presented.ts'
import {
  type Active,
  allBackgroundWork,
  isInactive,
  largestTolerance,
  type TokenVerifier,
  type Verification,
} from '../verifier.ts'
import { foreignIssuer } from './claims.ts'
import { type IssuerResolver, IssuerResolverCache } from './issuer-resolver.ts'
import { JwtVerifier, withCache } from './jwt.ts'
import { ISSUER_OPTIONS, type IssuerOptions, issuerName, type JwtOptions } from './options.ts'

export interface MultiIssuerOptions {
  /** The cache of good results of all the issuers, as that of `jwt`. */
  cache?: JwtOptions['cache'] | undefined
  /** The clock by which tokens are judged, in milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
  /**
   * With a function: how many issuers are kept, 1–10,000. Default 100. Set it above the number of your tenants: if there are
   * more, some requests are answered 503.
   *
   * It also limits how many new issuers are added for which no token was verified yet: `max` at once and `max` / 60 more per
   * second. Issuers that were answered 503 for that and come again a second later or more may use a quarter of `max` more.
   * The first verified token of an issuer pays back what the issuer took.
   *
   * This limit matters if the function returns options for any issuer of a pattern. Then an attacker with unsigned tokens can
   * use it up by more than `max` / 60 made-up issuers a second, and new tenants are added at their second request. If the
   * attacker repeats its issuers too, or makes up hundreds a second, new tenants are answered 503 while that goes on. Tenants
   * that are proven are not affected. To end this, return `undefined` for issuers that are not your tenants.
   */
  max?: number | undefined
  /**
   * With a function: for how long its answer is used before it is asked again, in seconds, up to 86,400. Default 60. Keys
   * are kept where the options are still the same.
   */
  ttl?: Seconds | undefined
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
export function multiIssuerJwt<const Schemas extends readonly unknown[]>(
  trusted: { readonly [Index in keyof Schemas]: IssuerOptions<Schemas[Index]> },
  options?: MultiIssuerOptions,
): TokenVerifier<Identity<ClaimsOf<Schemas[number]>>>
export function multiIssuerJwt<Claims = RawClaims>(
  resolve: IssuerResolver<Claims>,
  options?: MultiIssuerOptions,
): TokenVerifier<Identity<Claims>>
export function multiIssuerJwt<Claims>(
  trusted: readonly IssuerOptions<Claims>[] | IssuerResolver<Claims>,
  options: MultiIssuerOptions = {},
): TokenVerifier<Identity<Claims>> {
  const read = readOptions('multiIssuerJwt', options, ['cache', 'now', 'max', 'ttl'])
  const now = assertFunction('now', read.now, systemNow)
  if (typeof trusted === 'function') {
    const max = assertInteger('max', read.max, { preset: 100, min: 1, max: 10_000 })
    const ttl = assertNumber('ttl', read.ttl, { preset: 60, min: 0.001, max: 86_400 })
    return withCache(
      new MultiIssuerVerifier(new IssuerResolverCache(trusted, max, ttl, now)),
      read.cache,
      now,
    )
  }
  if (read.max !== undefined || read.ttl !== undefined)
    throw new TypeError('"max" and "ttl" go with a function only')
  return withCache(new MultiIssuerVerifier(new StaticIssuers(trusted, now)), read.cache, now)
}

/** What an issuer without a schema has for its claims: all of them, as they are. */
type ClaimsOf<Output> = unknown extends Output ? RawClaims : Output

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
  /** Told of each issuer whose token was verified. */
  proved?(issuer: string): void
  close(): void
}

class MultiIssuerVerifier<Claims> implements TokenVerifier<Identity<Claims>> {
  readonly #source: Source<Claims>
  /** The verifiers with background work, so that a request need not look at each of 10,000 tenants. */
  readonly #busy = new Set<JwtVerifier<Claims>>()

  constructor(source: Source<Claims>) {
    this.#source = source
  }

  canVerify(token: string, presented = new PresentedToken(token)): boolean {
    const issuer = presented.unverifiedIssuer
    return issuer !== undefined && this.#source.owns(issuer)
  }

  get clockTolerance(): Seconds | undefined {
    return largestTolerance(this.#source.all())
  }

  get issuers(): readonly string[] {
    return this.#source.names
  }

  verify(
    token: string,
    presented = new PresentedToken(token),
  ): Verification<Identity<Claims>> | Promise<Verification<Identity<Claims>>> {
    if (isInactive(presented.jws)) return presented.jws
    const issuer = presented.unverifiedIssuer
    if (issuer === undefined) return foreignIssuer(issuer, this.issuers)
    const found = this.#source.find(issuer)
    if (isPromiseLike(found)) presented.forgetDecoded()
    return mapMaybe<Found<Claims>, Verification<Identity<Claims>>>(found, (verifier) => {
      if (verifier === undefined) return foreignIssuer(issuer, this.issuers)
      const verification = verifier.verify(token, presented)
      return isPromiseLike(verification) ? this.#settle(issuer, verifier, verification) : verification
    })
  }

  async #settle(
    issuer: string,
    verifier: JwtVerifier<Claims>,
    verification: Promise<Verification<Identity<Claims>>>,
  ): Promise<Verification<Identity<Claims>>> {
    this.#watch(verifier)
    try {
      const settled = await verification
      if (settled.active) this.#source.proved?.(issuer)
      return settled
    } finally {
      this.#watch(verifier)
    }
  }

  isStillValid(verification: Active<Identity<Claims>>): boolean {
    const verifier = this.#source.held(verification.identity.issuer ?? '')
    if (verifier === undefined) return false
    const isValid = verifier.isStillValid(verification as Parameters<JwtVerifier<Claims>['isStillValid']>[0])
    this.#watch(verifier)
    return isValid
  }

  get backgroundWork(): Promise<unknown> | undefined {
    // Work of a request that the runtime ended never settles, and is given up by its key set.
    for (const verifier of this.#busy) if (verifier.backgroundWork === undefined) this.#busy.delete(verifier)
    return allBackgroundWork([...this.#busy])
  }

  async ready(): Promise<void> {
    await Promise.all(
      this.#source.all().map((verifier) => {
        const ready = verifier.ready()
        this.#watch(verifier)
        return ready
      }),
    )
  }

  /** Remembers a verifier while it has background work. Only what is called here begins such work. */
  #watch(verifier: JwtVerifier<Claims>): void {
    if (this.#busy.has(verifier)) return
    const work = verifier.backgroundWork
    if (work === undefined) return
    this.#busy.add(verifier)
    const again = () => {
      this.#busy.delete(verifier)
      this.#watch(verifier)
    }
    work.then(again, again)
  }

  close(): void {
    this.#source.close()
  }

  describe(): object {
    return { kind: 'issuers', issuers: this.#source.all().map((verifier) => verifier.describe()) }
  }
}

class StaticIssuers<Claims> implements Source<Claims> {
  readonly #verifiers: ReadonlyMap<string, JwtVerifier<Claims>>

  constructor(list: readonly IssuerOptions<Claims>[], now: () => number) {
    if (!Array.isArray(list) || list.length === 0)
      throw new TypeError('"multiIssuerJwt" must be a non-empty array of options, or a function')
    const verifiers = [...list].map(
      (options) =>
        [
          issuerName(options?.issuer),
          new JwtVerifier<Claims>(readOptions('multiIssuerJwt', options, ISSUER_OPTIONS), now),
        ] as const,
    )
    this.#verifiers = new Map(verifiers)
    if (this.#verifiers.size < verifiers.length) throw new TypeError('"multiIssuerJwt" has an "issuer" twice')
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

  close(): void {
    for (const verifier of this.all()) verifier.close()
  }
}
