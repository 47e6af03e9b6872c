/**
 * Authenticates WebSocket handshakes. Browsers cannot set `Authorization` there, but they can offer subprotocols (RFC 6455
 * §4.1).
 */

import { admit, type HandlerOptions, handlerRequirement } from '../gate/handler-options.ts'
import type { Gate } from '../gate/interface.ts'
import { readOptions } from '../lib/assert.ts'
import { configurationError } from '../lib/configuration-error.ts'
import { isBlank, isFieldName, withoutSpace } from '../lib/syntax.ts'
import { answerOf, type Denied, type Preflight, STATUS_TEXT } from '../model/decision.ts'
import type { Identity } from '../model/identity.ts'
import { fromNodeRequest, type NodeRequest } from '../request/node.ts'
import type { RequestLike } from '../request/request.ts'
import { toRequestLike } from '../request/to-request-like.ts'

/** A WebSocket handshake as a request. */
export interface WebSocketHandshake extends RequestLike {
  /** The subprotocols that the client offers, without the one that contains its token. Select one of these, if any. */
  readonly protocols: readonly string[]
}

export interface WebSocketOptions {
  /**
   * The prefix of the subprotocol that contains the token. Default `bearer.`.
   *
   * @example
   * new WebSocket(url, ['chat', `bearer.${token}`]) // in the browser
   */
  subprotocolPrefix?: string | undefined
}

/**
 * Converts a WebSocket handshake for `gate.authenticate`. A subprotocol with the prefix counts as `Authorization: Bearer`. The
 * gate answers 400 if there is a token in `Authorization` and in a subprotocol, or if the client offers more than 64
 * subprotocols.
 *
 * @example
 * const handshake = fromWebSocketRequest(request) // a fetch Request, in Deno, Bun or a Worker
 * const decision = await gate.authenticate(handshake)
 * @throws TypeError if the prefix is empty, or contains a character that no subprotocol may have (RFC 9110 §5.6.2)
 */
export function fromWebSocketRequest(
  request: Request | RequestLike,
  options: WebSocketOptions = {},
): WebSocketHandshake {
  const { subprotocolPrefix: marker = 'bearer.' } = readOptions('fromWebSocketRequest', options, [
    'subprotocolPrefix',
  ])
  if (typeof marker !== 'string' || !isFieldName(marker))
    throw configurationError(
      'INVALID_OPTION',
      `"subprotocolPrefix" must contain only letters, digits and !#$%&'*+-.^_\`|~ (RFC 9110 §5.6.2), such as "bearer."`,
    )
  const view = toRequestLike(request)
  const isUpgrade = /^websocket$/i.test(String(view.header('upgrade')))
  const offered = isUpgrade ? listOf(view.header('sec-websocket-protocol')) : []
  const carried = offered?.filter((name) => name.startsWith(marker))
  const protocols = offered?.filter((name) => !name.startsWith(marker)) ?? []
  return {
    header(name) {
      const value = view.header(name)
      if (name !== 'authorization' || carried?.length === 0) return value
      // The list was not searched.
      if (carried === undefined) return MALFORMED
      const lines = carried.map((protocol) => credentialsOf(protocol.slice(marker.length)))
      return value === undefined || isBlank(String(value)) ? lines : [value, ...lines].flat()
    },
    get method() {
      return view.method
    },
    get url() {
      return view.url
    },
    get secure() {
      return view.secure
    },
    get loopback() {
      return view.loopback
    },
    get hasBody() {
      return view.hasBody
    },
    protocols,
  }
}

/** Credentials for which the gate answers 400: no token contains a space. */
const MALFORMED = 'Bearer - -'

/** `Authorization` allows several spaces before a token. A subprotocol has none. */
function credentialsOf(token: string): string {
  return token.startsWith(' ') ? MALFORMED : `Bearer ${token}`
}

