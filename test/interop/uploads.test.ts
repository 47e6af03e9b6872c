/** Requests with a body that a gate refuses while the client still sends it, on real connections. */

import { once } from 'node:events'
import { Agent, createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { createGate, type Gate } from '@bearergate/core'
import * as bearerExpress from '@bearergate/express'
import * as bearerKoa from '@bearergate/koa'
import Koa3 from 'koa'
import Koa2 from 'koa2'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AUDIENCE, createKey, ISSUER, NOW } from '../support/issuer.ts'
import { nodeHosts } from '../support/node-hosts.ts'
import { listen, type Running } from '../support/server.ts'

interface Host {
  readonly name: string
  /** Answers `200` with the subject of the identity to each request that passes, and does not read its body. */
  start(gate: Gate): Promise<Running>
}

const koaHost = (name: string, create: () => Koa3): Host => ({
  name,
  start(gate) {
    const auth = bearerKoa.bearer(gate)
    const app = create().use(auth)
    app.use((context) => {
      context.body = String(auth.identity(context).subject)
    })
    return listen(app.callback())
  },
})

const hosts: readonly Host[] = [
  ...nodeHosts
    .filter(({ name }) => /^(?:node:http|Express \d)$/.test(name))
    .map(({ name, start }) => ({ name, start: (gate: Gate) => start(bearerExpress.bearer(gate)) })),
  koaHost('Koa 2', () => new Koa2()),
  koaHost('Koa 3', () => new Koa3()),
]

let gate: Gate
let good: string
/** Signed by another key, so that it is refused only after its signature was checked. */
let bad: string
beforeAll(async () => {
  const [key, foreign] = await Promise.all([createKey(), createKey()])
  const keys = { keys: [key.jwk as never] }
  gate = createGate({ issuer: ISSUER, audience: AUDIENCE, keys, now: () => NOW * 1000 })
  ;[good, bad] = await Promise.all([key.sign(), foreign.sign()])
})

const MIB = 2 ** 20
const CHUNK = Buffer.alloc(MIB / 4, 'a')

describe.each(hosts)('on $name', ({ start }) => {
  let running: Running
  let agent: Agent
  beforeAll(async () => {
    running = await start(gate)
    agent = new Agent({ keepAlive: true, maxSockets: 1 })
  })
  afterAll(async () => {
    agent.destroy()
    await running.close()
  })

  const connected = () => connect(Number(new URL(running.origin).port), '127.0.0.1')
  const request = (method: string, token: string, headers: readonly string[] = [], body = '') =>
    [`${method} / HTTP/1.1`, 'Host: a', `Authorization: Bearer ${token}`, ...headers, '', body].join('\r\n')

  /** Reads until the connection ends. Returns the status and the body of each answer. Rejects if the connection is reset. */
  async function answersOn(socket: Socket): Promise<readonly (readonly [number, string])[]> {
    const answers = (await text(socket)).split(/HTTP\/1\.1 (?=\d{3} )/).slice(1)
    return answers.map((answer) => [Number(answer.slice(0, 3)), answer.split('\r\n\r\n')[1] ?? ''] as const)
  }
  const REFUSED = [401, expect.stringContaining('invalid_token')]
  const ALLOWED = [200, expect.stringContaining('emma')]

  // Not by Node's client, which stops to send a body once the answer is complete, whatever the server is.
  it.each([
    ['with its length', `Content-Length: ${64 * MIB}`, ['', '', '']],
    ['in chunks', 'Transfer-Encoding: chunked', [`${CHUNK.length.toString(16)}\r\n`, '\r\n', '0\r\n\r\n']],
  ] as const)(
    'answers 401 to 64 MiB %s and a bad token, and then the next request of the connection (FIELD-HELD-01)',
    async (_, framing, [before, after, last]) => {
      function* upload() {
        yield request('POST', bad, [framing])
        for (let sent = 0; sent < 64 * MIB; sent += CHUNK.length) yield* [before, CHUNK, after]
        yield last
        yield request('GET', good, ['Connection: close'])
      }
      const socket = connected()
      const [answers] = await Promise.all([
        answersOn(socket),
        pipeline(
          Readable.from(upload()).filter((part) => part.length > 0),
          socket,
          // A server that sees the end of a client sends no answer any more.
          { end: false },
        ),
      ])
      expect(answers).toEqual([REFUSED, ALLOWED])
      expect(socket.bytesWritten).toBeGreaterThan(64 * MIB)
    },
  )

  it('answers a request with Expect: 100-continue by its token (FIELD-HELD-03)', async () => {
    for (const [token, status] of [
      [bad, 401],
      [good, 200],
    ] as const) {
      const sent = httpRequest(running.origin, {
        method: 'POST',
        agent,
        headers: { authorization: `Bearer ${token}`, expect: '100-continue', 'content-length': '5' },
      })
      const answered = once(sent, 'response')
      sent.flushHeaders()
      await once(sent, 'continue')
      sent.end('hello')
      const [response] = (await answered) as [IncomingMessage]
      expect([response.statusCode, (await text(response)).includes('emma')]).toEqual([status, status === 200])
    }
  })

  async function pipelined(...requests: readonly string[]) {
    const socket = connected()
    socket.write(requests.join(''))
    return answersOn(socket)
  }

  it.each([
    ['with its length', (body: string) => [[`Content-Length: ${body.length}`], body] as const],
    [
      'in chunks',
      (body: string) =>
        [['Transfer-Encoding: chunked'], `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`] as const,
    ],
  ])(
    'answers 200 to a request that was pipelined behind a rejected POST %s, and takes no request from its body (FIELD-HELD-04)',
    async (_, framed) => {
      const [headers, body] = framed(request('DELETE', good))
      const answers = await pipelined(
        request('POST', bad, headers, body),
        request('GET', good, ['Connection: close']),
      )
      expect(answers).toEqual([REFUSED, ALLOWED])
    },
  )

  it('answers 401 to a request without a token that was pipelined behind an allowed POST (FIELD-HELD-04)', async () => {
    const plain = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
    const answers = await pipelined(request('POST', good, ['Content-Length: 5'], 'hello'), plain)
    expect(answers.map(([status]) => status)).toEqual([200, 401])
  })
})

it('sends no 100 Continue after a refusal if checkContinue authenticates (FIELD-HELD-03)', async () => {
  const auth = bearerExpress.bearer(gate)
  const server = createServer()
  server.on('checkContinue', (request, response) =>
    auth(request, response, () => {
      response.writeContinue()
      request.resume().on('end', () => response.end('stored'))
    }),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const send = async (token: string) => {
    const sent = httpRequest({
      port: (server.address() as AddressInfo).port,
      host: '127.0.0.1',
      method: 'PUT',
      agent: false,
      headers: { authorization: `Bearer ${token}`, expect: '100-continue', 'content-length': '5' },
    })
    const happened: string[] = []
    sent.on('continue', () => {
      happened.push('continue')
      sent.end('hello')
    })
    const answered = once(sent, 'response')
    sent.flushHeaders()
    const [response] = (await answered) as [IncomingMessage]
    happened.push(`${response.statusCode}`)
    response.resume()
    sent.destroy()
    return happened
  }
  expect(await send(bad)).toEqual(['401'])
  expect(await send(good)).toEqual(['continue', '200'])
  server.close()
})
