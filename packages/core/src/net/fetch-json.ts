/** The only outbound fetch: https or loopback, one deadline, a size limit, no redirects, JSON objects only (RFC 8259). */

import { raceAbort } from '../lib/abort.ts'
import { now } from '../lib/clock.ts'
import { isObject } from '../lib/json.ts'
import type { SecureUrl } from '../lib/url.ts'
import { UnavailableError } from '../model/unavailable.ts'
import type { Seconds } from '../model/units.ts'

/** What fetches, like the `fetch` of the runtime. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** The `fetch` of the runtime. It is looked up at each call, because tests and instrumentation replace it. */
export const runtimeFetch: Fetch = (url, init) => globalThis.fetch(url, init)

/** The largest body that is read, in bytes. */
const MAX_BODY = 262_144
/** The longest `Retry-After` that is respected. In seconds. */
const MAX_RETRY_AFTER: Seconds = 60

/** No keep-alive: an idle connection may be dead by the next refresh. */
const ALONE = { accept: 'application/json', connection: 'close' }

/** A response that can be used. */
export interface Fetched {
  readonly body: Readonly<Record<string, unknown>>
  /** `Cache-Control: max-age` of the response. In seconds. */
  readonly maxAge: Seconds | undefined
}

/** A response that cannot be used: its status is not 200, or its body is not a JSON object. */
export class UnusableAnswer extends UnavailableError {
  readonly status: number | undefined

  constructor(message: string, options: { status?: number; retryAfter?: Seconds } = {}) {
    super(message, options)
    this.status = options.status
  }
}

/**
 * Fetches one JSON object.
 * @param signal the deadline for connecting, headers and body
 * @throws UnusableAnswer if the response cannot be used
 * @throws UnavailableError if there is no response in time
 */
export function fetchJson(url: SecureUrl, fetch: Fetch, signal: AbortSignal): Promise<Fetched> {
  return exchange(url, { headers: ALONE, signal }, fetch, signal)
}

/**
 * Sends a request and reads one JSON object. Does not follow redirects.
 * @param signal the deadline for connecting, headers and body
 * @param type what `Content-Type` must match. Default: it is not checked, because some issuers do not declare JSON
 * @throws UnusableAnswer if the response cannot be used
 * @throws UnavailableError if there is no response in time
 */
export async function exchange(
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

/** Strict UTF-8. A byte order mark is kept, so that `JSON.parse` rejects it (RFC 8259 §8.1). */
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

/** Reads a number of seconds, or a date (RFC 9110 §10.2.3). */
function retryAfter(response: Response): { retryAfter?: Seconds } {
  const value = response.headers.get('retry-after') ?? ''
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - now()) / 1000
  return seconds > 0 ? { retryAfter: Math.min(seconds, MAX_RETRY_AFTER) } : {}
}

function maxAge(response: Response): Seconds | undefined {
  const directive = /(?:^|[,\s])max-age="?(\d{1,9})\b/i.exec(response.headers.get('cache-control') ?? '')
  return directive?.[1] === undefined ? undefined : Number(directive[1])
}
