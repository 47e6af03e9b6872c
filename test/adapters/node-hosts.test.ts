/** The Express middleware on hosts whose requests and responses are those of Node, with nothing that Express adds. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { TokenVerifier } from '@bearergate/core'
import type { NodeHandler, NodeRequest, NodeResponse } from '@bearergate/core/adapter'
import * as bearerExpress from '@bearergate/express'
import * as bearerKoa from '@bearergate/koa'
import Koa3 from 'koa'
import Koa2 from 'koa2'
import { Server as SocketServer } from 'socket.io'
import { io } from 'socket.io-client'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { identity } from '../support/identity.ts'
import { http2Host, listenHttp2, nodeHosts } from '../support/node-hosts.ts'
import { listen, type Running, send } from '../support/server.ts'

/** Knows one token. Answers at once, or later as a verifier that asks a server. */
const knows = (isLate: boolean): TokenVerifier => ({
  verify(token) {
    const result =
      token === 'good'
        ? ({ active: true, identity } as const)
        : ({ active: false, reason: 'unknown_token' } as const)
    return isLate ? new Promise((resolve) => setImmediate(resolve, result)) : result
  },
})

interface Got {
  readonly status: number
  readonly challenge: string | undefined
  readonly type: string | undefined
  readonly cache: string | undefined
  readonly text: string
}

type NodeHandlerOf = (request: NodeRequest, response: NodeResponse) => void

type Ask = (method: string, headers: readonly string[]) => Promise<Got>

const overHttp =
  (origin: string): Ask =>
  async (method, headers) => {
    const got = await send(origin.endsWith('=') ? origin : `${origin}/`, { method, headers })
    return {
      status: got.status,
      challenge: got.challenges[0],
      type: got.headers['content-type'],
      cache: got.headers['cache-control'],
      text: got.text,
    }
  }

const overHttp2 =
  (origin: string): Ask =>
  async (method, headers) => {
    const session = connectHttp2(origin)
    const pairs = headers
      .map((value, index) => [headers[index - 1], value])
      .filter((_, index) => index % 2 === 1)
    const stream = session.request(
      { ':method': method, ':path': '/', ...Object.fromEntries(pairs) },
      { endStream: true },
    )
    const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status': number }]
    let text = ''
    for await (const chunk of stream) text += chunk
    session.close()
    return {
      status: answer[':status'],
      challenge: answer['www-authenticate'],
      type: answer['content-type'],
      cache: answer['cache-control'],
      text,
    }
  }

const DENIED = { cache: 'no-store', type: expect.stringMatching(/^application\/json/) }
const PLAIN = 'Bearer realm="api"'
const NO_TOKEN = expect.stringContaining('An access token is required')
const bearer = (token: string) => ['Authorization', `Bearer ${token}`]

const hosts = [...nodeHosts.map((host) => ({ ...host, ask: overHttp })), { ...http2Host, ask: overHttp2 }]

