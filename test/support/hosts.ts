/** Every host that the behaviour suite runs on: the same small API, behind the same gate. */

import type { IncomingMessage, RequestListener } from 'node:http'
import type { Gate, Identity } from '@bearergate/core'
import * as bearerExpress from '@bearergate/express'
import * as bearerKoa from '@bearergate/koa'
import type { Express } from 'express'
import express5 from 'express'
import express4 from 'express4'
import type Koa from 'koa'
import Koa3 from 'koa'
import Koa2 from 'koa2'
import { type Answer, listen, type Sent, send } from './server.ts'

/** An API of two routes: `/me` tells who sent the request, `/write` needs the scope `write` as well. */
export interface Api {
  send(path: string, sent?: Sent): Promise<Answer>
  close(): Promise<void>
}

export type Before = (request: IncomingMessage) => void

export interface Host {
  readonly name: string
  /** @param before what another middleware does to the request; `fetch` has none. */
  start(gate: Gate, before?: Before): Promise<Api>
}

async function overHttp(listener: RequestListener, before?: Before): Promise<Api> {
  const { origin, close } = await listen((request, response) => {
    before?.(request)
    listener(request, response)
  })
  return { send: (path, sent) => send(origin + path, sent), close }
}

function tell(identity: Identity): object {
  return { subject: identity.subject, kind: identity.kind, scopes: identity.scopes }
}

function expressHost(name: string, express: () => Express): Host {
  return {
    name,
    start(gate, before) {
      const app = express()
      const auth = bearerExpress.bearer(gate)
      app.use(auth)
      app.all('/me', (request, response) => void response.json(tell(auth.identity(request))))
      app.all('/write', bearerExpress.requireScope('write'), (request, response) => {
        response.json({ subject: request.identity?.subject })
      })
      return overHttp(app, before)
    },
  }
}

function koaHost(name: string, create: () => Koa): Host {
  return {
    name,
    start(gate, before) {
      const app = create()
      const auth = bearerKoa.bearer(gate)
      const writes = bearerKoa.requireScope('write')
      app.use(auth)
      app.use((context, next) => (context.path === '/write' ? writes(context, next) : next()))
      app.use((context) => {
        if (context.path === '/me') context.body = tell(auth.identity(context))
        if (context.path === '/write') context.body = { subject: context.state.identity?.subject }
      })
      return overHttp(app.callback(), before)
    },
  }
}

const fetchHost: Host = {
  name: 'fetch',
  async start(gate) {
    const { scope } = await import('@bearergate/core')
    const handle = gate.protect((request, identity) => {
      if (new URL(request.url).pathname === '/me') return Response.json(tell(identity))
      const decision = gate.authorize(identity, scope('write'))
      return decision.ok ? Response.json({ subject: identity.subject }) : decision.toResponse()
    })
    return {
      async send(path, { method = 'GET', headers = [], body } = {}) {
        const fields = new Headers()
        for (let index = 0; index < headers.length; index += 2)
          fields.append(headers[index] ?? '', headers[index + 1] ?? '')
        const request = new Request(`http://api.example.com${path}`, {
          method,
          headers: fields,
          body: body ?? null,
        })
        const response = await handle(request)
        const challenge = response.headers.get('www-authenticate')
        return {
          status: response.status,
          headers: Object.fromEntries(response.headers),
          challenges: challenge === null ? [] : [challenge],
          text: method === 'HEAD' ? '' : await response.text(),
        }
      },
      async close() {},
    }
  },
}

export const hosts: readonly Host[] = [
  expressHost('Express 4', express4),
  expressHost('Express 5', express5),
  koaHost('Koa 2', () => new Koa2()),
  koaHost('Koa 3', () => new Koa3()),
  fetchHost,
]
