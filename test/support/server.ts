/** Servers on loopback, and requests to them as they are on the wire. */

import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
} from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Running {
  readonly origin: string
  close(): Promise<void>
}

/** @param at the port, by default any that is free */
export async function listen(listener: RequestListener, at = 0): Promise<Running> {
  const server: Server = createServer(listener)
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(at, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Every `WWW-Authenticate` line. */
  readonly challenges: readonly string[]
  readonly text: string
}

export interface Sent {
  readonly method?: string
  /** Name and value in turn: repeated names are sent as several lines. */
  readonly headers?: readonly string[]
  readonly body?: string
  /** The request target, if it is not the path of the URL. */
  readonly target?: string
}

export async function freePort(): Promise<number> {
  const { origin, close } = await listen(() => {})
  await close()
  return Number(new URL(origin).port)
}

/** Sends one request just as it is described, repeated field lines included. */
export function send(
  url: string,
  { method = 'GET', headers = [], body, target }: Sent = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port, pathname, search } = new URL(url)
    const host = headers.includes('Host') ? [] : ['Host', `${hostname}:${port}`]
    const lines = [...host, 'connection', 'close', ...headers]
    const sent = httpRequest(
      // Without an agent: Node's own one keeps the connection unless the answer says `close`, and Bun does not say it.
      { hostname, port, path: target ?? pathname + search, method, headers: lines as never, agent: false },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            challenges: response.headersDistinct['www-authenticate'] ?? [],
            text: Buffer.concat(chunks).toString(),
          }),
        )
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}
