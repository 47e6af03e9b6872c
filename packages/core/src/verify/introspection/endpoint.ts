/** The introspection endpoint: configured, or discovered in the metadata of its issuer (RFC 8414). */

import { raceAbort } from '../../lib/abort.ts'
import { type Issuer, type SecureUrl, withoutQuery } from '../../lib/url.ts'
import { UnavailableError } from '../../model/unavailable.ts'
import type { Seconds } from '../../model/units.ts'
import type { Fetch } from '../../net/fetch-json.ts'
import type { PendingCalls } from '../../net/pending-calls.ts'
import { InFlight } from '../../net/single-flight.ts'
import { TokenBucket } from '../../net/token-bucket.ts'
import { discover } from '../keys/discovery.ts'

/** The number of discoveries that each budget allows at once. Two, because the metadata may change just after one. */
const CAPACITY = 2
/** After how many seconds each budget regains one discovery. */
const REFILL: Seconds = 5
const REFILL_OF_UNKNOWN: Seconds = 30

/** The place of the authorization server. If there is no endpoint, it is discovered in the metadata of the issuer. */
export type ServerLocation = { readonly allowHttp: ReadonlySet<string> } & (
  | { readonly endpoint: SecureUrl; readonly issuer: string | undefined }
  | { readonly endpoint: undefined; readonly issuer: Issuer }
)

export interface Discovery {
  readonly fetch: Fetch
  /** Limits each discovery. */
  readonly calls: PendingCalls
  /**
   * How long other requests join a discovery. After that a new one begins, because a runtime may have dropped the first one.
   */
  readonly sharedFor: Seconds
}

/**
 * Locates the endpoint. Each discovery takes up to two requests to the issuer, so their number is limited.
 *
 * Any client can send tokens that make the server answer 404 or reset the connection, as if the endpoint had moved. So unknown
 * tokens have a budget of their own. They cannot delay the discovery that known tokens cause after a real move.
 */
export class Endpoint {
  readonly #location: ServerLocation
  readonly #discovery: Discovery
  readonly #running: InFlight<SecureUrl>
  /** The discoveries while there is no URL, and those that known tokens cause. */
  readonly #budget = new TokenBucket(CAPACITY, REFILL)
  readonly #budgetOfUnknown = new TokenBucket(CAPACITY, REFILL_OF_UNKNOWN)
  #url: SecureUrl | undefined
  /** Why the last discovery failed. */
  #failure: unknown

  constructor(location: ServerLocation, discovery: Discovery) {
    this.#location = location
    this.#discovery = discovery
    this.#running = new InFlight(1, discovery.sharedFor)
    this.#url = location.endpoint
  }

  /** The URL without its query, which may hold a secret. `undefined` before it is discovered. */
  get shown(): string | undefined {
    return this.#url === undefined ? undefined : withoutQuery(this.#url)
  }

  /** The name of the server for operators: the URL without its query, or the issuer before it is discovered. */
  get server(): string {
    return this.shown ?? withoutQuery(this.#location.issuer ?? '')
  }

  /**
   * Returns the URL, and discovers it first if necessary.
   * @throws UnavailableError if the discovery fails, or none is allowed yet
   */
  async locate(signal: AbortSignal): Promise<SecureUrl> {
    if (this.#url !== undefined) return this.#url
    const discovered = this.#discoverWithin(this.#budget)
    if (discovered === undefined) throw this.#mustWait()
    return raceAbort(discovered, signal)
  }

  /**
   * Discovers the endpoint again, if it was discovered, after a request to it failed. Until a new one is found, other requests
   * use the old one: it may fail for one token only. Failures are ignored.
   * @param known whether the request was about a known token
   */
  async relocate(signal: AbortSignal, known: boolean): Promise<void> {
    if (this.#location.endpoint !== undefined || this.#url === undefined) return
    const discovered = this.#discoverWithin(known ? this.#budget : this.#budgetOfUnknown)
    if (discovered !== undefined) await raceAbort(discovered, signal).catch(() => {})
  }

  /** Joins the pending discovery, or starts one. Returns `undefined` if the budget is used up. */
  #discoverWithin(budget: TokenBucket): Promise<SecureUrl> | undefined {
    const running = this.#running.get('')
    if (running !== undefined || !budget.tryAcquire()) return running
    return this.#running.add('', this.#discover())
  }

  async #discover(): Promise<SecureUrl> {
    const { fetch, calls } = this.#discovery
    const { allowHttp } = this.#location
    const issuer = this.#location.issuer as Issuer
    try {
      this.#url = await calls.run((signal) =>
        discover(issuer, 'introspection_endpoint', allowHttp, fetch, signal),
      )
    } catch (cause) {
      this.#failure = cause
      throw cause
    }
    return this.#url
  }

  #mustWait(): UnavailableError {
    const retryAfter = this.#budget.wait
    return new UnavailableError(
      `Failed to discover the introspection endpoint of ${this.server}; next attempt in ${Math.ceil(retryAfter)} s`,
      { cause: this.#failure, retryAfter },
    )
  }
}
