/** What handlers behind a gate do on real servers: streams of events, files, and values that belong to a request. */

import { AsyncLocalStorage } from 'node:async_hooks'
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { get, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { createGate, type Gate, introspection } from '@bearergate/core'
import * as bearerExpress from '@bearergate/express'
import * as bearerKoa from '@bearergate/koa'
import express5 from 'express'
import express4 from 'express4'
import Koa3 from 'koa'
import Koa2 from 'koa2'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { AuthorizationServer } from '../faults/authorization-server.ts'
import { tokenOf } from '../faults/client.ts'
import { eventually } from '../support/clock.ts'
import { json, startIntrospector } from '../support/introspector.ts'
import { AUDIENCE, createKey, type TestKey } from '../support/issuer.ts'
import { listen, type Running, send } from '../support/server.ts'

const EXPRESS = [
  ['Express 4', express4],
  ['Express 5', express5],
] as const
const KOA = [
  ['Koa 2', () => new Koa2()],
  ['Koa 3', () => new Koa3()],
] as const

let key: TestKey
let issuer: AuthorizationServer
let token: string
let running: Running
beforeAll(async () => {
  key = await createKey()
})
beforeEach(async () => {
  issuer = await AuthorizationServer.start(key)
  token = await tokenOf(key, issuer.origin)
})
afterEach(async () => {
  await running.close()
  await issuer.down()
})

/** Fetches its keys when the first token comes. A browser sends the cookie for an `EventSource`, an image or a download. */
const createdGate = (options: object = {}): Gate =>
  createGate({
    issuer: issuer.origin,
    audience: AUDIENCE,
    jwksUri: issuer.jwksUri,
    tokenFrom: { cookie: 'token' },
    ...options,
  }) as Gate
const start = async (listener: RequestListener) => {
  running = await listen(listener)
}

describe('a stream of server-sent events', () => {
  const EVENTS = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' }

  /** Reads the first event, has the second one written, and reads that. */
  async function readEvents(writeSecond: () => void, headers: Readonly<Record<string, string>>) {
    const response = await new Promise<IncomingMessage>((resolve, reject) =>
      get(running.origin, { agent: false, headers }, resolve).on('error', reject),
    )
    const chunks = response.setEncoding('utf8')[Symbol.asyncIterator]() as AsyncIterator<string>
    const first = (await chunks.next()).value
    writeSecond()
    const second = (await chunks.next()).value
    response.destroy()
    return { status: response.statusCode, type: response.headers['content-type'], first, second, response }
  }
  const RECEIVED = {
    status: 200,
    type: 'text/event-stream',
    first: 'data: hello emma\n\n',
    second: 'data: again\n\n',
  }

  it.each(EXPRESS)('on %s arrives event by event (FIELD-HELD-32)', async (_, express) => {
    const auth = bearerExpress.bearer(createdGate())
    let stream: ServerResponse | undefined
    await start(
      express()
        .use(auth)
        .get('/', (request, response) => {
          stream = response
          response.writeHead(200, EVENTS)
          response.write(`data: hello ${auth.identity(request).subject}\n\n`)
        }),
    )
    const second = () => stream?.write('data: again\n\n')
    const byField = await readEvents(second, { authorization: `Bearer ${token}` })
    expect(byField).toMatchObject(RECEIVED)
    expect(byField.response.headers['cache-control']).toBe('no-cache')
    const byCookie = await readEvents(second, { cookie: `token=${token}` })
    expect(byCookie).toMatchObject(RECEIVED)
    expect(byCookie.response.headers['cache-control']).toBe('private, no-cache')
  })

  it.each(KOA)('on %s arrives event by event (FIELD-HELD-32)', async (_, create) => {
    const auth = bearerKoa.bearer(createdGate())
    let stream = new PassThrough()
    const app = create().use(auth)
    app.use((context) => {
      stream = new PassThrough()
      context.set(EVENTS)
      context.body = stream
      stream.write(`data: hello ${auth.identity(context).subject}\n\n`)
    })
    await start(app.callback())
    const second = () => stream.write('data: again\n\n')
    expect(await readEvents(second, { authorization: `Bearer ${token}` })).toMatchObject(RECEIVED)
    expect(await readEvents(second, { cookie: `token=${token}` })).toMatchObject(RECEIVED)
  })

  it('from a fetch handler arrives event by event (FIELD-HELD-32)', async () => {
    let stream: ReadableStreamDefaultController<Uint8Array> | undefined
    const write = (event: string) => stream?.enqueue(new TextEncoder().encode(event))
    const handle = createdGate().protect((_request, { subject }) => {
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          stream = controller
        },
      })
      write(`data: hello ${subject}\n\n`)
      return new Response(body, { headers: EVENTS })
    })
    await start(async ({ headers }, response) => {
      const answer = await handle(new Request(AUDIENCE, { headers: headers as Record<string, string> }))
      response.writeHead(answer.status, Object.fromEntries(answer.headers))
      for await (const chunk of answer.body ?? []) response.write(chunk)
    })
    const second = () => write('data: again\n\n')
    expect(await readEvents(second, { authorization: `Bearer ${token}` })).toMatchObject(RECEIVED)
    expect(await readEvents(second, { cookie: `token=${token}` })).toMatchObject(RECEIVED)
  })
})