/** How many items of `Sec-WebSocket-Protocol` are read. Browsers and servers use one or two. */
const MAX_ITEMS = 64

/** Reads a comma-separated list (RFC 9110 §5.6.1). Returns `undefined` if it has more than `MAX_ITEMS` items. */
function listOf(value: string | readonly string[] | undefined): readonly string[] | undefined {
  const items = [value ?? []]
    .flat()
    .join(',')
    .split(',', MAX_ITEMS + 1)
  if (items.length > MAX_ITEMS) return undefined
  return items.map(withoutSpace).filter((item) => item !== '')
}

/** The members of a `node:http` upgrade socket that are used. */
export interface UpgradeSocket {
  on(event: 'error', listener: () => void): unknown
  end(text: string, callback: () => void): unknown
  destroy(): unknown
  readonly destroyed: boolean
}

/** An allowed handshake. */
export interface AuthenticatedUpgrade<I extends Identity<unknown> | undefined> {
  readonly identity: I
  /** The subprotocols that the client offers, without the one that carries its token. */
  readonly protocols: readonly string[]
}

/**
 * Authenticates an `upgrade` of `node:http`. If it is not allowed, it answers on the socket, ends it, and returns `undefined`.
 * If it is allowed, it removes the token from the request's headers, so that no WebSocket server echoes it.
 *
 * @example
 * server.on('upgrade', async (request, socket, head) => {
 *   const upgrade = await authenticateUpgrade(gate, request, socket)
 *   if (upgrade === undefined) return
 *   sockets.handleUpgrade(request, socket, head, (connection) => welcome(connection, upgrade.identity))
 * })
 * @throws TypeError if the prefix or the `requirement` is invalid
 */
export async function authenticateUpgrade<I extends Identity<unknown> | undefined, R extends NodeRequest>(
  gate: Gate<I>,
  request: R,
  socket: UpgradeSocket,
  { requirement, ...options }: WebSocketOptions & HandlerOptions<I, R> = {},
): Promise<AuthenticatedUpgrade<I> | undefined> {
  const required = handlerRequirement<I, R>('authenticateUpgrade', { requirement })
  const handshake = fromWebSocketRequest(fromNodeRequest(request), options)
  // Without a listener, a client that disconnects now would end the process.
  socket.on('error', () => {})
  const decision = await admit(gate, handshake, request, required)
  if (!decision.ok) {
    // A client that keeps its half open, or continues to send, must not keep the socket.
    if (!socket.destroyed) socket.end(responseOf(decision), () => socket.destroy())
    return undefined
  }
  if (socket.destroyed) return undefined
  const { protocols } = handshake
  offer(request, protocols)
  return { identity: decision.identity as I, protocols }
}

const FIELD = 'sec-websocket-protocol'

/** Replaces the offered subprotocols, in `headers` and in `rawHeaders`. */
function offer(request: NodeRequest, protocols: readonly string[]): void {
  const headers = request.headers as Record<string, string | string[] | undefined>
  const lines = (request.rawHeaders ?? []) as string[]
  let value = protocols.join(', ')
  if (value === '') delete headers[FIELD]
  else headers[FIELD] = value
  // Node expects the number of lines to stay the same, so further lines become empty.
  for (let index = 0; index < lines.length; index += 2) {
    if (lines[index]?.toLowerCase() !== FIELD) continue
    lines[index + 1] = value
    value = ''
  }
}

function responseOf(decision: Denied | Preflight): string {
  const { status } = decision
  const { headers, body: content } = answerOf(decision)
  const { length } = new TextEncoder().encode(content)
  const fields = Object.entries({ ...headers, Connection: 'close', 'Content-Length': String(length) })
  const lines = fields.flatMap(([name, value]) => [value].flat().map((item) => `${name}: ${item}\r\n`))
  return `HTTP/1.1 ${status} ${STATUS_TEXT[status]}\r\n${lines.join('')}\r\n${content}`
}
