/** An authorization server on loopback. Serves metadata and a key set, and fails in every way of FAULTS.md. */

import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'

/** The published part of a key. */
export interface Published {
  readonly jwk: object
}

export type Respond = (response: ServerResponse, keySet: string, request: IncomingMessage) => void

const MiB = 1_048_576

function json(body: string, headers: Record<string, string> = {}): Respond {
  return (response) =>
    void response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(body)
}

function status(code: number, headers: Record<string, string> = {}): Respond {
  return (response) => void response.writeHead(code, headers).end(code === 204 ? undefined : '{"keys":[]}')
}

/** Faults of an endpoint that answers, by id and name in FAULTS.md. */
export const answers = {
  'FX05 500': status(500),
  'FX06 429': status(429, { 'retry-after': '3600' }),
  'FX07 404': status(404),
  'FX08 204': status(204),
  'FX10 HTML': (response) => void response.setHeader('content-type', 'text/html').end('<html>Sign in</html>'),
  'FX11 an empty body': json(''),
  'FX12 {}': json('{}'),
  'FX13 {"keys":{}}': json('{"keys":{}}'),
  'FX14 {"keys":[]}': json('{"keys":[]}'),
  'FX15 truncated JSON': (response, keySet) => void response.end(keySet.slice(0, -2)),
  'FX16 a byte order mark': (response, keySet) => void response.end(`\ufeff${keySet}`),
  'FX18 a gzip bomb': (response) => {
    const bomb = gzipSync(`{"keys":[],"a":"${'a'.repeat(10 * MiB)}"}`)
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(bomb)
  },
  'FX19 64 MiB': (response) => {
    const chunk = 'a'.repeat(MiB / 16)
    let left = 1024
    const write = () => {
      while (left > 0 && !response.destroyed) {
        left -= 1
        if (!response.write(chunk)) return void response.once('drain', write)
      }
      response.end()
    }
    write()
  },
  'FX26 a reset in the body': (response, keySet) => {
    response.writeHead(200, { 'content-length': String(keySet.length) }).write(keySet.slice(0, 20))
    setImmediate(() => (response.socket as Socket | null)?.resetAndDestroy())
  },
} as const satisfies Record<string, Respond>

/** Faults of an endpoint that does not complete its answer, by id and name in FAULTS.md. */
export const stalls = {
  'FX22 accepts and never answers': () => {},
  'FX23 sends headers, then nothing': (response) => response.writeHead(200).flushHeaders(),
  'FX24 sends one byte per second': (response, keySet) => {
    let sent = 0
    const drip = setInterval(() => response.write(keySet[sent++] ?? ' '), 1000)
    response.on('close', () => clearInterval(drip))
  },
  'FX25 stalls at 99 %': (response, keySet) => {
    response.writeHead(200, { 'content-length': String(keySet.length) }).write(keySet.slice(0, -1))
  },
} satisfies Record<string, Respond>

/** Returns the faults as rows for `it.each`: what the endpoint does, the id in FAULTS.md, and the fault itself. */
export function rows(
  faults: Readonly<Record<string, Respond>>,
): [what: string, id: string, fault: Respond][] {
  return Object.entries(faults).map(([name, fault]) => [name.slice(5), name.slice(0, 4), fault])
}

export class AuthorizationServer {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #port = 0
  #keySet = '{"keys":[]}'
  /** Replaces the answer of the key set endpoint while it is set. */
  fault: Respond | undefined
  /** Overrides members of the metadata. */
  metadata: Record<string, unknown> = {}
  /** The path of each request, in order. */
  paths: string[] = []
  /** The number of connections so far. */
  connections = 0

  private constructor() {
    this.#server = createServer(this.#listener)
    this.#server.on('connection', (socket) => {
      this.connections += 1
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('error', () => {})
    })
  }

  static async start(...keys: Published[]): Promise<AuthorizationServer> {
    const server = new AuthorizationServer()
    server.publish(...keys)
    await server.up()
    return server
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get jwksUri(): string {
    return `${this.origin}/jwks`
  }

  /** The number of requests for the key set so far. */
  get fetches(): number {
    return this.paths.filter((path) => path === '/jwks').length
  }

  get openSockets(): number {
    return this.#sockets.size
  }

  publish(...keys: readonly Published[]): void {
    this.publishEntries(keys.map(({ jwk }) => jwk))
  }

  /** Publishes a key set with these entries, valid or not. */
  publishEntries(entries: readonly unknown[]): void {
    this.#keySet = JSON.stringify({ keys: entries })
  }

  /** Listens on the same port as before. */
  async up(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Refuses new connections and resets open ones. */
  async down(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.resetAndDestroy()
    await closed
  }

  readonly #listener: RequestListener = (request, response) => {
    this.paths.push(request.url ?? '')
    response.on('error', () => {})
    if (request.url !== '/jwks') {
      const metadata = { issuer: this.origin, jwks_uri: this.jwksUri, ...this.metadata }
      return json(JSON.stringify(metadata))(response, '', request)
    }
    const respond = this.fault ?? json(this.#keySet)
    respond(response, this.#keySet, request)
  }
}

/** Accepts connections and never reads from them, like a host that disappeared (FX27). */
export async function startDeaf(): Promise<{
  origin: string
  /** The number of connections so far. */
  readonly connections: number
  close(): Promise<void>
}> {
  const sockets: Socket[] = []
  const server = createTcpServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    socket.on('error', () => {})
    sockets.push(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return sockets.length
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}
