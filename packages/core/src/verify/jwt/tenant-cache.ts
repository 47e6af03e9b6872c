/** Caches the verifiers of tenants. Proven tenants, of which a token was verified, have a cache of their own. */

import { lru } from '../../lib/lru.ts'
import type { Seconds } from '../../model/units.ts'
import type { TokenBucket } from '../../net/token-bucket.ts'
import type { KeySet } from '../keys/key-set.ts'
import type { JwtVerifier } from './jwt.ts'
import type { IssuerOptions } from './options.ts'

/** A tenant: its options, its verifier, and its key set, which can outlive a change of the options. */
export interface Tenant<Claims> {
  /** A copy, so that a change in place is noticed at the next answer of the resolver. */
  readonly options: IssuerOptions<Claims>
  readonly keys: KeySet
  readonly verifier: JwtVerifier<Claims>
  /** When the resolver was called for it, by the monotonic clock. In seconds. */
  readonly askedAt: Seconds
  /**
   * The bucket that its allowance came from. The allowance returns to it when a token of the tenant is verified for the first
   * time.
   */
  readonly paidBy: TokenBucket | undefined
}

/** Keeps two bounded caches: one of proven tenants, and one of others. An evicted tenant stops fetching. */
export class TenantCache<Claims> {
  readonly #max: number
  readonly #proven
  /** Tenants of which no token was verified yet. Made-up ones cannot evict proven ones. */
  readonly #candidates

  /** @param max how many proven tenants are kept, and how many others */
  constructor(max: number) {
    this.#max = max
    this.#proven = tenantsIn<Claims>(max)
    this.#candidates = tenantsIn<Claims>(max)
  }

  /** Returns a tenant. This counts as a use, so it is evicted later. */
  get(issuer: string): Tenant<Claims> | undefined {
    return this.#proven.get(issuer) ?? this.#candidates.get(issuer)
  }

  /** Returns a tenant. This does not count as a use. */
  peek(issuer: string): Tenant<Claims> | undefined {
    return this.#proven.peek(issuer) ?? this.#candidates.peek(issuer)
  }

  isProven(issuer: string): boolean {
    return this.#proven.has(issuer)
  }

  /** Adds or replaces a tenant. Closes the key set of the replaced tenant if the new tenant has another one. */
  set(issuer: string, tenant: Tenant<Claims>): void {
    const former = this.peek(issuer)
    if (former !== undefined && former.keys !== tenant.keys) former.keys.close()
    const tenants = this.isProven(issuer) ? this.#proven : this.#candidates
    tenants.set(issuer, tenant)
  }

  /** Removes a tenant, and closes its key set. */
  delete(issuer: string): void {
    this.peek(issuer)?.keys.close()
    this.#proven.delete(issuer)
    this.#candidates.delete(issuer)
  }

  /**
   * Keeps a tenant of which a token was verified, and returns its allowance to the bucket. The allowance is not returned if
   * another tenant is evicted to make room. Otherwise, with more tenants than `max`, their keys would be fetched again and
   * again without a limit.
   * @returns whether this is the first verified token of the tenant
   */
  prove(issuer: string): boolean {
    const candidate = this.#candidates.peek(issuer)
    if (candidate === undefined) return false
    if (this.#proven.size < this.#max) candidate.paidBy?.release(1)
    this.#candidates.delete(issuer)
    this.#proven.set(issuer, { ...candidate, paidBy: undefined })
    return true
  }

  /** Returns the verifiers of all tenants. */
  get verifiers(): readonly JwtVerifier<Claims>[] {
    return [...this.#proven.values(), ...this.#candidates.values()].map(({ verifier }) => verifier)
  }
}

/** Creates one of the caches. Closes the key set of a tenant that it evicts, so that no refresh of it goes on. */
function tenantsIn<Claims>(max: number) {
  return lru<Tenant<Claims>>({
    max,
    dispose({ keys }, _issuer, reason) {
      if (reason === 'evict') keys.close()
    },
  })
}
