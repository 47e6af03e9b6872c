/** Connections that the authorization server closes without an answer, and what requests are sent with by default on Node. */

import { generateKeyPairSync } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { createGate, introspection, jwt, privateKeyJwt, type TokenVerifier } from '@bearergate/core'
import { Agent, buildConnector, getGlobalDispatcher, MockAgent, setGlobalDispatcher } from 'undici'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { AUDIENCE, createKey, NOW, type TestKey } from '../support/issuer.ts'
import { listen, type Running } from '../support/server.ts'

interface Asked {
  readonly path: string
  /** Which request of its connection it was, from 1. */
  readonly nth: number
  readonly form: URLSearchParams
}
type Reply = (asked: Asked, request: IncomingMessage, response: ServerResponse) => void

const now = () => NOW * 1000
let key: TestKey
let server: Running
let asked: Asked[]
/** Replies, or closes the connection. */
let reply: Reply

beforeAll(async () => {
  key = await createKey()
})
beforeEach(async () => {
  asked = []
  reply = answer
  const counts = new WeakMap<Socket, number>()
  server = await listen(async (request, response) => {
    const nth = (counts.get(request.socket) ?? 0) + 1
    counts.set(request.socket, nth)
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const form = new URLSearchParams(Buffer.concat(chunks).toString())
    const question = { path: request.url ?? '', nth, form }
    asked.push(question)
    reply(question, request, response)
  })
})
afterEach(() => server.close())

const documents = (): Readonly<Record<string, object>> => ({
  '/.well-known/oauth-authorization-server': {
    issuer: server.origin,
    jwks_uri: `${server.origin}/keys`,
    introspection_endpoint: `${server.origin}/introspect`,
  },
  '/keys': { keys: [key.jwk] },
  '/introspect': { active: true, aud: AUDIENCE, sub: 'emma' },
})
const answer: Reply = ({ path }, _request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(documents()[path] ?? {}))
}
const fin = ({ socket }: IncomingMessage) => socket.destroy()
const rst = ({ socket }: IncomingMessage) => socket.resetAndDestroy()

const client = () => ({ issuer: server.origin, clientId: 'api', clientSecret: 'secret', audience: AUDIENCE })
const byKeys = (options = {}) => jwt({ issuer: server.origin, audience: AUDIENCE, now, ...options })

let count = 0
async function ask(verifier: TokenVerifier): Promise<number> {
  count += 1
  const isJwt = JSON.stringify(verifier.describe?.()).includes('"kind":"jwt"')
  const token = isJwt ? await key.sign({ iss: server.origin }) : `token-${count}`
  const headers = { authorization: `Bearer ${token}` }
  const decision = await createGate({ verifier }).authenticate(new Request(AUDIENCE, { headers }))
  return decision.ok ? 200 : decision.status
}

describe.each([
  ['FIN', fin],
  ['RST', rst],
] as const)('a connection that is closed by %s without an answer', (_, close) => {
  it('under each second request leaves all tokens answered 200 (FIELD02)', async () => {
    reply = (question, request, response) =>
      question.nth === 2 ? close(request) : answer(question, request, response)
    const verifier = introspection(client())
    const statuses: number[] = []
    for (let round = 0; round < 6; round += 1) statuses.push(await ask(verifier))
    expect(statuses).toEqual(Array(6).fill(200))
    expect(asked.filter(({ nth }) => nth === 2).length).toBeGreaterThan(1)
  })

  it('under 16 requests at once leaves all tokens answered 200 (FIELD02)', async () => {
    reply = (question, request, response) =>
      question.nth > 1 ? close(request) : answer(question, request, response)
    const verifier = introspection(client())
    for (let round = 0; round < 3; round += 1)
      expect(await Promise.all(Array.from({ length: 16 }, () => ask(verifier)))).toEqual(Array(16).fill(200))
  })

  it('under the first request for each document leaves tokens answered 200 (FIELD02)', async () => {
    const seen = new Set<string>()
    reply = (question, request, response) => {
      const isFirst = !seen.has(question.path)
      seen.add(question.path)
      return isFirst ? close(request) : answer(question, request, response)
    }
    expect(await ask(byKeys())).toBe(200)
    seen.clear()
    expect(await ask(introspection(client()))).toBe(200)
    const twice = (path: string) => [path, path]
    expect(asked.map(({ path }) => path)).toEqual(
      [
        '/.well-known/oauth-authorization-server',
        '/keys',
        '/.well-known/oauth-authorization-server',
        '/introspect',
      ].flatMap(twice),
    )
  })

  it('under both requests is answered 503 (FIELD02)', async () => {
    reply = (_question, request) => close(request)
    expect(await ask(introspection({ ...client(), endpoint: `${server.origin}/introspect` }))).toBe(503)
    expect(asked).toHaveLength(2)
  })

  it('after a part of an answer is answered 503 without another request (FIELD02)', async () => {
    reply = (_question, request, response) => {
      response.socket?.write('HTTP/1.1 200 OK\r\n', () => close(request))
    }
    expect(await ask(introspection({ ...client(), endpoint: `${server.origin}/introspect` }))).toBe(503)
    expect(asked).toHaveLength(1)
  })

  it('has a new assertion in the repeated request (FIELD02, RFC 7523 §3)', async () => {
    reply = (question, request, response) =>
      asked.length === 1 ? close(request) : answer(question, request, response)
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const jwk = { ...privateKey.export({ format: 'jwk' }), alg: 'ES256' } as never
    const authenticate = privateKeyJwt({ clientId: 'api', privateKey: jwk })
    const endpoint = `${server.origin}/introspect`
    expect(await ask(introspection({ endpoint, authenticate, audience: AUDIENCE }))).toBe(200)
    const assertions = asked.map(({ form }) => form.get('client_assertion'))
    expect(new Set(assertions).size).toBe(2)
  })

  it('under a request of the function "fetch" is answered 503 without another one (FIELD02)', async () => {
    reply = (_question, request) => close(request)
    const fetch = vi.fn((url: string, init: RequestInit) => globalThis.fetch(url, init))
    expect(await ask(byKeys({ jwksUri: `${server.origin}/keys`, fetch }))).toBe(503)
    expect(fetch).toHaveBeenCalledTimes(1)
  })
})

