/** One protected route on every host, for what handlers can find out about their request. */

import { createServer, IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { authenticateUpgrade, type Gate, type Identity, type Requirement } from '@bearergate/core'
import { lambda } from '@bearergate/core/lambda'
import * as bearerExpress from '@bearergate/express'
import * as bearerKoa from '@bearergate/koa'
import type { Express, Request as ExpressRequest } from 'express'
import express5 from 'express'
import express4 from 'express4'
import type Koa from 'koa'
import Koa3 from 'koa'
import Koa2 from 'koa2'
import { type Answer, listen, type Sent, send } from './server.ts'

type AnyGate = Gate<Identity | undefined>

/** What a handler can find out about its request. */
export interface Caller {
  readonly identity: Identity | undefined
  token(): string
  user(): unknown
}

/** Answers a request that passed, as JSON. */
export type Tell = (caller: Caller) => object

export interface Route {
  send(path: string, sent?: Sent): Promise<Answer>
  close(): Promise<void>
}

export interface RouteHost {
  readonly name: string
  /** @param requirement what the route needs in addition to the gate */
  start(gate: AnyGate, tell: Tell, requirement?: Requirement<Identity>): Promise<Route>
  /** Whether a value is the request of this host, as a requirement gets it. */
  isRequest(value: unknown): boolean
}

async function overHttp(listener: Parameters<typeof listen>[0]): Promise<Route> {
  const { origin, close } = await listen(listener)
  return { send: (path, sent) => send(origin + path, sent), close }
}

function expressHost(name: string, express: () => Express): RouteHost {
  return {
    name,
    start(gate, tell, requirement) {
      const app = express()
      const auth = bearerExpress.bearer(gate)
      app.use(auth)
      if (requirement !== undefined) app.use(auth.authorize(requirement))
      app.use((request, response) => {
        response.json(
          tell({
            identity: auth.identity(request),
            token: () => auth.token(request),
            user: () => auth.user(request),
          }),
        )
      })
      return overHttp(app)
    },
    isRequest: (value) => (value as ExpressRequest).app.get('views') !== undefined,
  }
}

function koaHost(name: string, create: () => Koa): RouteHost {
  return {
    name,
    start(gate, tell, requirement) {
      const app = create()
      const auth = bearerKoa.bearer(gate)
      app.use(auth)
      if (requirement !== undefined) app.use(auth.authorize(requirement))
      app.use((context) => {
        context.body = tell({
          identity: auth.identity(context),
          token: () => auth.token(context),
          user: () => auth.user(context),
        })
      })
      return overHttp(app.callback())
    },
    isRequest: (value) => (value as Koa.Context).app.middleware.length > 0,
  }
}

function pairsOf(headers: readonly string[]): [string, string][] {
  return Array.from({ length: headers.length / 2 }, (_, index) => [
    headers[2 * index] ?? '',
    headers[2 * index + 1] ?? '',
  ])
}

const fetchHost: RouteHost = {
  name: 'fetch',
  isRequest: (value) => value instanceof Request,
  async start(gate, tell, requirement) {
    const handle = gate.protect(
      (request, identity) =>
        Response.json(
          tell({ identity, token: () => gate.tokenOf(request), user: () => gate.userOf(request) }),
        ),
      { requirement },
    )
    return {
      async send(path, { method = 'GET', headers = [], body } = {}) {
        const request = new Request(`http://api.example.com${path}`, {
          method,
          headers: pairsOf(headers),
          body: body ?? null,
        })
        const response = await handle(request)
        const challenge = response.headers.get('www-authenticate')
        return {
          status: response.status,
          headers: Object.fromEntries(response.headers),
          challenges: challenge === null ? [] : [challenge],
          text: await response.text(),
        }
      },
      async close() {},
    }
  },
}

const lambdaHost: RouteHost = {
  name: 'Lambda',
  isRequest: (value) => (value as { httpMethod: string }).httpMethod === 'GET',
  async start(gate, tell, requirement) {
    const handle = lambda(
      gate,
      (event: object, identity) => ({
        statusCode: 200,
        headers: {} as Record<string, string>,
        body: JSON.stringify(
          tell({ identity, token: () => gate.tokenOf(event), user: () => gate.userOf(event) }),
        ),
      }),
      { requirement },
    )
    return {
      async send(path, { method = 'GET', headers = [], body } = {}) {
        const url = new URL(path, 'https://api.example.com')
        const {
          statusCode,
          headers: fields,
          body: text,
        } = await handle({
          httpMethod: method,
          path: url.pathname,
          headers: Object.fromEntries(pairsOf(headers)),
          queryStringParameters: Object.fromEntries(url.searchParams),
          body: body ?? null,
        } as object)
        const lower = Object.entries(fields).map(([key, value]) => [key.toLowerCase(), value] as const)
        const challenges = lower.filter(([key]) => key === 'www-authenticate').map(([, value]) => value)
        return { status: statusCode, headers: Object.fromEntries(lower), challenges, text }
      },
      async close() {},
    }
  },
}

/** A `node:http` server that answers an upgrade with plain JSON. */
const webSocketHost: RouteHost = {
  name: 'WebSocket',
  isRequest: (value) => value instanceof IncomingMessage,
  async start(gate, tell, requirement) {
    const server = createServer()
    server.on('upgrade', async (request, socket) => {
      const upgrade = await authenticateUpgrade(gate, request, socket, { requirement })
      if (upgrade === undefined) return
      const text = JSON.stringify(
        tell({
          identity: upgrade.identity,
          token: () => gate.tokenOf(request),
          user: () => gate.userOf(request),
        }),
      )
      socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${text.length}\r\n\r\n${text}`)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    return {
      send: (path, { method = 'GET', headers = [] } = {}) =>
        send(`http://127.0.0.1:${port}${path}`, {
          method,
          headers: [...headers, 'Connection', 'Upgrade', 'Upgrade', 'websocket'],
        }),
      close: () => new Promise<void>((resolve) => server.close(() => resolve())),
    }
  },
}

export const routeHosts: readonly RouteHost[] = [
  expressHost('Express 4', express4),
  expressHost('Express 5', express5),
  koaHost('Koa 2', () => new Koa2()),
  koaHost('Koa 3', () => new Koa3()),
  fetchHost,
  lambdaHost,
  webSocketHost,
]
