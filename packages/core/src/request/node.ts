/** Reads requests of `node:http` and `node:http2`, also as Express and Koa extend them. */

import { configurationError } from '../lib/configuration-error.ts'
import { received } from '../lib/received.ts'
import { isLoopback } from '../lib/url.ts'
import type { RequestLike } from './request.ts'

/** The part of a `node:http` request that is read. An interface, so that tests and other servers need not create a real one. */
export interface NodeRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /**
   * Names and values in turn, with every field line. Without it, the gate cannot see whether a field was sent in one line or in
   * several.
   */
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
  /** HTTP/2, where a body needs no `Content-Length`. */
  readonly stream?: { readonly endAfterHeaders?: boolean } | undefined
}

/** The members that Express and Koa add to a request, according to the proxies that they trust. */
export interface FrameworkRequest {
  /** The request target before a router removed the path where it is mounted. */
  readonly originalUrl?: string
  /** Whether the client used TLS, by the socket or by `X-Forwarded-Proto` of a trusted proxy. */
  readonly secure?: boolean
  /** The address of the client, by the socket or by `X-Forwarded-For` of a trusted proxy. */
  readonly ip?: string | undefined
  /** The fields of a form, if a body parser ran before the gate. */
  readonly body?: unknown
}

/**
 * Translates a `node:http` request, so that a gate can read it.
 *
 * Node keeps only the first of several `Authorization` lines in `headers`, so the number of lines is taken from
 * `rawHeaders`. The value is taken from `headers`, because an earlier middleware may have set or removed it.
 *
 * @example
 * createServer(async (request, response) => {
 *   const decision = await gate.authenticate(fromNodeRequest(request))
 *   if (!decision.ok) return response.writeHead(decision.status, decision.headers).end(JSON.stringify(decision.body))
 *   response.end(`Hello ${decision.identity.subject}`)
 * })
 * @throws TypeError if it is not a request of Node
 * @param framework the request object of Express or Koa. Default: `request`, which Express extends
 */
export function fromNodeRequest(
  request: NodeRequest,
  framework: FrameworkRequest = request as object,
): RequestLike {
  const headers: unknown = request?.headers
  if (
    typeof headers !== 'object' ||
    headers === null ||
    typeof (headers as Partial<Headers>).get === 'function'
  )
    throw configurationError(
      'INVALID_ARGUMENT',
      `fromNodeRequest() needs a request of Node, Express or Koa (context.req), but received ${received(request)}. A gate accepts a fetch Request as it is`,
    )
  return new NodeRequestLike(request, framework)
}

/** Header fields by which a proxy says that it forwarded the request. */
const FORWARDED = [
  'forwarded',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
]

class NodeRequestLike implements RequestLike {
  readonly #request: NodeRequest
  readonly #framework: FrameworkRequest

  constructor(request: NodeRequest, framework: FrameworkRequest) {
    this.#request = request
    this.#framework = framework
  }

  header(name: string): string | readonly string[] | undefined {
    const { headers, rawHeaders } = this.#request
    // HTTP/2 sends the host in `:authority`, and `Host` must not override it (RFC 9113 §8.3.1).
    const authority = name === 'host' ? headers[':authority'] : undefined
    if (authority !== undefined) return authority
    const value = headers[name]
    if (value === undefined || rawHeaders === undefined) return value
    // Called for every request, so it creates an array only if there are several lines.
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

  /**
   * Whether the request comes from this machine. A proxy on the same machine also connects from loopback, so a request with
   * any field of a proxy does not count. A client that adds such a field only makes its own request count as remote.
   */
  get loopback(): boolean {
    const { socket, headers } = this.#request
    const { ip = socket?.remoteAddress } = this.#framework
    if (FORWARDED.some((name) => headers[name] !== undefined)) return false
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
