/** The little that a gate reads of any HTTP request, lazily. */

import { isLoopback } from '../lib/url.ts'
import { UnavailableError } from '../model/unavailable.ts'

/**
 * Any HTTP request, as far as a gate reads it. Every host translates its own request into one:
 * `fromNodeRequest` for `node:http`, Express and Koa; a fetch `Request` is understood as it is.
 */
export interface RequestLike {
  /** The value of a header field by its lower-case name: an array where it came in several lines. */
  header(name: string): string | readonly string[] | undefined
  /** In upper case. Without it there is no preflight, no form, and no metadata of a protected resource. */
  readonly method?: string | undefined
  /** The request target: path and query, or an absolute URL. */
  readonly url?: string | undefined
  /** Whether it came over TLS, as the socket or a framework knows. Default: it did not. Never derived from `Host` or the URL. */
  readonly secure?: boolean | undefined
  /** Whether both addresses of its socket are this machine's, and no proxy forwarded it. Default: it is not so. */
  readonly loopback?: boolean | undefined
  /** Whether it has a body, if its fields do not tell (RFC 9112 §6). Default: `Content-Length` and `Transfer-Encoding` tell. */
  readonly hasBody?: boolean | undefined
  /**
   * The fields of a form body: `URLSearchParams`, or what a body parser made of it; `undefined` where nobody parsed it.
   * Asked only where credentials may stand in a form, and the body is one.
   */
  form?(): unknown
}

/** What is read of a `node:http` request. */
export interface NodeRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly rawHeaders?: readonly string[]
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly socket?:
    | {
        readonly encrypted?: boolean
        readonly remoteAddress?: string | undefined
        readonly localAddress?: string | undefined
      }
    | undefined
  /** HTTP/2: a body needs no `Content-Length` there. */
  readonly stream?: { readonly endAfterHeaders?: boolean } | undefined
}

/** What a framework knows of a request besides, by the proxies that it was told to trust. */
export interface FrameworkRequest {
  readonly originalUrl?: string
  readonly secure?: boolean
  readonly ip?: string | undefined
  readonly body?: unknown
}

/**
 * The view of a `node:http` request.
 *
 * Node keeps only the first of several `Authorization` lines in `headers`; the others are seen in `rawHeaders`.
 * The value is that of `headers`, so that a middleware before this one may set or remove it.
 * @param framework what Express or Koa made of it; Express extends the request itself
 */
export function fromNodeRequest(
  request: NodeRequest,
  framework: FrameworkRequest = request as object,
): RequestLike {
  return new NodeRequestLike(request, framework)
}

class NodeRequestLike implements RequestLike {
  readonly #request: NodeRequest
  readonly #framework: FrameworkRequest

  constructor(request: NodeRequest, framework: FrameworkRequest) {
    this.#request = request
    this.#framework = framework
  }

  header(name: string): string | readonly string[] | undefined {
    const { headers, rawHeaders } = this.#request
    const value = headers[name]
    if (value === undefined || rawHeaders === undefined) return value
    let line: string | undefined
    let lines: string[] | undefined
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const field = rawHeaders[index]
      if (field?.length !== name.length || field.toLowerCase() !== name) continue
      const next = rawHeaders[index + 1] ?? ''
      if (line === undefined) line = next
      else if (lines === undefined) lines = [line, next]
      else lines.push(next)
    }
    return lines ?? value
  }

  get method(): string | undefined {
    return this.#request.method
  }

  get url(): string | undefined {
    return this.#framework.originalUrl ?? this.#request.url
  }

  get secure(): boolean {
    return this.#framework.secure ?? this.#request.socket?.encrypted === true
  }

  get loopback(): boolean {
    const { socket, headers } = this.#request
    const { ip = socket?.remoteAddress } = this.#framework
    if (isForwarded((name) => headers[name])) return false
    return [ip, socket?.remoteAddress, socket?.localAddress].every(
      (address) => typeof address === 'string' && isLoopback(address),
    )
  }

  get hasBody(): boolean {
    return this.#request.stream?.endAfterHeaders === false
  }

  form(): unknown {
    return this.#framework.body
  }
}

/** The view of a fetch `Request`, whose `Headers` join several lines with a comma (Fetch §2.2.1). */
export function toRequestLike(request: Request | RequestLike): RequestLike {
  if ('header' in request) return request
  if (typeof request.headers?.get !== 'function')
    throw new TypeError(
      'a request must be a fetch Request or a RequestLike, such as fromNodeRequest(request)',
    )
  return new FetchRequestLike(request)
}

/** The longest form body of a fetch `Request` that is read for a token, in bytes. */
export const MAX_FORM = 262_144

class FetchRequestLike implements RequestLike {
  readonly #request: Request

  constructor(request: Request) {
    this.#request = request
  }

  header(name: string): string | undefined {
    return this.#request.headers.get(name) ?? undefined
  }

  get method(): string {
    return this.#request.method
  }

  get url(): string {
    return this.#request.url
  }

  /** Some hosts give every request but GET and HEAD a body, if only an empty one. A body that was sent has a type. */
  get hasBody(): boolean {
    const { body, headers } = this.#request
    return body !== null && body !== undefined && headers.has('content-type')
  }

  /** Read from a clone: the handler finds the body as it came. */
  async form(): Promise<URLSearchParams | undefined> {
    if (this.#request.bodyUsed || this.#request.body === null) return undefined
    const reader = this.#request.clone().body?.getReader()
    const decoder = new TextDecoder()
    let text = ''
    let length = 0
    while (reader !== undefined) {
      const { done, value } = await reader.read()
      if (done) break
      length += value.byteLength
      if (length > MAX_FORM) {
        void reader.cancel().catch(() => {})
        throw new FormTooLong()
      }
      text += decoder.decode(value, { stream: true })
    }
    return new URLSearchParams(text + decoder.decode())
  }
}

/** A form is longer than what is read of one. */
export class FormTooLong extends UnavailableError {
  constructor() {
    super(`The form is longer than ${MAX_FORM} bytes`)
  }
}

/** Whether a proxy says that it forwarded the request. */
function isForwarded(header: (name: string) => unknown): boolean {
  return ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip'].some(
    (name) => header(name) !== undefined,
  )
}

/** The path and the query of a request target, in any of its forms (RFC 9112 §3.2). */
export function targetOf(request: RequestLike): readonly [path: string, query: string] {
  const url = typeof request.url === 'string' ? request.url : ''
  const target = url.startsWith('/') ? url : url.replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, '')
  const bare = target.replace(/#.*$/s, '')
  const mark = bare.indexOf('?')
  return mark === -1 ? [bare, ''] : [bare.slice(0, mark), bare.slice(mark + 1)]
}
