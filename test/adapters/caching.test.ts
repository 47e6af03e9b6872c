/** Answers to requests whose token is not in `Authorization` are kept from shared caches, on every host (ATK05). */

import type { ServerResponse } from 'node:http'
import { createGate, type Gate, type Identity } from '@bearergate/core'
import { lambda } from '@bearergate/core/lambda'
import * as bearerExpress from '@bearergate/express'
import * as bearerKoa from '@bearergate/koa'
import express5 from 'express'
import express4 from 'express4'
import Koa3 from 'koa'
import Koa2 from 'koa2'
import { afterEach, describe, expect, it } from 'vitest'
import { listen, type Sent, send } from '../support/server.ts'

type Fields = Readonly<Record<string, string>>
/** Returns the fields of an answer, by their names in lower case. */
type Ask = (path: string, sent?: Sent) => Promise<Readonly<Record<string, unknown>>>
/** @param fields what the handler sets */
type Start = (gate: Gate<Identity | undefined>, fields: Fields) => Promise<Ask>

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

async function serve(listener: Parameters<typeof listen>[0], expected = 200): Promise<Ask> {
  const { origin, close } = await listen(listener)
  closing.push(close)
  return async (path, sent) => {
    const { status, headers } = await send(origin + path, sent)
    expect(status).toBe(expected)
    return headers
  }
}

const onExpress =
  (express: typeof express5, write: (response: express5.Response, fields: Fields) => void): Start =>
  (gate, fields) => {
    const app = express()
    app.use(express.urlencoded({ extended: false }), bearerExpress.bearer(gate))
    app.use((_request, response) => write(response, fields))
    return serve(app)
  }

const onKoa =
  (Koa: typeof Koa3): Start =>
  (gate, fields) => {
    const app = new Koa()
    app.use(async (context, next) => {
      const chunks: Buffer[] = []
      for await (const chunk of context.req) chunks.push(chunk)
      const form = new URLSearchParams(Buffer.concat(chunks).toString())
      Object.assign(context.request, { body: Object.fromEntries(form) })
      await next()
    })
    app.use(bearerKoa.bearer(gate)).use((context) => {
      context.set(fields)
      context.body = {}
    })
    return serve(app.callback())
  }

const onFetch: Start = async (gate, fields) => {
  const handle = gate.protect(() => Response.json({}, { headers: fields }))
  return async (path, { method = 'GET', headers = [], body } = {}) => {
    const sent = Object.fromEntries(
      headers.flatMap((name, index) => (index % 2 === 0 ? [[name, headers[index + 1]]] : [])),
    )
    const response = await handle(
      new Request(`https://api.example.com${path}`, { method, headers: sent, body: body ?? null }),
    )
    return Object.fromEntries(response.headers)
  }
}

const onLambda: Start = async (gate, fields) => {
  const handle = lambda(gate, () => ({ statusCode: 200, headers: fields, body: '' }))
  return async (path, { method = 'GET', headers = [], body } = {}) => {
    const [rawPath = '', rawQueryString = ''] = path.split('?')
    const sent = Object.fromEntries(
      headers.flatMap((name, index) => (index % 2 === 0 ? [[name, headers[index + 1] ?? '']] : [])),
    )
    const event = {
      version: '2.0',
      rawPath,
      rawQueryString,
      headers: sent,
      body,
      requestContext: { http: { method } },
    }
    const result = await handle(event)
    return Object.fromEntries(
      Object.entries(result.headers).map(([name, value]) => [name.toLowerCase(), value]),
    )
  }
}

const asObject = (response: express5.Response, fields: Fields) =>
  void response.writeHead(200, fields).end('{}')
const asList = (response: express5.Response, fields: Fields) =>
  void response.writeHead(200, 'OK', Object.entries(fields).flat()).end('{}')

const HOSTS: readonly (readonly [string, Start])[] = [
  ['Express 4', onExpress(express4 as never, (response, fields) => void response.set(fields).json({}))],
  ['Express 5', onExpress(express5, (response, fields) => void response.set(fields).json({}))],
  ['Express 5 with writeHead and an object', onExpress(express5, asObject)],
  ['Express 5 with writeHead and a list', onExpress(express5, asList)],
  ['Koa 2', onKoa(Koa2 as never)],
  ['Koa 3', onKoa(Koa3)],
  ['fetch', onFetch],
  ['Lambda', onLambda],
]

const PLACES: readonly (readonly [string, object, string, Sent, string | undefined, string])[] = [
  ['a cookie', { cookie: 'session' }, '/', { headers: ['Cookie', 'session=emma'] }, 'Cookie', 'private'],
  [
    'a field of its own',
    { header: 'X-Api-Key' },
    '/',
    { headers: ['X-Api-Key', 'emma'] },
    'X-Api-Key',
    'private',
  ],
  [
    'a form',
    { form: true },
    '/',
    {
      method: 'POST',
      headers: ['Content-Type', 'application/x-www-form-urlencoded', 'Content-Length', '17'],
      body: 'access_token=emma',
    },
    undefined,
    'private',
  ],
  ['the query', { query: true }, '/?access_token=emma', {}, undefined, 'private, no-store'],
]

