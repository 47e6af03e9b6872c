/** Posts forms on kept connections, with hedged requests after a pause, because the connections may be dead (RFC 9112 §9.3). */

import { monotonic, timeout } from '../lib/clock.ts'
import type { SecureUrl } from '../lib/url.ts'
import type { Seconds } from '../model/units.ts'
import { exchange, type Fetch, type Fetched, UnusableAnswer } from './fetch-json.ts'

const JSON_TYPE = /^application\/json[ \t]*(?:;|$)/i

/** The pause after which connections may be dead without notice, because the process may have stood still. In seconds. */
const IDLE_LIMIT: Seconds = 60
/** How long requests are hedged after such a pause. As many connections may be dead as there were requests at once. In seconds. */
const IN_DOUBT_FOR: Seconds = 10
/** How long a request waits for its response before it is sent again. In seconds. */
const HEDGE_DELAY: Seconds = 0.5
/** How often a request is sent at most. */
const MAX_REQUESTS = 4

/** A form body, and its headers. */
export interface Form {
  readonly headers: Headers
  readonly body: URLSearchParams
}

/** Posts over keep-alive connections. After a long pause a pooled connection may be dead, so requests are hedged on a new one. */
export class HedgedPost {
  readonly #fetch: Fetch
  /** By the monotonic clock, like `#doubtedUntil`. */
  #usedAt: Seconds | undefined
  #doubtedUntil: Seconds = 0

  constructor(fetch: Fetch) {
    this.#fetch = fetch
  }

  /**
   * Posts a form, and reads one JSON object that is declared as JSON. Otherwise like `fetchJson`. A hedged request is sent
   * again on another connection while there is no response, and the first response counts.
   * @param form creates a form for each request, because a server may accept an assertion only once
   */
  async post(url: SecureUrl, form: () => Promise<Form>, signal: AbortSignal): Promise<Fetched> {
    const now = monotonic()
    if (this.#usedAt !== undefined && now - this.#usedAt >= IDLE_LIMIT)
      this.#doubtedUntil = now + IN_DOUBT_FOR
    this.#usedAt = now
    if (now >= this.#doubtedUntil) return this.#send(url, await form(), signal)
    // Not AbortSignal.any, which some versions of Node may collect before it is due.
    const abort = new AbortController()
    const end = () => abort.abort(signal.reason)
    signal.addEventListener('abort', end)
    try {
      return await this.#hedge(async () => this.#send(url, await form(), abort.signal))
    } finally {
      signal.removeEventListener('abort', end)
      abort.abort()
    }
  }

  async #hedge(send: () => Promise<Fetched>): Promise<Fetched> {
    const pending = new Set<Promise<{ readonly answer?: Fetched; readonly failure?: unknown }>>()
    let failures = 0
    for (let left = MAX_REQUESTS; ; ) {
      if (left > 0) {
        left -= 1
        const one = send().then(
          (answer) => ({ answer }),
          (failure: unknown) => {
            pending.delete(one)
            if (failure instanceof UnusableAnswer) throw failure
            return { failure }
          },
        )
        pending.add(one)
      }
      const { answer, failure } = await Promise.race([...pending, ...(left > 0 ? [pause(HEDGE_DELAY)] : [])])
      if (answer !== undefined) return answer
      if (failure === undefined) continue
      // The first failure may be a dead connection. A second one says something about the server.
      failures += 1
      if (failures > 1) left = 0
      if (left === 0 && pending.size === 0) throw failure
    }
  }

  #send(url: SecureUrl, { headers, body }: Form, signal: AbortSignal): Promise<Fetched> {
    return exchange(url, { method: 'POST', headers, body, signal }, this.#fetch, signal, JSON_TYPE)
  }
}

function pause(seconds: Seconds): Promise<{ readonly answer?: never; readonly failure?: never }> {
  return new Promise((resolve) => timeout(seconds).addEventListener('abort', () => resolve({})))
}
