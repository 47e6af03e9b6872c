/** Fetches JSON objects: https or loopback only, with one deadline and a size limit, without redirects. */

import { raceAbort } from '../lib/abort.ts'
import { monotonic, now } from '../lib/clock.ts'
import { isObject } from '../lib/json.ts'
import { errorWithoutQuery, type SecureUrl, withoutQuery } from '../lib/url.ts'
import { UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'
import { hedged } from './hedge.ts'
import { LostConnectionError } from './lost-connection.ts'
import { assertResponse, chunksOf, discard, isBytes, notStandard } from './response.ts'
import type { ExtraPlace, Place } from './semaphore.ts'

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** The largest body that is read, in bytes. */
const MAX_BODY = 262_144
/** The longest wait that a server can ask for with `Retry-After`. */
const MAX_RETRY_AFTER: Seconds = 60

/** Asks for a new connection without keep-alive. An idle connection may be dead by the next refresh. */
const NEW_CONNECTION = { connection: 'close' }

export interface Fetched {
  readonly body: Readonly<Record<string, unknown>>
  /** `Cache-Control: max-age` of the response. In seconds. */
  readonly maxAge: Seconds | undefined
}

export interface Posted extends Fetched {
  /** 200, or another status whose body the caller reads. */
  readonly status: number
}

/** The server responded, but the status is not 200, or the body is not a JSON object. */
export class UnusableAnswer extends UnavailableError {
  readonly status: number | undefined
  /** The `Retry-After` of the response. In seconds, at most 60. 0 if it has none; then `retryAfter` is 1. */
  readonly askedWait: Seconds

  constructor(message: string, options: { status?: number; retryAfter?: Seconds } = {}) {
    super(message, options)
    this.status = options.status
    this.askedWait = options.retryAfter ?? 0
  }
}

/** There is no response, because the connection was closed before the first byte of one. */
class NoAnswer extends UnavailableError {}

/**
 * Returns how long the server asks to wait before the next request. In seconds, at most 60. 0 if it does not ask. Only its
 * `Retry-After` counts, not an error of the user's own functions.
 */
export function askedWait(failure: unknown): Seconds {
  return failure instanceof UnusableAnswer ? failure.askedWait : 0
}

/**
 * Fetches one JSON object.
 * @param signal the deadline for connecting, headers and body
 * @param accept the media types of the document
 * @throws UnusableAnswer if the response cannot be used
 * @throws UnavailableError if there is no response in time
 */
export function fetchJson(
  url: SecureUrl,
  fetch: Fetch,
  signal: AbortSignal,
  accept = 'application/json',
): Promise<Fetched> {
  const init = { headers: { accept, ...NEW_CONNECTION }, signal }
  return repeatOnce(() => exchange(url, init, { fetch, signal, hold }))
}

/**
 * Sends a request again, on a new connection, if its connection was closed without a byte of a response. A server may close
 * a kept connection at any time, and each request here may be sent twice (RFC 9110 §9.2.2, RFC 9112 §9.3.1).
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

/** Whether a request may use a connection that an earlier request left open. */
type Connection = 'kept' | 'new'

/** Counts work until the server is done with it, which may be after the caller has stopped waiting. */
type Hold = Place['hold']

const hold: Hold = (work) => work
const UNLIMITED: ExtraPlace = { known: false, hold, beside: () => UNLIMITED, release: () => {} }

/** Posts over keep-alive connections. After a pause, one of them may be dead. */
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
      const init = { method: 'POST', headers, body, signal: limit }
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

interface Exchange {
  readonly fetch: Fetch
  readonly signal: AbortSignal
  readonly hold: Hold
  /** The media type that the response must have. Default: any. */
  readonly type?: RegExp
  /** Other statuses than 200 whose body is read. */
  readonly readable?: readonly number[]
}

async function exchange(url: SecureUrl, init: RequestInit, how: Exchange): Promise<Posted> {
  const { fetch, signal, hold, type, readable = [] } = how
  const place = withoutQuery(url)
  try {
    const response = await raceAbort(hold(fetch(url, { ...init, redirect: 'manual' })), signal)
    assertResponse(response)
    const { status } = response
    if (readable.includes(status))
      return { status, body: await readObject(response, signal, hold).catch(noObject), maxAge: undefined }
    const isOfType = type === undefined || type.test(response.headers.get('content-type') ?? '')
    if (status !== 200 || !isOfType) {
      discard(response)
      if (status === 200) throw new UnusableAnswer(`${place} did not answer with JSON`, { status })
      throw new UnusableAnswer(`${place} answered ${status}`, { status, ...retryAfter(response) })
    }
    return { status, body: await readObject(response, signal, hold), maxAge: maxAge(response) }
  } catch (cause) {
    if (cause instanceof UnavailableError) throw cause
    if (signal.aborted) throw signal.reason
    const Failure = cause instanceof LostConnectionError ? NoAnswer : UnavailableError
    throw new Failure(`Failed to reach ${place}`, { cause: errorWithoutQuery(cause, url) })
  }
}

/** A body that is no JSON object says nothing beyond its status. */
function noObject(cause: unknown): Record<string, unknown> {
  if (cause instanceof UnusableAnswer) return {}
  throw cause
}

/** Strict UTF-8. A byte order mark is not skipped, so that it is a syntax error of JSON. */
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
  const { read, cancel } = chunksOf(response)
  const chunks: Uint8Array[] = []
  let length = 0
  while (true) {
    const { done, value } = await raceAbort(hold(read()), signal)
    if (done === true) break
    if (!isBytes(value)) throw notStandard('a body of something else than bytes')
    length += value.byteLength
    if (length > MAX_BODY) {
      cancel()
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

/** Reads `Retry-After`: a number of seconds, or a date (RFC 9110 §10.2.3). */
function retryAfter(response: Response): { retryAfter?: Seconds } {
  const value = response.headers.get('retry-after') ?? ''
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - now()) / 1000
  return seconds > 0 ? { retryAfter: Math.min(seconds, MAX_RETRY_AFTER) } : {}
}

function maxAge(response: Response): Seconds | undefined {
  const directive = /(?:^|[,\s])max-age="?(\d{1,9})\b/i.exec(response.headers.get('cache-control') ?? '')
  return directive?.[1] === undefined ? undefined : Number(directive[1])
}
