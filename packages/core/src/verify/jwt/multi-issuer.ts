/** Verifies tokens of several trusted issuers, each with its own keys and rules. The `iss` of a token chooses between them. */

import { assertInteger, assertSeconds, readOptions } from '../../lib/assert.ts'
import { assertClock } from '../../lib/clock.ts'
import { configurationError } from '../../lib/configuration-error.ts'
import { isPromiseLike, mapMaybe } from '../../lib/promise.ts'
import type { Identity } from '../../model/identity.ts'
import type { Seconds } from '../../model/units.ts'
import type { VerifierExplanation } from '../../observe/explain.ts'
import type { RawClaims } from '../claims/values.ts'
import { PresentedToken } from '../presented.ts'
import { type Active, isInactive, type Verification } from '../verification.ts'
import { allBackgroundWork, type Explainers, largestTolerance, type TokenVerifier } from '../verifier.ts'
import { foreignIssuer } from './claims.ts'
import { type IssuerResolver, IssuerResolverCache } from './issuer-resolver.ts'
import { type Found, type IssuerSource, StaticIssuers } from './issuer-source.ts'
import { type JwtVerifier, withCache } from './jwt.ts'
import type { IssuerOptions, JwtOptions } from './options.ts'

/** The options of `multiIssuerJwt` in addition to the issuers. */
export interface MultiIssuerOptions {
  /** The cache for the valid tokens of all issuers, with the same options and defaults as the `cache` of `jwt`. */
  cache?: JwtOptions['cache'] | undefined
  /** The clock that the dates of tokens are compared with. In milliseconds since the epoch. Default `Date.now`. */
  now?: (() => number) | undefined
  /**
   * Only if you pass a function instead of a list of issuers: how many issuers the verifier keeps. A whole number, 1 to 10,000.
   * Default 100. Set it above the number of your tenants. Otherwise some requests get 503.
   *
   * It is also a rate limit: the verifier adds at most `max` / 60 new issuers per second, after a burst of `max`. Return
   * `undefined` for issuers that are not your tenants. See docs/issuers.md.
   */
  max?: number | undefined
  /**
   * Only if you pass a function instead of a list of issuers: how long the verifier uses what the function returned for an
   * issuer. In seconds, 0.001 to 86,400. Default 60. After that, it calls the function again.
   */
  ttl?: Seconds | undefined
}

/**
 * Verifies the JWT access tokens of several issuers: the issuers of a list, or issuers that a function knows, such as tenants.
 *
 * @example
 * const verifier = multiIssuerJwt([
 *   { issuer: 'https://id.example.com', audience: 'https://api.example.com' },
 *   { issuer: 'https://partner.example.org', audience: 'urn:partner', profile: 'rfc9068', algorithms: ['ES256'] },
 * ])
 * @throws TypeError if an option is unknown, missing or impossible, or if an issuer is listed twice
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
  const now = assertClock(read.now)
  if (typeof trusted === 'function') {
    const max = assertInteger('max', read.max, { preset: 100, min: 1, max: 10_000 })
    const ttl = assertSeconds('ttl', read.ttl, { preset: 60, min: 0.001, max: 86_400 })
    const source = new IssuerResolverCache({ resolve: trusted, max, ttl, now })
    return withCache(new MultiIssuerVerifier(source), read.cache, now)
  }
  if (read.max !== undefined || read.ttl !== undefined)
    throw configurationError(
      'CONFLICTING_OPTIONS',
      '"max" and "ttl" need a function as the first argument, but this call has a list of issuers',
    )
  return withCache(new MultiIssuerVerifier(new StaticIssuers(trusted, now)), read.cache, now)
}

/** The type of the claims of an issuer. Without a schema all claims are kept as they are. */
type ClaimsOf<Output> = unknown extends Output ? RawClaims : Output

/**
 * Lets the verifier of the token's issuer verify it. The issuer is read from the unverified token, and that verifier checks
 * it.
 */
class MultiIssuerVerifier<Claims> implements TokenVerifier<Identity<Claims>> {
  readonly #source: IssuerSource<Claims>
  /** The verifiers with background work, so that a request need not look at each of 10,000 tenants. */
  readonly #busy = new Set<JwtVerifier<Claims>>()

  constructor(source: IssuerSource<Claims>) {
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

  async explain(
    presented: PresentedToken,
    explainers: Explainers,
  ): Promise<VerifierExplanation<Identity<Claims>>> {
    const issuer = presented.unverifiedIssuer
    const verifier = issuer === undefined ? undefined : await this.#source.find(issuer)
    return verifier === undefined
      ? explainers.foreign(presented, this.issuers)
      : explainers.by(verifier, presented)
  }

  /** Waits for the verification, and reports the issuer as proven if the token is valid. */
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

  /** Whether the issuer is still trusted with the same options, and the key of the token is still published. */
  isStillValid(verification: Active<Identity<Claims>>): boolean {
    const verifier = this.#source.held(verification.identity.issuer ?? '')
    if (verifier === undefined) return false
    const isValid = verifier.isStillValid(verification as Parameters<JwtVerifier<Claims>['isStillValid']>[0])
    this.#watch(verifier)
    return isValid
  }

  get backgroundWork(): Promise<unknown> | undefined {
    // The work of a request that the runtime ended never settles. The key set then gives it up.
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

  /** Remembers a verifier while it has background work. Only calls of this class begin such work. */
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
