/**
 * Fetches JSON objects: https or loopback only, with one deadline and a size limit, without redirects.
 *
 * All outbound requests are made here. A redirect is not followed, because its target was not configured: it could lead to
 * the gate's own network, or carry the credentials of this API to another server.
 */

import { raceAbort } from '../lib/abort.ts'
import { now } from '../lib/clock.ts'
import { isObject } from '../lib/json.ts'
import { errorWithoutQuery, type SecureUrl, withoutQuery } from '../lib/url.ts'
import { UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'
import { LostConnectionError } from './lost-connection.ts'
import { assertResponse, chunksOf, discard, isBytes, notStandard } from './response.ts'
import type { Place } from './semaphore.ts'

/**
 * Sends a request, like the `fetch` of the runtime. Pass your own to use a proxy, a client certificate or a private CA.
 *
 * It must return a `Response` of the Fetch standard, honor `redirect: 'manual'`, and should abort with `init.signal`. If it
 * throws or rejects, the request counts as failed.
 *
 * @example
 * // Node: a proxy, by the library behind its fetch
 * const dispatcher = new ProxyAgent('http://proxy.example.com:3128')
 * const fetch: Fetch = (url, init) => globalThis.fetch(url, { ...init, dispatcher } as RequestInit)
 */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** The largest body that is read, in bytes. A larger one is an error, and the rest of it is not read. */
const MAX_BODY = 262_144
/** The longest wait that a server can ask for with `Retry-After`. */
const MAX_RETRY_AFTER: Seconds = 60

/** Asks for a new connection without keep-alive. An idle connection may be dead by the next refresh. */
export const NEW_CONNECTION = { connection: 'close' }

/** A JSON object from a server. */
export interface Fetched {
  readonly body: Readonly<Record<string, unknown>>
  /** `Cache-Control: max-age` of the response, less its `Age`. In seconds. */
  readonly maxAge: Seconds | undefined
}

/** The response to a form. */
export interface Posted extends Fetched {
  /** 200, or another status whose body the caller reads. */
  readonly status: number
}

/** The statuses of the client's class that later requests may not get: timeout, too early, too many (RFC 9110, RFC 6585). */
const PASSING: readonly number[] = [408, 425, 429]

/**
 * The error for a response that cannot be used: the status is not 200, or the body is not a JSON object. A class of its own,
 * because it proves that the server is reachable. Discovery then tries the other place of the metadata.
 */
export class UnusableAnswer extends UnavailableError {
  readonly status: number | undefined
  /** The `Retry-After` of the response. In seconds, at most 60. 0 if it has none; then `retryAfter` is 1. */
  readonly askedWait: Seconds
  /** Whether the next request will probably get the same response: a URL is wrong, or the credentials of this API are. */
  readonly isLasting: boolean

  constructor(message: string, options: { status?: number; retryAfter?: Seconds; isLasting?: boolean } = {}) {
    super(message, options)
    this.status = options.status
    this.askedWait = options.retryAfter ?? 0
    const { status, isLasting = isRefusal(status) } = options
    this.isLasting = isLasting
  }
}

/** The error for a body with more bytes than are read. A class of its own, because a smaller response may be asked for. */
export class TooLongAnswer extends UnusableAnswer {}

/** Whether a status says that the request itself is wrong, now and later. */
function isRefusal(status: number | undefined): boolean {
  return status !== undefined && status >= 400 && status < 500 && !PASSING.includes(status)
}

/** The error for a connection that was closed before the first byte of a response. The request can be sent again. */
class NoAnswer extends UnavailableError {}

/**
 * Returns how long the server asks to wait before the next request. In seconds, at most 60. 0 if it does not ask. Only its
 * `Retry-After` counts, not an error of the application's own functions.
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
  const init = { headers: { accept, ...NEW_CONNECTION } }
  return repeatOnce(() => exchange(url, init, { fetch, signal, hold }))
}

/**
 * Sends a request again, on a new connection, if its connection was closed without a byte of a response. A server may close
 * a kept connection at any time, and each request here may be sent twice (RFC 9110 §9.2.2, RFC 9112 §9.3.1).
 */
export async function repeatOnce<T>(send: (connection: Connection) => Promise<T>): Promise<T> {
  try {
    return await send('kept')
  } catch (cause) {
    if (!(cause instanceof NoAnswer)) throw cause
    return send('new')
  }
}

/** Whether a request may use a connection that an earlier request left open. */
export type Connection = 'kept' | 'new'

/** Counts work until the server is done with it, which may be after the caller has stopped waiting. */
type Hold = Place['hold']

export const hold: Hold = (work) => work

interface Exchange {
  readonly fetch: Fetch
  readonly signal: AbortSignal
  readonly hold: Hold
  /** The media type that the response must have. Default: any. */
  readonly type?: RegExp
  /** Other statuses than 200 whose body is read. */
  readonly readable?: readonly number[]
}

/** Makes one request, and reads its response within the deadline of its signal. */
export async function exchange(url: SecureUrl, init: RequestInit, how: Exchange): Promise<Posted> {
  const { fetch, signal, hold, type, readable = [] } = how
  const place = withoutQuery(url)
  // Its own controller, which is never aborted after `fetch` has rejected: undici 6 then throws an error that nothing catches.
  const abort = new AbortController()
  let response: Response | undefined
  const cancel = () => abort.abort(signal.reason)
  signal.addEventListener('abort', cancel)
  try {
    signal.throwIfAborted()
    const sent = fetch(url, { ...init, redirect: 'manual', signal: abort.signal })
    response = await raceAbort(hold(sent), signal)
    assertResponse(response)
    const { status } = response
    if (readable.includes(status))
      return { status, body: await readObject(response, place, how).catch(noObject), maxAge: undefined }
    const isOfType = type === undefined || type.test(response.headers.get('content-type') ?? '')
    if (status !== 200 || !isOfType) {
      discard(response)
      if (status === 200) throw new UnusableAnswer(`${place} did not answer with JSON`, { status })
      throw new UnusableAnswer(`${place} answered ${status}`, { status, ...retryAfter(response) })
    }
    return { status, body: await readObject(response, place, how), maxAge: maxAge(response) }
  } catch (cause) {
    // Its body may still be open.
    if (response !== undefined) abort.abort()
    if (cause instanceof UnavailableError) throw cause
    if (signal.aborted) throw signal.reason
    const Failure = cause instanceof LostConnectionError ? NoAnswer : UnavailableError
    throw new Failure(`Failed to reach ${place}${codeIn(cause)}`, { cause: errorWithoutQuery(cause, url) })
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

/** Returns the first system code among an error and its causes, such as ` (ECONNREFUSED)`: it tells operators what to correct. */
function codeIn(cause: unknown): string {
  try {
    let error = cause
    for (let depth = 0; depth < 4 && error instanceof Error; depth += 1, error = error.cause) {
      const { code } = error as { code?: unknown }
      if (typeof code === 'string' && /^[A-Z][A-Z\d_]{2,49}$/.test(code)) return ` (${code})`
    }
  } catch {
    // The error is that of the application's own `fetch`, and may have getters that throw.
  }
  return ''
}

/** Replaces a body that is not a JSON object by an empty one. The status of such a response is enough. */
function noObject(cause: unknown): Record<string, unknown> {
  if (cause instanceof UnusableAnswer) return {}
  throw cause
}

/** Strict UTF-8. A byte order mark is not skipped, so that it is a syntax error of JSON. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads a body that must be a JSON object (RFC 8259). */
async function readObject(
  response: Response,
  place: string,
  how: Exchange,
): Promise<Record<string, unknown>> {
  const bytes = await readBytes(response, place, how)
  let body: unknown
  try {
    body = JSON.parse(utf8.decode(bytes))
  } catch {
    throw new UnusableAnswer(`${place} did not answer with JSON`)
  }
  if (!isObject(body)) throw new UnusableAnswer(`${place} did not answer with a JSON object`)
  return body
}

/** Reads a body up to the limit. `Content-Length` is not trusted, and says nothing about a compressed body. */
async function readBytes(response: Response, place: string, { signal, hold }: Exchange): Promise<Uint8Array> {
  const { read, cancel } = chunksOf(response)
  const chunks: Uint8Array[] = []
  let length = 0
  while (true) {
    const { done, value } = await raceAbort(hold(read()), signal)
    if (done === true) break
    if (!isBytes(value)) throw notStandard('a body of something other than bytes')
    length += value.byteLength
    if (length > MAX_BODY) {
      cancel()
      throw new TooLongAnswer(`${place} answered with more than ${MAX_BODY} bytes`)
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

/**
 * Returns how much of its `Cache-Control: max-age` a response has left after its time in shared caches, which is its `Age`
 * (RFC 9111 §4.2.3). `undefined` if it has no `max-age`. Some servers write `max-age` in quotes. Of several ages the first one
 * counts, and an invalid one is ignored (RFC 9111 §5.1).
 */
function maxAge({ headers }: Response): Seconds | undefined {
  const directive = /(?:^|[,\s])max-age="?(\d{1,9})\b/i.exec(headers.get('cache-control') ?? '')
  if (directive === null) return undefined
  const age = /^\d+(?=\s*(?:,|$))/.exec(headers.get('age') ?? '')
  return Math.max(0, Number(directive[1]) - Number(age ?? 0))
}