describe('a kept connection that the server gives up', () => {
  it.each<[string, (request: IncomingMessage, response: ServerResponse) => unknown]>([
    ['by 408', (_, response) => response.writeHead(408, { connection: 'close' }).end()],
    [
      'after 100 Continue',
      ({ socket }) => {
        socket.write('HTTP/1.1 100 Continue\r\n\r\n')
        socket.end()
      },
    ],
  ])('%s leaves all tokens answered 200 (FIELD02)', async (_, giveUp) => {
    reply = (question, request, response) =>
      question.nth === 2 ? giveUp(request, response) : answer(question, request, response)
    const verifier = introspection(client())
    const statuses: number[] = []
    for (let round = 0; round < 6; round += 1) statuses.push(await ask(verifier))
    expect(statuses).toEqual(Array(6).fill(200))
  })

  it('is not a request that the server answers with 408 on a new connection', async () => {
    reply = (_question, _request, response) => response.writeHead(408).end()
    expect(await ask(introspection(client()))).toBe(503)
  })
})

describe('by default, requests on Node', () => {
  it.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['identity', (text: string) => Buffer.from(text)],
  ] as const)('read a body in the content coding %s (FIELD03, FIELD-HELD-14)', async (coding, compress) => {
    reply = (_question, _request, response) =>
      response
        .writeHead(200, { 'content-encoding': coding })
        .end(compress(JSON.stringify(documents()['/keys'])))
    expect(await ask(byKeys({ jwksUri: `${server.origin}/keys` }))).toBe(200)
  })

  it.each([
    'application/jwk-set+json',
    'application/json;charset=UTF-8',
    'application/json; charset="utf-8";',
    'text/plain',
    'text/html; charset=iso-8859-1',
    'application/octet-stream',
    'binary/octet-stream',
    'jwks',
    '',
    undefined,
  ])('read keys of the content type %j (FIELD-HELD-15)', async (type) => {
    reply = (question, _request, response) => {
      if (type !== undefined) response.setHeader('content-type', type)
      response.end(JSON.stringify(documents()[question.path]))
    }
    expect(await ask(byKeys())).toBe(200)
    expect(asked.at(-1)?.path).toBe('/keys')
  })

  it('read no more than 256 KiB of a compressed body (FX18)', async () => {
    reply = (_question, _request, response) =>
      response
        .writeHead(200, { 'content-encoding': 'gzip' })
        .end(gzipSync(JSON.stringify({ ...documents()['/keys'], more: 'a'.repeat(300_000) })))
    expect(await ask(byKeys({ jwksUri: `${server.origin}/keys` }))).toBe(503)
  })

  it('reject a body with more than one content coding (FX18)', async () => {
    for (const [count, expected] of [
      [1, 200],
      [2, 503],
      [2_000, 503],
    ] as const) {
      reply = (_question, _request, response) =>
        response
          .writeHead(200, { 'content-encoding': Array(count).fill('identity').join() })
          .end(JSON.stringify(documents()['/keys']))
      expect([count, await ask(byKeys({ jwksUri: `${server.origin}/keys` }))]).toEqual([count, expected])
    }
  })

  it('follow no redirect (FX09)', async () => {
    reply = (question, request, response) =>
      question.path === '/moved'
        ? response.writeHead(302, { location: '/keys' }).end()
        : answer(question, request, response)
    expect(await ask(byKeys({ jwksUri: `${server.origin}/moved` }))).toBe(503)
    expect(asked.map(({ path }) => path)).toEqual(['/moved'])
  })

  it('go through a fetch that replaces the runtime’s, as in tests', async () => {
    const fetch = vi.fn(async () => Response.json(documents()['/keys']))
    vi.stubGlobal('fetch', fetch)
    expect(await ask(byKeys({ jwksUri: `${server.origin}/keys` }))).toBe(200)
    expect(fetch).toHaveBeenCalledTimes(1)
    expect(asked).toEqual([])
  })

  it('go through a dispatcher that the application set, as for a proxy or a private CA', async () => {
    const before = getGlobalDispatcher()
    const mock = new MockAgent()
    mock.disableNetConnect()
    mock
      .get(server.origin)
      .intercept({ path: '/keys' })
      .reply(200, documents()['/keys'] as object)
    const connect = vi.fn(buildConnector({ timeout: 1000 }))
    const agent = new Agent({ connect })
    try {
      setGlobalDispatcher(mock)
      expect(await ask(byKeys({ jwksUri: `${server.origin}/keys` }))).toBe(200)
      expect(asked).toEqual([])
      setGlobalDispatcher(agent)
      expect(await ask(byKeys({ jwksUri: `${server.origin}/keys` }))).toBe(200)
      expect(connect).toHaveBeenCalledTimes(1)
    } finally {
      setGlobalDispatcher(before)
      await Promise.all([mock.close(), agent.close()])
    }
  })
})