describe.each(hosts)('the Express middleware on $name', (host) => {
  describe.each([
    ['at once', false],
    ['later', true],
  ])('with a verifier that answers %s', (_, isLate) => {
    let running: Running
    let ask: Ask
    beforeAll(async () => {
      const verifier = knows(isLate)
      running = await host.start(bearerExpress.bearer({ verifier }))
      ask = host.ask(running.origin)
    })
    afterAll(() => running.close())

    it('answers 401 with a plain challenge to a request without a token (FIELD17)', async () => {
      expect(await ask('GET', [])).toEqual({ ...DENIED, status: 401, challenge: PLAIN, text: NO_TOKEN })
    })

    it('answers 401 invalid_token to a bad token (FIELD17)', async () => {
      const got = await ask('POST', bearer('bad'))
      expect(got).toMatchObject({ ...DENIED, status: 401 })
      expect(got.challenge).toContain('error="invalid_token"')
      expect(JSON.parse(got.text)).toMatchObject({ error: 'invalid_token' })
    })

    it('answers 400 to a malformed token (FIELD17)', async () => {
      expect(await ask('GET', bearer('a b'))).toMatchObject({ ...DENIED, status: 400 })
    })

    it('answers HEAD with the same status and challenge, and no body (FIELD17)', async () => {
      expect(await ask('HEAD', [])).toEqual({ ...DENIED, status: 401, challenge: PLAIN, text: '' })
      expect(await ask('HEAD', bearer('bad'))).toMatchObject({ ...DENIED, status: 401, text: '' })
    })

    it('allows a valid token, with its identity (FIELD17)', async () => {
      expect(await ask('GET', bearer('good'))).toMatchObject({
        status: 200,
        challenge: undefined,
        text: 'emma',
      })
    })
  })

  it('answers 403, 503 and the metadata by the same means (FIELD17)', async () => {
    const verifier: TokenVerifier = {
      verify: (token) => (token === 'good' ? { active: true, identity } : Promise.reject(new Error('down'))),
    }
    const auth = bearerExpress.bearer({ verifier, resource: 'https://api.example.com' })
    const write = auth.requireScope('write')
    const both = Object.assign(
      ((request, response, next) =>
        auth(request, response, (cause) =>
          cause === undefined ? write(request, response, next) : next(cause),
        )) as NodeHandler,
      auth,
    )
    const running = await host.start(both)
    const ask = host.ask(running.origin)
    const forbidden = await ask('GET', bearer('good'))
    expect(forbidden).toMatchObject({ ...DENIED, status: 403 })
    expect(forbidden.challenge).toContain('scope="write"')
    expect(await ask('GET', bearer('bad'))).toMatchObject({ status: 503, challenge: undefined })
    await running.close()
  })

  it('answers preflights with 204 (FIELD17)', async () => {
    const running = await host.start(
      bearerExpress.bearer({ verifier: knows(false), allowPreflight: { methods: ['GET'] } }),
    )
    const preflight = ['Origin', 'https://app.example.com', 'Access-Control-Request-Method', 'GET']
    expect(await host.ask(running.origin)('OPTIONS', preflight)).toMatchObject({ status: 204, text: '' })
    await running.close()
  })

  it('carries the cache headers of a token outside Authorization (FIELD17)', async () => {
    const running = await host.start(
      bearerExpress.bearer({ verifier: knows(false), tokenFrom: { cookie: 'token' } }),
    )
    const got = await host.ask(running.origin)('GET', ['Cookie', 'token=good'])
    expect(got).toMatchObject({ status: 200, text: 'emma', cache: 'private' })
    await running.close()
  })
})

describe('after other middleware has answered (FIELD17)', () => {
  /** Answers first, and lists what happens then. */
  const first = (isLate: boolean) => {
    const auth = bearerExpress.bearer({ verifier: knows(isLate) })
    const happened: unknown[] = []
    const listener: NodeHandlerOf = (request, response) => {
      response.end('first')
      try {
        auth(request, response, () => happened.push('reached'))
      } catch (cause) {
        happened.push(cause)
      }
    }
    return { listener, happened }
  }

  it.each([
    ['node:http', false, listen, overHttp],
    ['node:http', true, listen, overHttp],
    ['node:http2', false, listenHttp2, overHttp2],
    ['node:http2', true, listenHttp2, overHttp2],
  ] as const)('sends nothing more on %s (later: %s)', async (_, isLate, start, by) => {
    const { listener, happened } = first(isLate)
    const running = await start(listener)
    for (const headers of [[], bearer('bad')])
      expect(await by(running.origin)('GET', headers)).toMatchObject({ status: 200, text: 'first' })
    expect(happened).toEqual([])
    await running.close()
  })

  it('sends no metadata either', async () => {
    const auth = bearerExpress.bearer({ verifier: knows(false), resource: 'https://api.example.com' })
    const running = await listen((request, response) => {
      response.end('first')
      auth(request, response, () => {})
    })
    const got = await send(`${running.origin}/.well-known/oauth-protected-resource`)
    expect([got.status, got.text]).toEqual([200, 'first'])
    await running.close()
  })
})

