/**
 * Asks a function for the options of issuers, such as tenants: once in `ttl`, with a deadline, and proven tenants first.
 *
 * The issuer of a token is read before its signature is checked, so any client can choose it. Everything that a new issuer
 * costs is therefore limited: calls of the function, entries of the caches, and fetches of keys. A tenant of which a token was
 * verified is proven, and does not share these limits with unproven ones.
 */

import { raceAbort } from '../../lib/abort.ts'
import { monotonic, timeout } from '../../lib/clock.ts'
import { isConfigurationError } from '../../lib/configuration-error.ts'
import { isObject } from '../../lib/json.ts'
import { lru } from '../../lib/lru.ts'
import { isPromiseLike, mapMaybe } from '../../lib/promise.ts'
import { isIssuer } from '../../lib/url.ts'
import { MistakeError, UnavailableError } from '../../model/unavailable.ts'
import type { Seconds } from '../../model/units.ts'
import { Semaphore } from '../../net/semaphore.ts'
import { InFlight } from '../../net/single-flight.ts'
import type { TokenBucket } from '../../net/token-bucket.ts'
import type { RawClaims } from '../claims/values.ts'
import { IssuerBudget } from './issuer-budget.ts'
import type { Found, IssuerSource } from './issuer-source.ts'
import { JwtVerifier } from './jwt.ts'
import { keySetOf } from './key-source.ts'
import type { IssuerOptions } from './options.ts'
import { copyOptions, haveSameKeys, isSame } from './resolved-options.ts'
import { type Tenant, TenantCache } from './tenant-cache.ts'

/**
 * Finds the options of an issuer, or returns `undefined` if it is not trusted. If it throws, or returns options of another
 * issuer, the answer is 503.
 *
 * The issuer is the `iss` of a token that is not verified yet, so any client can cause a call of the function with any issuer.
 * The issuer is always an https URL (http on loopback only) in canonical form. It has no user name, no query, no fragment, and
 * no character that RFC 3986 does not allow. A URL parser finds exactly the host that the text has. For a token with any other
 * `iss`, the answer is 401 without a call.
 *
 * At most 64 calls run at once. At most 48 of these may be for issuers of which no token was verified yet. Each call may take
 * 10 s, including its time in the queue.
 *
 * @example
 * const verifier = multiIssuerJwt(async (issuer) => {
 *   const tenant = await tenants.findByIssuer(issuer)
 *   return tenant ? { issuer, audience: tenant.audience } : undefined
 * })
 */
export type IssuerResolver<Claims = RawClaims> = (
  issuer: string,
) => IssuerOptions<Claims> | undefined | Promise<IssuerOptions<Claims> | undefined>

/** How long an issuer that is not trusted is rejected without a call of the resolver, if `ttl` is not shorter. */
const UNKNOWN_FOR: Seconds = 5
/** The number of such issuers that are remembered. */
const MAX_UNKNOWN = 1_000
/** How many calls of the resolver run at once. Proven tenants go first. */
const CONCURRENCY = 64
/** How many more calls may wait. */
const QUEUE = 1_000
/** The deadline of one call of the resolver, including its time in the queue. */
const DEADLINE: Seconds = 10
/** The number of pending calls of the resolver that other requests can share. */
const MAX_SHARED = 20_000

/** The options of the cache. */
export interface IssuerResolverCacheOptions<Claims> {
  readonly resolve: IssuerResolver<Claims>
  /** How many issuers are kept. */
  readonly max: number
  /** How long an answer is used. In seconds. */
  readonly ttl: Seconds
  readonly now: () => number
}

/**
 * Calls the resolver once for concurrent requests of an issuer, and uses its answer for `ttl`. Calls for proven tenants go
 * first, so that tokens with made-up issuers cannot delay them.
 *
 * After `ttl` the resolver is called again, and its answer compared with the former one. Equal options keep the verifier, and
 * with it the cached results. Other options with the same settings for keys keep the keys. Otherwise the keys are fetched.
 * `undefined` removes the tenant. Its cached results are then no longer valid.
 */
