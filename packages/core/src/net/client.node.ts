/**
 * Sends requests over HTTP/1.1 with Node's own modules. Unlike `fetch`, it knows which of its connections can still be
 * trusted. It loads these modules for the first request: a function that is given its keys starts without them.
 */

import type { Agent, AgentOptions, ClientRequest, IncomingMessage } from 'node:http'
import type { Readable, Transform } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { raceAbort } from '../lib/abort.ts'
import { monotonic } from '../lib/clock.ts'
import type { Seconds } from '../model/units.ts'
import type { Fetch } from './fetch-json.ts'
import { LostConnectionError } from './lost-connection.ts'

/** Loads a module of Node. Read at start-up, because tests and polyfills may replace the global `process` later. */
export const getBuiltinModule: typeof process.getBuiltinModule = process.getBuiltinModule

/** The pause after which an idle connection is not used again: the server may have closed it, or the process stood still. */
const IDLE_LIMIT: Seconds = 4

/** Header fields that Node's `fetch` sends as well. Some servers reject requests without a `User-Agent`. */
const DEFAULTS = { 'user-agent': 'node', 'accept-encoding': 'br, gzip, deflate' }

/** How connections are kept for further requests. */
const KEPT: AgentOptions = { keepAlive: true, timeout: IDLE_LIMIT * 1000 }

/** Creates agents with settings of its own. A scheme without an agent is not supported. */
export interface Agents {
  readonly 'https:': (settings: AgentOptions) => Agent
  readonly 'http:'?: (settings: AgentOptions) => Agent
}

/** Sends a request, like `request` of `node:http`. */
export type Send = typeof import('node:http').request

/**
 * Creates a `fetch` over connections of its own. It follows no redirect. The caller reads the body, or cancels it.
 * - With `connection: close` in its headers, a request has a new connection, which is not kept.
 * - When a request is aborted or fails, its connection is closed, and so are the idle ones to the same server.
 * @param send sends the requests. Default: `request` of the module for the scheme, as it is at the time of each request, so that
 *   tools which replace it can trace the request or send it through a proxy
 * @throws LostConnectionError if the connection was closed before the first byte of a response
 */
export function fetchOver(agents: Agents, send?: Send): Fetch {
  let all: Readonly<Record<keyof Agents, Agent | undefined>> | undefined
  let usedAt = monotonic()
  return async (url, { signal, ...init }) => {
    const { method, headers, body } = new Request(url, init)
    const content = new Uint8Array(await new Response(body).arrayBuffer())
    const place = new URL(url)
    const protocol = place.protocol as keyof Agents
    all ??= { 'https:': agents['https:'](KEPT), 'http:': agents['http:']?.(KEPT) }
    const kept = all[protocol]
    if (kept === undefined) throw new TypeError(`Protocol "${protocol}" not supported`)
    if (monotonic() - usedAt >= IDLE_LIMIT) closeIdle(kept)
    usedAt = monotonic()
    const isNew = headers.get('connection') === 'close'
    const request = send ?? getBuiltinModule(protocol === 'https:' ? 'node:https' : 'node:http').request
    const sent = request(place, {
      method,
      headers: { ...DEFAULTS, ...Object.fromEntries(headers), 'content-length': content.length },
      agent: isNew ? agents[protocol]?.({}) : kept,
      ...(signal && { signal }),
    })
    const distrust = () => closeIdle(kept, place)
    sent.on('error', distrust)
    // The listener of the signal comes first. The error event of the request may come after the next request has begun.
    signal?.addEventListener('abort', distrust)
    sent.on('close', () => signal?.removeEventListener('abort', distrust))
    const response = responseTo(sent, content)
    const incoming = await (signal ? raceAbort(response, signal) : response)
    const answer = toResponse(incoming, incoming.statusCode ?? 0, incoming.headersDistinct)
    if ((incoming.socket as Partial<TLSSocket>).alpnProtocol === false) withoutProtocol.add(answer)
    return answer
  }
}

/** The responses of servers that agreed on no protocol (RFC 7301 §3.2): maybe they do not speak HTTP/1.1. */
export const withoutProtocol: WeakSet<Response> = new WeakSet()