describe('on node:http (FIELD17)', () => {
  let running: Running | undefined
  afterEach(async () => {
    await running?.close()
    running = undefined
  })

  it('runs a handler once that throws behind a verifier that answers later', async () => {
    const auth = bearerExpress.bearer({ verifier: knows(true) })
    let calls = 0
    // Those of Vitest, which would fail the test.
    const others = process.listeners('unhandledRejection')
    for (const listener of others) process.off('unhandledRejection', listener)
    const thrown = once(process, 'unhandledRejection')
    running = await listen((request, response) =>
      auth(request, response, () => {
        calls += 1
        response.end('reached')
        throw new Error('the handler failed')
      }),
    )
    expect(await overHttp(running.origin)('GET', bearer('good'))).toMatchObject({ status: 200 })
    expect((await thrown)[0]).toMatchObject({ message: 'the handler failed' })
    for (const listener of others) process.on('unhandledRejection', listener)
    expect(calls).toBe(1)
  })

  it('passes an error to next if onDenied is next', async () => {
    const auth = bearerExpress.bearer({ verifier: knows(false), onDenied: 'next' })
    running = await listen((request, response) =>
      auth(request, response, (cause) => {
        response.statusCode = cause === undefined ? 200 : 418
        response.end(cause?.name)
      }),
    )
    expect(await overHttp(running.origin)('GET', [])).toMatchObject({ status: 418, text: 'BearerAuthError' })
  })

  it('keeps what another middleware exposes to scripts', async () => {
    const auth = bearerExpress.bearer({ verifier: knows(false), exposeChallenge: true })
    running = await listen((request, response) => {
      response.setHeader('Access-Control-Expose-Headers', 'X-Request-Id')
      auth(request, response, () => response.end())
    })
    const { headers } = await send(running.origin)
    expect(headers['access-control-expose-headers']).toBe('X-Request-Id, WWW-Authenticate')
  })
})

describe('socket.io (FIELD17)', () => {
  async function attempt(transport: 'polling' | 'websocket', token: string | undefined): Promise<string> {
    const server = createServer()
    const sockets = new SocketServer(server)
    sockets.engine.use(bearerExpress.bearer({ verifier: knows(true) }))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const client = io(`http://127.0.0.1:${port}`, {
      transports: [transport],
      reconnection: false,
      extraHeaders: token === undefined ? {} : { authorization: `Bearer ${token}` },
    })
    const outcome = await new Promise<string>((resolve) => {
      client.on('connect', () => resolve('connected'))
      client.on('connect_error', () => resolve('refused'))
    })
    client.close()
    await sockets.close()
    return outcome
  }

  it.each(['polling', 'websocket'] as const)('connects over %s with a good token only', async (transport) => {
    expect(await attempt(transport, 'good')).toBe('connected')
    expect(await attempt(transport, 'bad')).toBe('refused')
    expect(await attempt(transport, undefined)).toBe('refused')
  })
})

describe.each([
  ['Koa 2', () => new Koa2()],
  ['Koa 3', () => new Koa3()],
])('%s (FIELD17)', (name, create) => {
  it.each([
    ['HTTP/1.1', listen, overHttp],
    ['HTTP/2', listenHttp2, overHttp2],
  ] as const)('answers and passes over %s', async (protocol, start, by) => {
    const app = create()
    const auth = bearerKoa.bearer({ verifier: knows(true) })
    app.use(auth).use((context) => {
      context.body = auth.identity(context).subject
    })
    const running = await start(app.callback() as never)
    const ask = by(running.origin)
    expect(await ask('GET', [])).toMatchObject({ ...DENIED, status: 401, challenge: PLAIN, text: NO_TOKEN })
    expect(await ask('GET', bearer('bad'))).toMatchObject({ ...DENIED, status: 401 })
    // Koa 2 never answers HEAD over HTTP/2, whatever the application does.
    if (name !== 'Koa 2' || protocol !== 'HTTP/2')
      expect(await ask('HEAD', [])).toMatchObject({ status: 401, challenge: PLAIN, text: '' })
    expect(await ask('GET', bearer('good'))).toMatchObject({ status: 200, text: 'emma' })
    await running.close()
  })
})
