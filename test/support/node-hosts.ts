/** Hosts of plain `node:http` requests: what people mount Express middleware on besides Express. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import {
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { Bearer } from '@bearergate/express'
import middie from '@fastify/middie'
import connect from 'connect'
import express5 from 'express'
import express4 from 'express4'
import fastify from 'fastify'
import { fromNodeHandler, H3 } from 'h3'
import { toNodeHandler } from 'h3/node'
import polka from 'polka'
import { Server as SocketServer } from 'socket.io'
import { listen, type Running } from './server.ts'

export interface NodeHost {
  readonly name: string
  /** Answers `200` with the subject of the identity to each request that passes. */
  start(auth: Bearer): Promise<Running>
}

type PlainRequest = IncomingMessage | Http2ServerRequest

const tell = (auth: Bearer, request: PlainRequest) => String(auth.identity(request).subject)

function expressHost(name: string, express: typeof express5): NodeHost {
  return {
    name,
    start(auth) {
      const app = express().use(auth)
      app.use((request, response) => void response.end(tell(auth, request)))
      return listen(app)
    },
  }
}

/** Plain HTTP/2 without TLS, by the API that is compatible with `node:http`. */
export async function listenHttp2(
  listener: (request: Http2ServerRequest, response: Http2ServerResponse) => void,
): Promise<Running> {
  const server = createHttp2Server(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

export const http2Host: NodeHost = {
  name: 'node:http2',
  start: (auth) =>
    listenHttp2((request, response) => auth(request, response, () => response.end(tell(auth, request)))),
}

export const nodeHosts: readonly NodeHost[] = [
  {
    name: 'node:http',
    start: (auth) =>
      listen((request, response) => auth(request, response, () => response.end(tell(auth, request)))),
  },
  {
    name: 'connect',
    start(auth) {
      const app = connect().use(auth)
      app.use((request: IncomingMessage, response: ServerResponse) => response.end(tell(auth, request)))
      return listen(app)
    },
  },
  {
    name: 'middie',
    async start(auth) {
      const app = fastify()
      await app.register(middie)
      app.use(auth)
      app.all('/*', async (request) => tell(auth, request.raw))
      await app.ready()
      return listen(app.routing as RequestListener)
    },
  },
  {
    name: 'polka',
    start(auth) {
      const app = polka().use(auth)
      app.all('/*', (request, response) => void response.end(tell(auth, request)))
      return listen(app.handler as unknown as RequestListener)
    },
  },
  {
    name: 'h3',
    start(auth) {
      const app = new H3().use(fromNodeHandler(auth))
      app.use(({ runtime }) => tell(auth, runtime?.node?.req as IncomingMessage))
      return listen(toNodeHandler(app) as RequestListener)
    },
  },
  {
    name: 'socket.io',
    async start(auth) {
      const server = createServer()
      const sockets = new SocketServer(server)
      sockets.engine.use(auth)
      // Behind the gate and before the transports: a request of the tests is none of theirs.
      sockets.engine.use((request: IncomingMessage, response: ServerResponse) =>
        response.end(tell(auth, request)),
      )
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      return {
        origin: `http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling&to=`,
        close: async () => {
          await sockets.close()
        },
      }
    },
  },
  expressHost('Express 4', express4),
  expressHost('Express 5', express5),
]