/** Closes the connections that no request uses: all of them, or those to one server. */
function closeIdle({ freeSockets }: Agent, { hostname, port, protocol }: Partial<URL> = {}): void {
  const host = `${hostname?.replace(/^\[|\]$/g, '')}:${port || (protocol === 'http:' ? 80 : 443)}:`
  for (const [name, sockets = []] of Object.entries(freeSockets))
    if (hostname === undefined || name.startsWith(host)) for (const socket of [...sockets]) socket.destroy()
}

/** The codes of errors of a connection that was open. */
const CLOSED: readonly unknown[] = ['ECONNRESET', 'EPIPE', 'ECONNABORTED']

/**
 * Sends the request, and resolves with its response. If the connection was closed before the first byte of a response, rejects
 * with `LostConnectionError`: the bytes that were read on the connection before belong to earlier responses.
 */
function responseTo(sent: ClientRequest, content: Uint8Array): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    let before = 0
    const fail = (cause: NodeJS.ErrnoException) => {
      const isLost = CLOSED.includes(cause.code) && (sent.socket?.bytesRead ?? 0) === before
      reject(isLost ? new LostConnectionError(cause) : cause)
    }
    sent.on('socket', (socket) => {
      before = socket.bytesRead
    })
    // Such as "100 Continue", which is not the response.
    sent.on('information', () => {
      before = sent.socket?.bytesRead ?? before
    })
    sent.on('response', (incoming) => {
      // The server gave up the idle connection before the request came (RFC 9110 §15.5.9).
      if (incoming.statusCode !== 408 || !sent.reusedSocket) return resolve(incoming)
      incoming.destroy()
      reject(new LostConnectionError(new Error('The server answered 408 on a kept connection')))
    })
    sent.on('error', fail)
    // A switch of protocols, for example, is neither a response nor an error: without this, the promise would stay pending.
    sent.on('close', () => fail(new Error('The connection was closed before there was a response')))
    sent.end(content)
  })
}

/** The statuses with which a `Response` must not have a body. */
const WITHOUT_BODY: readonly number[] = [204, 205, 304]

/** Converts a response to that of `fetch`. Removes the content codings of its body. */
function toResponse(
  body: Readable,
  status: number,
  fields: Readonly<Record<string, string | readonly string[] | undefined>>,
): Response {
  const headers = new Headers()
  for (const [name, values] of Object.entries(fields))
    for (const value of [values ?? []].flat()) if (!name.startsWith(':')) headers.append(name, value)
  if (status >= 200 && status <= 599 && !WITHOUT_BODY.includes(status)) {
    const plain = decoded(body, headers.get('content-encoding') ?? '')
    const content = getBuiltinModule('node:stream').Readable.toWeb(plain)
    return new Response(content as ReadableStream, { status, headers })
  }
  body.destroy()
  return new Response(null, { status, headers })
}

/** Returns what removes a content coding, or `undefined` for an unknown one. */
function decoderOf(coding: string): Transform | undefined {
  const { constants, createBrotliDecompress, createGunzip, createInflate } = getBuiltinModule('node:zlib')
  // Accepts a compressed body without its end. Some servers send one, and `fetch` accepts it, too.
  const lenient = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH }
  if (coding === 'gzip' || coding === 'x-gzip') return createGunzip(lenient)
  if (coding === 'deflate') return createInflate(lenient)
  return coding === 'br' ? createBrotliDecompress() : undefined
}

/**
 * Removes the content coding of a body (RFC 9110 §8.4.1). An unknown one stays as it is. Servers use one coding. More of them
 * are rejected: each needs a decoder, and only the output of the last one is limited.
 */
function decoded(encoded: Readable, coding: string): Readable {
  if (coding.includes(',')) {
    encoded.destroy()
    throw new Error('The response has more than one content coding')
  }
  const decoder = decoderOf(coding.trim().toLowerCase())
  // An error of the body reaches the reader, and needs no other listener.
  return decoder === undefined
    ? encoded
    : getBuiltinModule('node:stream').pipeline(encoded, decoder, () => {})
}
