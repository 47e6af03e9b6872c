/** The one outbound fetch: https or loopback, one deadline over all of it, a size limit, no redirects, JSON objects only. */

import type { Seconds } from '../lib/assert.ts'
import { monotonic, now, timeout } from '../lib/clock.ts'
import type { SecureUrl } from '../lib/url.ts'
import { isObject } from '../model/identity.ts'
import { UnavailableError } from '../model/rejection.ts'

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** The runtime's own, looked up at each call. */
export const runtimeFetch: Fetch = (url, init) => globalThis.fetch(url, init)

/** The largest body that is read, in bytes. */
const MAX_BODY = 262_144
/** The longest `Retry-After` that is heeded, in seconds. */
const MAX_RETRY_AFTER = 60

/** A connection that is not kept: after minutes it might lead to where nobody answers any more. */
const ALONE = { accept: 'application/json', connection: 'close' }

export interface Fetched {
  readonly body: Readonly<Record<string, unknown>>
  /** `Cache-Control: max-age` of the answer, in seconds. */
  readonly maxAge: Seconds | undefined
}

/** An answer came, but not one to work with: the status is not 200, or the body is not a JSON object. */
export class UnusableAnswer extends UnavailableError {
  readonly status: number | undefined
  /** The `Retry-After` of the answer in seconds, if it has one. Otherwise `retryAfter` is 1. */
  readonly askedWait: Seconds | undefined

  constructor(message: string, options: { status?: number; retryAfter?: Seconds } = {}) {
    super(message, options)
    this.status = options.status
    this.askedWait = options.retryAfter
  }
}

/**
 * Fetches one JSON object.
 * @param signal the deadline over connecting, headers and body
 * @throws UnusableAnswer where an answer came but cannot be used
 * @throws UnavailableError where none came in time
 */
export function fetchJson(url: SecureUrl, fetch: Fetch, signal: AbortSignal): Promise<Fetched> {
  return exchange(url, { headers: ALONE, signal }, fetch, signal)
}

/** After how long a pause connections may be lost without a word, as by a process that stood still, in seconds. */
const IDLE_LIMIT: Seconds = 60
/** How long after such a pause: there may be as many of them as there were questions at once. */
const IN_DOUBT_FOR: Seconds = 10
/** How long an answer is waited for then before another question is asked beside, in seconds, and how many are asked at most. */
const HEDGE_DELAY: Seconds = 0.5
const MAX_BESIDE = 4

export interface Form {
  readonly headers: Headers
  readonly body: URLSearchParams
}

/** Questions by POST, on connections that are kept: after a pause, one may lead to where nobody answers any more. */
export class KeptConnections {
  readonly #fetch: Fetch
  /** By the monotonic clock, like the next. */
  #askedAt: Seconds | undefined
  #doubtedUntil: Seconds = 0

  constructor(fetch: Fetch) {
    this.#fetch = fetch
  }

