/** Posts forms over connections that are kept open, and hedges requests whose connection may be dead. */

import { monotonic } from '../lib/clock.ts'
import type { SecureUrl } from '../lib/url.ts'
import type { Seconds } from '../model/units.ts'
import {
  type Connection,
  exchange,
  type Fetch,
  hold,
  NEW_CONNECTION,
  type Posted,
  repeatOnce,
  UnusableAnswer,
} from './fetch-json.ts'
import { hedged } from './hedge.ts'
import type { ExtraPlace, Place } from './semaphore.ts'

/** The pause after which connections may be dead without notice, because the process may have stood still. */
const IDLE_LIMIT: Seconds = 60
/** For how long requests are hedged after such a pause. As many connections may be dead as there were requests at once. */
const IN_DOUBT_FOR: Seconds = 10

/** The parts of a form request. */
export interface Form {
  readonly headers: Headers
  readonly body: URLSearchParams
}

const UNLIMITED: ExtraPlace = { known: false, hold, beside: () => UNLIMITED, release: () => {} }

/**
 * Posts over keep-alive connections, and hedges requests after a pause.
 *
 * A new TLS connection for each introspection would double its time, so connections are kept. But a process that was frozen,
 * or a load balancer with a short idle limit, leaves dead connections in the pool. A request on such a connection waits until
 * its deadline. So for 10 s after a pause of 60 s, a request without a response is sent again on another connection.
 */
export class KeptConnections {
  readonly #fetch: Fetch
  /** By the monotonic clock, like `#doubtedUntil`. */
  #usedAt: Seconds | undefined
  #doubtedUntil: Seconds = 0

  constructor(fetch: Fetch) {
    this.#fetch = fetch
  }

  /**
   * Posts a form and reads one JSON object that is declared as JSON. Otherwise like `fetchJson`. After a pause, requests are
   * hedged.
   * @param form creates a form for each request, because a server may accept an assertion only once
   * @param place the place that the caller takes. Each hedged request takes one more. Default: no limit.
   * @param readable other statuses than 200 whose body is read. A body that is not a JSON object counts as an empty one.
   */
  async post(
    url: SecureUrl,
    form: () => Promise<Form>,
    signal: AbortSignal,
    place: Place = UNLIMITED,
    readable: readonly number[] = [],
  ): Promise<Posted> {
    const now = monotonic()
    if (this.#usedAt !== undefined && now - this.#usedAt >= IDLE_LIMIT)
      this.#doubtedUntil = now + IN_DOUBT_FOR
    this.#usedAt = now
    const send = async (limit: AbortSignal, { hold }: Place, connection: Connection) => {
      const { headers, body } = await form()
      if (connection === 'new') headers.set('connection', NEW_CONNECTION.connection)
      const init = { method: 'POST', headers, body }
      return exchange(url, init, { fetch: this.#fetch, signal: limit, hold, type: JSON_TYPE, readable })
    }
    if (now >= this.#doubtedUntil) return repeatOnce((connection) => send(signal, place, connection))
    let sent = 0
    return hedged({
      send: (limit, at) => send(limit, at, sent++ === 0 ? 'kept' : 'new'),
      signal,
      place,
      isResponse: (cause) => cause instanceof UnusableAnswer,
    })
  }
}

const JSON_TYPE = /^application\/json[ \t]*(?:;|$)/i
