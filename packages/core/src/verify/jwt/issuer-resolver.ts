/** Issuers that a function knows, such as tenants: bounded in number, asked for again in time, kept once a token proved them. */

import { raceAbort } from '../../lib/abort.ts'
import { readOptions } from '../../lib/assert.ts'
import { monotonic, timeout } from '../../lib/clock.ts'
import { frozen } from '../../lib/freeze.ts'
import { isObject } from '../../lib/json.ts'
import { lru } from '../../lib/lru.ts'
import { isPromiseLike, mapMaybe } from '../../lib/promise.ts'
import { isIssuer } from '../../lib/url.ts'
import { UnavailableError } from '../../model/unavailable.ts'
import type { Seconds } from '../../model/units.ts'
import { Semaphore } from '../../net/semaphore.ts'
import { InFlight } from '../../net/single-flight.ts'
import { TokenBucket } from '../../net/token-bucket.ts'
import type { RawClaims } from '../claims/values.ts'
import type { KeySet } from '../keys/jwks.ts'
import { JwtVerifier } from './jwt.ts'
import { keySetOf } from './key-source.ts'
import { ISSUER_OPTIONS, type IssuerOptions } from './options.ts'

/**
 * Finds the options of an issuer, or returns `undefined` if it is not trusted. If it throws, or returns options of another
 * issuer, the answer is 503.
 *
 * The issuer is the `iss` of a token that is not verified yet, so anybody can have the function called with any issuer. It
 * is always an https URL (http on loopback only) in canonical form: no user name, query, fragment, or character that
 * RFC 3986 does not allow, and a host that `new URL` reads the same. Tokens with any other `iss` are answered 401 without
 * a call.
 *
 * At most 64 calls run at once, 48 of them for issuers of which no token was verified yet. Each may take 10 s, its wait
 * included.
 */
export type IssuerResolver<Claims = RawClaims> = (
  issuer: string,
) => IssuerOptions<Claims> | undefined | Promise<IssuerOptions<Claims> | undefined>

interface Tenant<Claims> {
  /** A copy: what is changed in place later is a change. */
  readonly options: IssuerOptions<Claims>
  readonly keys: KeySet
  readonly verifier: JwtVerifier<Claims>
  readonly askedAt: Seconds
  /** The allowance that its key set was taken from. The first verified token pays it back. */
  readonly paidBy: TokenBucket | undefined
}

type Found<Claims> = JwtVerifier<Claims> | undefined

/** How long it is believed that an issuer is none, in seconds, and of how many issuers. */
const UNKNOWN_FOR = 5
const MAX_UNKNOWN = 1_000
/** How many calls of the resolver run at once, and how many more may wait. Proven tenants go first. */
const CONCURRENCY = 64
const QUEUE = 1_000
/** The deadline of one call of the resolver, its wait included. */
const DEADLINE: Seconds = 10
const MAX_SHARED = 20_000
const MINUTE: Seconds = 60
/** The part of `max` that is kept for issuers that come again, after how many seconds, and how many of them are remembered. */
const RETURNING_SHARE = 1 / 4
const RETURNS_AFTER: Seconds = 1
const MAX_DEFERRED = 1_000