export class IssuerResolverCache<Claims> implements IssuerSource<Claims> {
  readonly names: readonly string[] = []
  readonly #resolve: IssuerResolver<Claims>
  readonly #ttl: Seconds
  readonly #now: () => number
  readonly #tenants: TenantCache<Claims>
  readonly #unknown = lru<{ readonly askedAt: Seconds; readonly until: Seconds }>({ max: MAX_UNKNOWN })
  readonly #asking = new InFlight<Found<Claims>>(MAX_SHARED)
  readonly #calls = new Semaphore({
    concurrency: CONCURRENCY,
    queue: QUEUE,
    timeout: DEADLINE,
    full: 'Failed to find an issuer: too many calls of the function of "multiIssuerJwt" are already waiting',
  })
  readonly #budget: IssuerBudget
  #closed = false

  constructor({ resolve, max, ttl, now }: IssuerResolverCacheOptions<Claims>) {
    this.#resolve = resolve
    this.#ttl = ttl
    this.#now = now
    this.#tenants = new TenantCache(max)
    this.#budget = new IssuerBudget(max)
  }

  find(issuer: string): Found<Claims> | Promise<Found<Claims>> {
    const held = this.held(issuer)
    if (held !== undefined) return held
    const asking = this.#asking.get(issuer)
    if (asking !== undefined) return asking
    const rejected = this.#unknown.get(issuer)
    if (rejected !== undefined && monotonic() < rejected.until) return undefined
    return isIssuer(issuer) ? this.#ask(issuer) : undefined
  }

  held(issuer: string): Found<Claims> {
    const tenant = this.#tenants.get(issuer)
    return tenant !== undefined && monotonic() < tenant.askedAt + this.#ttl ? tenant.verifier : undefined
  }

  proved(issuer: string): void {
    if (this.#tenants.prove(issuer)) this.#budget.proved(issuer)
  }

  all(): readonly JwtVerifier<Claims>[] {
    return this.#tenants.verifiers
  }

  /** The function may know any issuer that has a valid form. */
  owns(issuer: string): boolean {
    return isIssuer(issuer)
  }

  close(): void {
    this.#closed = true
    for (const verifier of this.all()) verifier.close()
  }

  /** Calls the resolver when its turn comes. Other requests of the issuer share the call. */
  #ask(issuer: string): Found<Claims> | Promise<Found<Claims>> {
    const signal = timeout(DEADLINE)
    const found = this.#calls.run(() => this.#call(issuer, signal), {
      known: this.#tenants.isProven(issuer),
      signal,
    })
    if (!isPromiseLike(found)) return found
    const inTime = found.catch((cause) => {
      throw signal.aborted
        ? new UnavailableError('The function of "multiIssuerJwt" did not return within 10 s', { cause })
        : cause
    })
    return this.#asking.add(issuer, inTime)
  }

  /** Calls the resolver now, and waits for its answer until the signal aborts. */
  #call(issuer: string, signal: AbortSignal): Found<Claims> | Promise<Found<Claims>> {
    if (this.#closed) throw new UnavailableError('The gate is closed')
    const askedAt = monotonic()
    const given = this.#resolve(issuer)
    const options = isPromiseLike(given) ? raceAbort(Promise.resolve(given), signal) : given
    return mapMaybe<IssuerOptions<Claims> | undefined, Found<Claims>>(options, (settled) =>
      this.#keep(issuer, settled, askedAt),
    )
  }

  /** Uses an answer of the resolver, unless a newer one is known. */
  #keep(issuer: string, options: IssuerOptions<Claims> | undefined, askedAt: Seconds): Found<Claims> {
    if (this.#closed) throw new UnavailableError('The gate is closed')
    const known = this.#tenants.peek(issuer)
    // A call that began later has returned before this one. Its answer is newer.
    if (known !== undefined && known.askedAt > askedAt) return known.verifier
    if ((this.#unknown.peek(issuer)?.askedAt ?? 0) > askedAt) return undefined
    if (options === undefined) {
      this.#tenants.delete(issuer)
      this.#unknown.set(issuer, { askedAt, until: monotonic() + Math.min(this.#ttl, UNKNOWN_FOR) })
      return undefined
    }
    const tenant = this.#tenant(issuer, options, known, askedAt)
    this.#tenants.set(issuer, tenant)
    return tenant.verifier
  }

  /** Keeps the verifier if the options are the same, and the keys if the options of the keys are. */
  #tenant(
    issuer: string,
    given: IssuerOptions<Claims>,
    known: Tenant<Claims> | undefined,
    askedAt: Seconds,
  ): Tenant<Claims> {
    if (!isObject(given) || given.issuer !== issuer)
      throw new MistakeError(
        'The function of "multiIssuerJwt" must return options with the "issuer" that it was called with',
      )
    try {
      const options = copyOptions<Claims>(given)
      if (known !== undefined && isSame(known.options, options)) return { ...known, askedAt }
      const kept = known !== undefined && haveSameKeys(known.options, options) ? known : undefined
      const paidBy = kept === undefined ? this.#pay(issuer) : kept.paidBy
      const keys = kept?.keys ?? keySetOf(options)
      return { options, keys, verifier: new JwtVerifier<Claims>(options, this.#now, keys), askedAt, paidBy }
    } catch (cause) {
      if (cause instanceof UnavailableError) throw cause
      const why = isConfigurationError(cause) ? `: ${cause.message}` : ''
      throw new MistakeError(`The function of "multiIssuerJwt" returned invalid options${why}`, { cause })
    }
  }

  /** Takes the allowance for a key set. A proven tenant needs none, because its verified token shows that it exists. */
  #pay(issuer: string): TokenBucket | undefined {
    return this.#tenants.isProven(issuer) ? undefined : this.#budget.acquire(issuer)
  }
}