const gateOf = (tokenFrom: object, optional = false): Gate<Identity | undefined> =>
  createGate({
    verifier: {
      verify: (subject) => ({
        active: true,
        identity: { kind: 'opaque', subject, audience: [], scopes: [], roles: [], claims: {} },
      }),
    },
    tokenFrom,
    optional,
  })

describe.each(HOSTS)('on %s', (_host, start) => {
  it.each(PLACES)(
    'a token in %s makes the answer private (ATK05)',
    async (_, credentials, path, sent, vary, control) => {
      const ask = await start(gateOf(credentials), {})
      const headers = await ask(path, sent)
      expect(headers['cache-control']).toBe(control)
      if (vary !== undefined) expect(String(headers.vary)).toContain(vary)
    },
  )

  it.each(PLACES)(
    'a token in %s wins over what the handler sets, unless that is stricter (ATK05)',
    async (place, credentials, path, sent, vary) => {
      const lax = await start(gateOf(credentials), {
        'Cache-Control': 'public, s-maxage=600, max-age=60',
        Vary: 'Accept',
        'CDN-Cache-Control': 'max-age=600',
      })
      const headers = await lax(path, sent)
      const isQuery = place === 'the query'
      expect(headers['cache-control']).toBe(isQuery ? 'private, no-store' : 'private, max-age=60')
      const fields =
        { 'a cookie': ', Authorization, Cookie', 'a form': ', Authorization', 'the query': '' }[place] ??
        `, ${vary}`
      expect(headers.vary).toBe(`Accept${fields}`)
      expect(headers['cdn-cache-control']).toBeUndefined()
      const strict = await start(gateOf(credentials), { 'cache-control': 'no-store' })
      expect((await strict(path, sent))['cache-control']).toBe(isQuery ? 'private, no-store' : 'no-store')
    },
  )

  it('a token in Authorization, its only place, leaves the headers of the handler alone (RFC 9111 §3.5)', async () => {
    const ask = await start(gateOf({ header: true }), { 'Cache-Control': 'public, max-age=60' })
    const headers = await ask('/', { headers: ['Authorization', 'Bearer emma'] })
    expect([headers['cache-control'], headers.vary]).toEqual(['public, max-age=60', undefined])
  })

  it('the answer to a token in Authorization has Vary: Authorization if the gate is optional (ATK05)', async () => {
    const ask = await start(gateOf({ header: true }, true), { 'Cache-Control': 'public, max-age=60' })
    const headers = await ask('/', { headers: ['Authorization', 'Bearer emma'] })
    expect([headers['cache-control'], headers.vary]).toEqual(['public, max-age=60', 'Authorization'])
  })

  it('an anonymous answer names in Vary the fields that may contain a token (ATK05)', async () => {
    const ask = await start(gateOf({ cookie: 'session' }, true), { 'Cache-Control': 'public, max-age=60' })
    const headers = await ask('/')
    expect([headers['cache-control'], headers.vary]).toEqual(['public, max-age=60', 'Authorization, Cookie'])
  })
})

describe.each<[string, (gate: Gate<Identity | undefined>) => Promise<Ask>]>([
  [
    'Express 5',
    (gate) => {
      const app = express5()
      app.use((_request, response, next) => {
        setLate(response)
        next()
      })
      app.use(bearerExpress.bearer(gate), (_request, response) => void response.json({}))
      return serve(app)
    },
  ],
  [
    'Koa 3',
    (gate) => {
      const app = new Koa3()
      app.use((context, next) => {
        setLate(context.res)
        return next()
      })
      app.use(bearerKoa.bearer(gate)).use((context) => {
        context.body = {}
      })
      return serve(app.callback())
    },
  ],
])('on %s', (_, start) => {
  it('middleware before the gate that sets headers late cannot make the answer public (ATK05)', async () => {
    const ask = await start(gateOf({ cookie: 'session' }))
    const headers = await ask('/', { headers: ['Cookie', 'session=emma'] })
    expect(headers['cache-control']).toBe('private, max-age=60')
    expect(headers.vary).toBe('Accept, Authorization, Cookie')
  })
})

it('middleware before the gate that lets shared caches store all answers cannot make them store a denial (B14, RFC 9213 §2.2)', async () => {
  const fields = ['CDN-Cache-Control', 'Surrogate-Control']
  const app = express5()
  app.use((_request, response, next) => {
    for (const name of fields) response.setHeader(name, 'public, max-age=3600')
    next()
  })
  app.use(bearerExpress.bearer(gateOf({})))
  const koa = new Koa3()
  koa.use((context, next) => {
    for (const name of fields) context.set(name, 'public, max-age=3600')
    return next()
  })
  koa.use(bearerKoa.bearer(gateOf({})))
  for (const ask of [await serve(app, 401), await serve(koa.callback(), 401)]) {
    const headers = await ask('/')
    expect(headers['cache-control']).toBe('no-store')
    expect(fields.map((name) => headers[name.toLowerCase()])).toEqual([undefined, undefined])
  }
})

/** Sets headers when they are sent, as `compression` and `express-session` do. */
function setLate(response: ServerResponse): void {
  const { writeHead } = response
  response.writeHead = (...args: unknown[]) => {
    response.setHeader('Cache-Control', 'public, max-age=60').setHeader('Vary', 'Accept')
    return writeHead.apply(response, args as never)
  }
}