export class IssuerResolverCache<Claims> {
  readonly names: readonly string[] = []
  readonly #resolve: IssuerResolver<Claims>
  readonly #max: number
  readonly #ttl: Seconds
  readonly #now: () => number
  readonly #proven
  /** Those of which no token was verified yet: whoever makes issuers up drives out nobody else. */
  readonly #candidates
  readonly #unknown = lru<{ readonly askedAt: Seconds; readonly until: Seconds }>({ max: MAX_UNKNOWN })
  readonly #asking = new InFlight<Found<Claims>>(MAX_SHARED)
  readonly #calls = new Semaphore({
    concurrency: CONCURRENCY,
    queue: QUEUE,
    timeout: DEADLINE,
    full: 'Too many issuers wait for the function of "multiIssuerJwt"',
  })
  readonly #allowance: TokenBucket
  /** For issuers that were deferred and come again. Absent if it would be less than one a minute. */
  readonly #returning: TokenBucket | undefined
  readonly #deferred = lru<{ readonly since: Seconds }>({ max: MAX_DEFERRED })
  #closed = false

  constructor(resolve: IssuerResolver<Claims>, max: number, ttl: Seconds, now: () => number) {
    this.#resolve = resolve
    this.#max = max
    this.#ttl = ttl
    this.#now = now
    this.#proven = tenantsIn<Claims>(max)
    this.#candidates = tenantsIn<Claims>(max)
    this.#allowance = new TokenBucket(max, MINUTE / max)
    const returning = Math.floor(max * RETURNING_SHARE)
    this.#returning = returning === 0 ? undefined : new TokenBucket(returning, MINUTE / returning)
  }

  find(issuer: string): Found<Claims> | Promise<Found<Claims>> {
    const held = this.held(issuer)
    if (held !== undefined) return held
    const asking = this.#asking.get(issuer)
    if (asking !== undefined) return asking
    const refused = this.#unknown.get(issuer)
    if (refused !== undefined && monotonic() < refused.until) return undefined
    return isIssuer(issuer) ? this.#ask(issuer) : undefined
  }

  held(issuer: string): Found<Claims> {
    const tenant = this.#proven.get(issuer) ?? this.#candidates.get(issuer)
    return tenant !== undefined && monotonic() < tenant.askedAt + this.#ttl ? tenant.verifier : undefined
  }

  /**
   * Keeps an issuer of which a token was verified, and pays its key set back: it exists. Not if another one has to go for it:
   * with more tenants than "max", they would be fetched again and again without a limit.
   */
  proved(issuer: string): void {
    const candidate = this.#candidates.peek(issuer)
    if (candidate === undefined) return
    if (this.#proven.size < this.#max) candidate.paidBy?.release(1)
    this.#candidates.delete(issuer)
    this.#deferred.delete(issuer)
    this.#proven.set(issuer, { ...candidate, paidBy: undefined })
  }

  all(): readonly JwtVerifier<Claims>[] {
    return [...this.#proven.values(), ...this.#candidates.values()].map(({ verifier }) => verifier)
  }

  /** The function may know any issuer that has the form of one. */
  owns(issuer: string): boolean {
    return isIssuer(issuer)
  }

  close(): void {
    this.#closed = true
    for (const verifier of this.all()) verifier.close()
  }

  #ask(issuer: string): Found<Claims> | Promise<Found<Claims>> {
    const signal = timeout(DEADLINE)
    const found = this.#calls.run(() => this.#call(issuer, signal), {
      known: this.#proven.has(issuer),
      signal,
    })
    if (!isPromiseLike(found)) return found
    const inTime = found.catch((cause) => {
      throw signal.aborted
        ? new UnavailableError('The function of "multiIssuerJwt" timed out', { cause })
        : cause
    })
    return this.#asking.add(issuer, inTime)
  }

  #call(issuer: string, signal: AbortSignal): Found<Claims> | Promise<Found<Claims>> {
    if (this.#closed) throw new UnavailableError('The gate is closed')
    const askedAt = monotonic()
    const given = this.#resolve(issuer)
    const options = isPromiseLike(given) ? raceAbort(Promise.resolve(given), signal) : given
    return mapMaybe<IssuerOptions<Claims> | undefined, Found<Claims>>(options, (settled) =>
      this.#keep(issuer, settled, askedAt),
    )
  }

  #known(issuer: string): Tenant<Claims> | undefined {
    return this.#proven.peek(issuer) ?? this.#candidates.peek(issuer)
  }

  #keep(issuer: string, options: IssuerOptions<Claims> | undefined, askedAt: Seconds): Found<Claims> {
    if (this.#closed) throw new UnavailableError('The gate is closed')
    const known = this.#known(issuer)
    // A later question was answered before: its answer counts.
    if (known !== undefined && known.askedAt > askedAt) return known.verifier
    if ((this.#unknown.peek(issuer)?.askedAt ?? 0) > askedAt) return undefined
    if (options === undefined) {
      known?.keys.close()
      this.#proven.delete(issuer)
      this.#candidates.delete(issuer)
      this.#unknown.set(issuer, { askedAt, until: monotonic() + Math.min(this.#ttl, UNKNOWN_FOR) })
      return undefined
    }
    const tenant = this.#tenant(issuer, options, known, askedAt)
    if (known !== undefined && known.keys !== tenant.keys) known.keys.close()
    const tenants = this.#proven.has(issuer) ? this.#proven : this.#candidates
    tenants.set(issuer, tenant)
    return tenant.verifier
  }

  /** Where the options are the same, everything is kept; where those of the keys are, the keys. */
  #tenant(
    issuer: string,
    given: IssuerOptions<Claims>,
    known: Tenant<Claims> | undefined,
    askedAt: Seconds,
  ): Tenant<Claims> {
    if (!isObject(given) || given.issuer !== issuer)
      throw new UnavailableError(
        'The function of "multiIssuerJwt" gave no options of the issuer that it was asked for',
      )
    try {
      const options = copyOf<Claims>(given)
      if (known !== undefined && isSame(known.options, options)) return { ...known, askedAt }
      const isSameSet = known !== undefined && isSame(ofKeys(known.options), ofKeys(options))
      const paidBy = isSameSet ? known.paidBy : this.#proven.has(issuer) ? undefined : this.#spend(issuer)
      const keys = isSameSet ? known.keys : keySetOf(options)
      return { options, keys, verifier: new JwtVerifier<Claims>(options, this.#now, keys), askedAt, paidBy }
    } catch (cause) {
      if (cause instanceof UnavailableError) throw cause
      throw new UnavailableError('The function of "multiIssuerJwt" gave impossible options', { cause })
    }
  }

  /**
   * Limits how many key sets are added for tenants without a verified token, since anybody can make up their names. A tenant
   * that is deferred comes again, made-up ones usually do not: so some of the allowance is kept for those that do.
   */
  #spend(issuer: string): TokenBucket {
    const deferred = this.#deferred.peek(issuer)
    const isBack = deferred !== undefined && monotonic() >= deferred.since + RETURNS_AFTER
    if (this.#allowance.tryAcquire()) return this.#allowance
    if (isBack && this.#returning?.tryAcquire() === true) return this.#returning
    if (deferred === undefined) this.#deferred.set(issuer, { since: monotonic() })
    const wait = Math.min(this.#allowance.wait, this.#returning?.wait ?? MINUTE)
    throw new UnavailableError(
      'Failed to add a tenant: "max" of "multiIssuerJwt" must be larger than the number of tenants, and limits how many new ones are added in a minute',
      { retryAfter: Math.max(RETURNS_AFTER, wait) },
    )
  }
}

function tenantsIn<Claims>(max: number) {
  return lru<Tenant<Claims>>({
    max,
    dispose({ keys }, _issuer, reason) {
      if (reason === 'evict') keys.close()
    },
  })
}

/** A schema and a store are objects of somebody else's, and are compared as such; of the rest plain data is copied. */
function copyOf<Claims>(given: IssuerOptions<Claims>): IssuerOptions<Claims> {
  const { claims, jwksStore, ...rest } = readOptions('multiIssuerJwt', given, ISSUER_OPTIONS)
  const objects = {
    ...(claims !== undefined && { claims }),
    ...(jwksStore !== undefined && { jwksStore }),
  }
  return Object.assign(Object.create(null), frozen({ ...rest }), objects)
}

const KEY_SETTINGS = [
  'jwksUri',
  'discovery',
  'keys',
  'algorithms',
  'cacheMaxAge',
  'staleIfError',
  'cooldown',
  'timeout',
] as const

/** What decides of the keys. `fetch` and `onJwks`, which may be written anew each time, are those of the first answer. */
function ofKeys(options: IssuerOptions<unknown>): readonly unknown[] {
  return KEY_SETTINGS.map((name) => options[name])
}

/** Plain data is the same by its content, anything else by its identity. */
function isSame(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true
  if (!isPlain(one) || !isPlain(other) || Array.isArray(one) !== Array.isArray(other)) return false
  const [entries, others] = [Object.entries(one), new Map(Object.entries(other))]
  return entries.length === others.size && entries.every(([name, value]) => isSame(value, others.get(name)))
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  return Array.isArray(value) || [Object.prototype, null].includes(Object.getPrototypeOf(value))
}