describe('a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bearergate-file-'))
  const path = join(folder, 'report.txt')
  writeFileSync(path, '0123456789')
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.each(EXPRESS)(
    'by sendFile on %s is sent whole, in part and not at all (FIELD-HELD-33)',
    async (_, express) => {
      const auth = bearerExpress.bearer(createdGate())
      await start(
        express()
          .use(auth)
          .get('/', (_request, response) => response.sendFile(path, { maxAge: '1h' })),
      )
      const whole = await send(running.origin, { headers: ['Cookie', `token=${token}`] })
      expect(whole).toMatchObject({
        status: 200,
        text: '0123456789',
        headers: {
          'cache-control': 'private, max-age=3600',
          'accept-ranges': 'bytes',
          'content-length': '10',
        },
      })
      const more = (headers: readonly string[]) =>
        send(running.origin, { headers: ['Authorization', `Bearer ${token}`, ...headers] })
      expect(await more(['Range', 'bytes=2-4'])).toMatchObject({
        status: 206,
        text: '234',
        headers: { 'content-range': 'bytes 2-4/10' },
      })
      expect(await more(['If-None-Match', String(whole.headers.etag)])).toMatchObject({
        status: 304,
        text: '',
      })
      expect(await send(running.origin)).toMatchObject({ status: 401 })
    },
  )

  it.each(KOA)('as a stream on %s is sent whole (FIELD-HELD-33)', async (_, create) => {
    const app = create().use(bearerKoa.bearer(createdGate()))
    app.use((context) => {
      context.set('cache-control', 'max-age=3600')
      context.body = createReadStream(path)
    })
    await start(app.callback())
    expect(await send(running.origin, { headers: ['Cookie', `token=${token}`] })).toMatchObject({
      status: 200,
      text: '0123456789',
      headers: { 'cache-control': 'private, max-age=3600' },
    })
  })
})

describe('an AsyncLocalStorage that was entered before authentication', () => {
  const storage = new AsyncLocalStorage<string>()
  /** The value of the storage is the id that the client sends. */
  const idOf = (request: IncomingMessage) => {
    entered += 1
    return String(request.headers['x-request-id'])
  }
  let entered = 0

  const HOSTS: readonly (readonly [string, (gate: Gate) => Promise<void>])[] = [
    ...EXPRESS.map(
      ([name, express]) =>
        [
          name,
          (gate: Gate) => {
            const auth = bearerExpress.bearer(gate)
            const app = express().use((request, _response, next) => storage.run(idOf(request), next))
            app.use(
              auth,
              auth.authorize(({ subject }) => subject === 'emma' && storage.getStore() !== undefined),
            )
            app.use((_request, response) => void response.end(storage.getStore()))
            return start(app)
          },
        ] as const,
    ),
    ...KOA.map(
      ([name, create]) =>
        [
          name,
          (gate: Gate) => {
            const auth = bearerKoa.bearer(gate)
            const app = create().use((context, next) => storage.run(idOf(context.req), next))
            app.use(auth).use(auth.authorize(() => storage.getStore() !== undefined))
            app.use((context) => {
              context.body = storage.getStore()
            })
            return start(app.callback())
          },
        ] as const,
    ),
    [
      'node:http',
      (gate) => {
        const auth = bearerExpress.bearer(gate)
        return start((request, response) =>
          storage.run(idOf(request), () =>
            auth(request, response, () => void response.end(storage.getStore())),
          ),
        )
      },
    ],
  ]

  const ask = async (id: string, sent: string) =>
    (await send(running.origin, { headers: ['Authorization', `Bearer ${sent}`, 'X-Request-Id', id] })).text
  const ids = Array.from({ length: 8 }, (_, index) => `request-${index}`)

  it.each(HOSTS)(
    'keeps the value of each request on %s: while keys are fetched, by new tokens and by cached ones (FIELD-HELD-34)',
    async (_, serve) => {
      await serve(createdGate())
      const tokens = await Promise.all(ids.map(() => tokenOf(key, issuer.origin)))
      for (let round = 0; round < 2; round += 1)
        expect(await Promise.all(ids.map((id, index) => ask(id, tokens[index] ?? '')))).toEqual(ids)
      expect(issuer.fetches).toBe(1)
      const fresh = await Promise.all(ids.map(() => tokenOf(key, issuer.origin)))
      expect(await Promise.all(ids.map((id, index) => ask(id, fresh[index] ?? '')))).toEqual(ids)
    },
  )

  it.each(HOSTS)(
    'keeps the value of each request on %s while they share one introspection (FIELD-HELD-34)',
    async (_, serve) => {
      const held: (() => void)[] = []
      const introspector = await startIntrospector((asked, response) => {
        held.push(() => json({ active: true, sub: 'emma' })(asked, response))
      })
      const client = {
        endpoint: introspector.endpoint,
        clientId: 'api',
        clientSecret: 'secret',
        audience: null,
      }
      await serve(createGate({ verifier: introspection(client) }) as Gate)
      entered = 0
      const answers = Promise.all(ids.map((id) => ask(id, 'opaque-token')))
      await eventually(() => entered === ids.length && held.length > 0)
      for (const release of held) release()
      expect(await answers).toEqual(ids)
      expect(introspector.asked).toHaveLength(1)
      await introspector.close()
    },
  )
})