  /**
   * Posts a form and reads one JSON object that says that it is one; else as `fetchJson`. What finds no answer on a
   * connection from before a pause is asked again beside, on another: the first answer counts.
   * @param form made anew for each time, for a server may take what is in it once only
   */
  async post(url: SecureUrl, form: () => Promise<Form>, signal: AbortSignal): Promise<Fetched> {
    const now = monotonic()
    if (this.#askedAt !== undefined && now - this.#askedAt >= IDLE_LIMIT)
      this.#doubtedUntil = now + IN_DOUBT_FOR
    this.#askedAt = now
    if (now >= this.#doubtedUntil) return this.#ask(url, await form(), signal)
    // Not AbortSignal.any, which on some versions of Node may be collected before it is due.
    const abort = new AbortController()
    const end = () => abort.abort(signal.reason)
    signal.addEventListener('abort', end)
    try {
      return await this.#askBeside(async () => this.#ask(url, await form(), abort.signal))
    } finally {
      signal.removeEventListener('abort', end)
      abort.abort()
    }
  }

  async #askBeside(ask: () => Promise<Fetched>): Promise<Fetched> {
    const asked = new Set<Promise<{ readonly answer?: Fetched; readonly failure?: unknown }>>()
    let failures = 0
    for (let left = MAX_BESIDE; ; ) {
      if (left > 0) {
        left -= 1
        const one = ask().then(
          (answer) => ({ answer }),
          (failure: unknown) => {
            asked.delete(one)
            if (failure instanceof UnusableAnswer) throw failure
            return { failure }
          },
        )
        asked.add(one)
      }
      const { answer, failure } = await Promise.race([...asked, ...(left > 0 ? [pause(HEDGE_DELAY)] : [])])
      if (answer !== undefined) return answer
      if (failure === undefined) continue
      // One that failed by itself may have been a connection that was lost; a second one tells of the server.
      failures += 1
      if (failures > 1) left = 0
      if (left === 0 && asked.size === 0) throw failure
    }
  }

  #ask(url: SecureUrl, { headers, body }: Form, signal: AbortSignal): Promise<Fetched> {
    return exchange(url, { method: 'POST', headers, body, signal }, this.#fetch, signal, JSON_TYPE)
  }
}

const JSON_TYPE = /^application\/json[ \t]*(?:;|$)/i

async function exchange(
  url: SecureUrl,
  init: RequestInit,
  fetch: Fetch,
  signal: AbortSignal,
  type?: RegExp,
): Promise<Fetched> {
  try {
    const response = await raceAbort(fetch(url, { ...init, redirect: 'manual' }), signal)
    const isOfType = type === undefined || type.test(response.headers.get('content-type') ?? '')
    if (response.status !== 200 || !isOfType) {
      void response.body?.cancel().catch(() => {})
      if (response.status === 200)
        throw new UnusableAnswer(`${url} did not answer with JSON`, { status: 200 })
      throw new UnusableAnswer(`${url} answered ${response.status}`, {
        status: response.status,
        ...retryAfter(response),
      })
    }
    return { body: await readObject(response, signal), maxAge: maxAge(response) }
  } catch (cause) {
    if (cause instanceof UnavailableError) throw cause
    throw signal.aborted ? signal.reason : new UnavailableError(`${url} cannot be reached`, { cause })
  }
}

/** Strict UTF-8; a byte order mark is not skipped, so that JSON refuses it. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

async function readObject(response: Response, signal: AbortSignal): Promise<Record<string, unknown>> {
  const bytes = await readBytes(response, signal)
  let body: unknown
  try {
    body = JSON.parse(utf8.decode(bytes))
  } catch {
    throw new UnusableAnswer('The issuer did not answer with JSON')
  }
  if (!isObject(body)) throw new UnusableAnswer('The issuer did not answer with a JSON object')
  return body
}

async function readBytes(response: Response, signal: AbortSignal): Promise<Uint8Array> {
  const reader = response.body?.getReader()
  const chunks: Uint8Array[] = []
  let length = 0
  while (reader !== undefined) {
    const { done, value } = await raceAbort(reader.read(), signal)
    if (done) break
    length += value.byteLength
    if (length > MAX_BODY) {
      void reader.cancel().catch(() => {})
      throw new UnusableAnswer(`The issuer answered with more than ${MAX_BODY} bytes`)
    }
    chunks.push(value)
  }
  const bytes = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.byteLength
  }
  return bytes
}

function pause(seconds: Seconds): Promise<{ readonly answer?: never; readonly failure?: never }> {
  return new Promise((resolve) => timeout(seconds).addEventListener('abort', () => resolve({})))
}

/** Rejects when the signal aborts, even where the promise does not heed it. */
export function raceAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** A number of seconds, or a date (RFC 9110 §10.2.3). */
function retryAfter(response: Response): { retryAfter?: Seconds } {
  const value = response.headers.get('retry-after') ?? ''
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - now()) / 1000
  return seconds > 0 ? { retryAfter: Math.min(seconds, MAX_RETRY_AFTER) } : {}
}

function maxAge(response: Response): Seconds | undefined {
  const directive = /(?:^|[,\s])max-age="?(\d{1,9})\b/i.exec(response.headers.get('cache-control') ?? '')
  return directive?.[1] === undefined ? undefined : Number(directive[1])
}
