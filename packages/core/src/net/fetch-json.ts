/** The one outbound fetch: https or loopback, one deadline over all of it, a size limit, no redirects, JSON objects only. */

import { raceAbort } from '../lib/abort.ts'
import { monotonic, now } from '../lib/clock.ts'
import { isObject } from '../lib/json.ts'
import { errorWithoutQuery, type SecureUrl, withoutQuery } from '../lib/url.ts'
import { UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'
import { hedged } from './hedge.ts'
import { LostConnectionError } from './lost-connection.ts'
import type { ExtraPlace, Place } from './semaphore.ts'

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** The largest body that is read, in bytes. */
const MAX_BODY = 262_144
/** The longest `Retry-After` that is heeded, in seconds. */
const MAX_RETRY_AFTER = 60

/** Asks for a connection that is not kept: after minutes it might lead to where nobody answers any more. */
const NEW_CONNECTION = { connection: 'close' }

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

/** No answer came, because the connection was closed before the first byte of one. */
class NoAnswer extends UnavailableError {}

/**
 * Fetches one JSON object.
 * @param signal the deadline over connecting, headers and body
 * @param accept the media types of the document
 * @throws UnusableAnswer where an answer came but cannot be used
 * @throws UnavailableError where none came in time
 */
export function fetchJson(
  url: SecureUrl,
  fetch: Fetch,
  signal: AbortSignal,
  accept = 'application/json',
): Promise<Fetched> {
  const init = { headers: { accept, ...NEW_CONNECTION }, signal }
  return repeatOnce(() => exchange(url, init, fetch, signal, hold))
}

/**
 * Sends a request again, on a new connection, if its connection was closed without a byte of an answer. A server closes
 * kept connections at any time, and what is sent here may be sent twice (RFC 9110 §9.2.2, RFC 9112 §9.3.1).
 */
async function repeatOnce<T>(send: (connection: Connection) => Promise<T>): Promise<T> {
  try {
    return await send('kept')
  } catch (cause) {
    if (!(cause instanceof NoAnswer)) throw cause
    return send('new')
  }
}

/** The pause after which connections may be dead without notice, because the process may have stood still. */
const IDLE_LIMIT: Seconds = 60
/** For how long requests are hedged after such a pause. As many connections may be dead as there were requests at once. */
const IN_DOUBT_FOR: Seconds = 10

export interface Form {
  readonly headers: Headers
  readonly body: URLSearchParams
}

/** Whether a request may use a connection that an earlier one has left open. */
type Connection = 'kept' | 'new'

/** Counts work as long as it occupies the server, which may be longer than somebody waits for it. */
type Hold = Place['hold']

const hold: Hold = (work) => work
const UNLIMITED: ExtraPlace = { known: false, hold, beside: () => UNLIMITED, release: () => {} }

/** Posts over keep-alive connections. After a pause, one of them may be dead. */
export class KeptConnections {
  readonly #fetch: Fetch
  /** By the monotonic clock, like the next. */
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
   */
  async post(
    url: SecureUrl,
    form: () => Promise<Form>,
    signal: AbortSignal,
    place: Place = UNLIMITED,
  ): Promise<Fetched> {
    const now = monotonic()
    if (this.#usedAt !== undefined && now - this.#usedAt >= IDLE_LIMIT)
      this.#doubtedUntil = now + IN_DOUBT_FOR
    this.#usedAt = now
    const send = async (limit: AbortSignal, at: Place, connection: Connection) =>
      this.#send(url, await form(), limit, at, connection)
    if (now >= this.#doubtedUntil) return repeatOnce((connection) => send(signal, place, connection))
    let sent = 0
    return hedged({
      send: (limit, at) => send(limit, at, sent++ === 0 ? 'kept' : 'new'),
      signal,
      place,
      isResponse: (cause) => cause instanceof UnusableAnswer,
    })
  }

  #send(
    url: SecureUrl,
    { headers, body }: Form,
    signal: AbortSignal,
    { hold }: Place,
    connection: Connection,
  ): Promise<Fetched> {
    if (connection === 'new') headers.set('connection', NEW_CONNECTION.connection)
    const init = { method: 'POST', headers, body, signal }
    return exchange(url, init, this.#fetch, signal, hold, JSON_TYPE)
  }
}

const JSON_TYPE = /^application\/json[ \t]*(?:;|$)/i

async function exchange(
  url: SecureUrl,
  init: RequestInit,
  fetch: Fetch,
  signal: AbortSignal,
  hold: Hold,
  type?: RegExp,
): Promise<Fetched> {
  const place = withoutQuery(url)
  try {
    const response = await raceAbort(hold(fetch(url, { ...init, redirect: 'manual' })), signal)
    const isOfType = type === undefined || type.test(response.headers.get('content-type') ?? '')
    if (response.status !== 200 || !isOfType) {
      void response.body?.cancel().catch(() => {})
      if (response.status === 200)
        throw new UnusableAnswer(`${place} did not answer with JSON`, { status: 200 })
      throw new UnusableAnswer(`${place} answered ${response.status}`, {
        status: response.status,
        ...retryAfter(response),
      })
    }
    return { body: await readObject(response, signal, hold), maxAge: maxAge(response) }
  } catch (cause) {
    if (cause instanceof UnavailableError) throw cause
    if (signal.aborted) throw signal.reason
    const Failure = cause instanceof LostConnectionError ? NoAnswer : UnavailableError
    throw new Failure(`Failed to reach ${place}`, { cause: errorWithoutQuery(cause, url) })
  }
}

/** Strict UTF-8; a byte order mark is not skipped, so that JSON refuses it. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

async function readObject(
  response: Response,
  signal: AbortSignal,
  hold: Hold,
): Promise<Record<string, unknown>> {
  const bytes = await readBytes(response, signal, hold)
  let body: unknown
  try {
    body = JSON.parse(utf8.decode(bytes))
  } catch {
    throw new UnusableAnswer('The issuer did not answer with JSON')
  }
  if (!isObject(body)) throw new UnusableAnswer('The issuer did not answer with a JSON object')
  return body
}

async function readBytes(response: Response, signal: AbortSignal, hold: Hold): Promise<Uint8Array> {
  const reader = response.body?.getReader()
  const chunks: Uint8Array[] = []
  let length = 0
  while (reader !== undefined) {
    const { done, value } = await raceAbort(hold(reader.read()), signal)
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
