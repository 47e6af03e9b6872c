/** The introspection endpoint: configured, or discovered in the metadata of its issuer (RFC 8414). */

import { raceAbort } from '../../lib/abort.ts'
import { type Issuer, type SecureUrl, withoutQuery } from '../../lib/url.ts'
import type { Seconds } from '../../model/units.ts'
import type { Fetch } from '../../net/fetch-json.ts'
import type { PendingCalls } from '../../net/pending-calls.ts'
import { InFlight } from '../../net/single-flight.ts'
import { discover } from '../keys/discovery.ts'

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

export class Endpoint {
  readonly #location: ServerLocation
  readonly #discovery: Discovery
  readonly #running: InFlight<SecureUrl>
  #url: SecureUrl | undefined

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

  /** Returns the URL, and discovers it first if necessary. */
  locate(signal: AbortSignal): Promise<SecureUrl> {
    if (this.#url !== undefined) return Promise.resolve(this.#url)
    return raceAbort(this.#discovered(), signal)
  }

  /**
   * Discovers the endpoint again, if it was discovered, after requests to it failed. Until a new one is found, other requests
   * use the old one: it may fail for one token only. Failures are ignored.
   */
  async relocate(signal: AbortSignal): Promise<void> {
    if (this.#location.endpoint !== undefined || this.#url === undefined) return
    await raceAbort(this.#discovered(), signal).catch(() => {})
  }

  /** Concurrent callers share one discovery. */
  #discovered(): Promise<SecureUrl> {
    return this.#running.get('') ?? this.#running.add('', this.#discover())
  }

  async #discover(): Promise<SecureUrl> {
    const { fetch, calls } = this.#discovery
    const { allowHttp } = this.#location
    const issuer = this.#location.issuer as Issuer
    this.#url = await calls.run((signal) =>
      discover(issuer, 'introspection_endpoint', allowHttp, fetch, signal),
    )
    return this.#url
  }
}
