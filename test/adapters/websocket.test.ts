/** WebSocket handshakes, with the `ws` package on both sides: the token is taken, and never echoed. */

import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import {
  authenticateUpgrade,
  createGate,
  fromWebSocketRequest,
  type Gate,
  type TokenVerifier,
  UnavailableError,
  type WebSocketOptions,
} from '@bearergate/core'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { AUDIENCE, createKey, ISSUER, NOW, type TestKey } from '../support/issuer.ts'

let key: TestKey
let gate: Gate
let token: string
const closing: (() => void)[] = []
const running: Server[] = []

beforeAll(async () => {
  key = await createKey('ES256')
  token = await key.sign()
  gate = createGate({ issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk] }, now: () => NOW * 1000 })
})
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

/** Starts a server that greets by the subject; the default `handleProtocols` of ws echoes what is offered first. */
async function start(using = gate, options?: WebSocketOptions): Promise<string> {
  const sockets = new WebSocketServer({ noServer: true })
  const server: Server = createServer()
  running.push(server)
  server.on('upgrade', async (request, socket, head) => {
    const upgrade = await authenticateUpgrade(using, request, socket, options)
    if (upgrade === undefined) return
    sockets.handleUpgrade(request, socket, head, (connection) =>
      connection.send(JSON.stringify({ hello: upgrade.identity.subject, protocols: upgrade.protocols })),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    for (const client of sockets.clients) client.terminate()
    server.close()
    server.closeAllConnections()
  })
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Outcome {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
  readonly statusText?: string | undefined
  readonly protocol?: string
}

function open(
  url: string,
  protocols: readonly string[],
  headers: Record<string, string> = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const client = new WebSocket(url, [...protocols], { headers })
    let answered: Outcome['headers'] = {}
    client.on('upgrade', ({ headers: fields }) => {
      answered = fields
    })
    client.on('message', (data) => {
      resolve({ status: 101, headers: answered, text: String(data), protocol: client.protocol })
      client.terminate()
    })
    client.on('unexpected-response', (_request, response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          statusText: response.statusMessage,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      )
    })
    client.on('error', reject)
  })
}

describe('authenticateUpgrade', () => {
  it.each<[number, string, TokenVerifier['verify']]>([
    [401, 'Unauthorized', () => ({ active: false, reason: 'expired' })],
    [503, 'Service Unavailable', () => Promise.reject(new UnavailableError('down'))],
  ])('answers with the status line %i %s', async (status, statusText, verify) => {
    const url = await start(createGate({ verifier: { verify } }))
    const answer = await open(url, [], { authorization: 'Bearer any' })
    expect([answer.status, answer.statusText]).toEqual([status, statusText])
  })

  it('authenticateUpgrade accepts a token in Authorization', async () => {
    const { status, text } = await open(await start(), ['chat'], { authorization: `Bearer ${token}` })
    expect([status, JSON.parse(text)]).toEqual([101, { hello: 'emma', protocols: ['chat'] }])
  })

  it.each([
    ['first', (own: string) => [own, 'chat']] as const,
    ['last', (own: string) => ['chat', own]] as const,
  ])('accepts a token in the subprotocol that is offered %s, and selects the other one', async (_, offer) => {
    const { status, text, protocol, headers } = await open(await start(), offer(`bearer.${token}`))
    expect([status, JSON.parse(text), protocol]).toEqual([
      101,
      { hello: 'emma', protocols: ['chat'] },
      'chat',
    ])
    expect(JSON.stringify(headers)).not.toContain(token)
  })

  it.each([['chat'], []])('leaves the token nowhere in the request, beside %j (M05)', async (...others) => {
    const seen: string[] = []
    const server = createServer().on('upgrade', async (request, socket) => {
      await authenticateUpgrade(gate, request, socket)
      seen.push(JSON.stringify([request.headers, request.rawHeaders, request.headersDistinct]))
      socket.destroy()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closing.push(() => server.close())
    const offered = [`bearer.${token}`, ...others]
    await open(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, offered).catch(() => {})
    expect(seen).toHaveLength(1)
    expect(seen[0]).not.toContain(token)
    expect(seen[0]?.includes('chat')).toBe(others.length > 0)
  })

  it('accepts a configured subprotocolPrefix, and then not the default one', async () => {
    const url = await start(gate, { subprotocolPrefix: 'access_token~' })
    expect((await open(url, ['chat', `access_token~${token}`])).status).toBe(101)
    const refused = await open(url, ['chat', `bearer.${token}`])
    expect([refused.status, refused.text]).toEqual([
      401,
      expect.stringContaining('An access token is required'),
    ])
  })

  it('answers 400 to a WebSocket handshake with two tokens (A03)', async () => {
    const twice = await open(await start(), ['chat', `bearer.${token}`], { authorization: `Bearer ${token}` })
    expect([twice.status, JSON.parse(twice.text).error]).toEqual([400, 'invalid_request'])
    const again = await open(await start(), [`bearer.${token}`, `bearer.${token}x`])
    expect(again.status).toBe(400)
  })

  it('sends a denial on the socket, with its challenge, and without the token (B06)', async () => {
    const expired = await key.sign({ exp: NOW - 60 })
    for (const [bad, status] of [
      [expired, 401],
      ['garbage', 401],
    ] as const) {
      const refused = await open(await start(), ['chat', `bearer.${bad}`])
      expect(refused.status).toBe(status)
      expect(refused.headers['www-authenticate']).toMatch(/^Bearer realm="api", error="invalid_token"/)
      expect(refused.headers['cache-control']).toBe('no-store')
      expect(JSON.parse(refused.text).error).toBe('invalid_token')
      expect(JSON.stringify(refused)).not.toContain(bad)
    }
    const none = await open(await start(), ['chat'])
    expect([none.status, none.headers['www-authenticate']]).toEqual([401, 'Bearer realm="api"'])
  })

  it('answers 503 on the socket if the token cannot be checked (B15)', async () => {
    const verifier = { verify: () => Promise.reject(new UnavailableError('down', { retryAfter: 7 })) }
    const refused = await open(await start(createGate({ verifier })), ['chat', `bearer.${token}`])
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '7'])
  })

  it('destroys the socket of a denied client, even if the client keeps its half open or goes on sending (FX59)', async () => {
    const { port } = new URL(await start())
    const client = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true })
    client.on('error', () => {})
    client.write(
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\nmore',
    )
    let text = ''
    client.on('data', (chunk) => {
      text += chunk
    })
    await new Promise((resolve) => client.once('end', resolve))
    expect(text).toMatch(/^HTTP\/1\.1 401 /)
    const server = running.at(-1) as Server
    await vi.waitFor(async () => {
      expect(await new Promise((resolve) => server.getConnections((_error, count) => resolve(count)))).toBe(0)
    })
    client.destroy()
  })

  it('survives a client that resets the connection while its token is verified (FX55)', async () => {
    let decided: (() => void) | undefined
    const pending = new Promise<void>((resolve) => {
      decided = resolve
    })
    let asked: (() => void) | undefined
    const reached = new Promise<void>((resolve) => {
      asked = resolve
    })
    const verifier = {
      async verify() {
        asked?.()
        await pending
        return { active: false, reason: 'expired' } as const
      },
    }
    const { port } = new URL(await start(createGate({ verifier })))
    const client = connect(Number(port), '127.0.0.1')
    client.on('error', () => {})
    client.write(
      `GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer ${token}\r\n\r\n`,
    )
    await reached
    client.resetAndDestroy()
    await new Promise((resolve) => client.once('close', resolve))
    decided?.()
    await new Promise((resolve) => setImmediate(resolve))
    expect((await open(await start(), ['chat', `bearer.${token}`])).status).toBe(101)
  })
})

describe('fromWebSocketRequest', () => {
  const request = (headers: Record<string, string>) => new Request('https://api.example.com/', { headers })

  it('reads a fetch Request', async () => {
    const handshake = fromWebSocketRequest(
      request({ upgrade: 'websocket', 'sec-websocket-protocol': `chat, bearer.${token},  v2` }),
    )
    expect(handshake.protocols).toEqual(['chat', 'v2'])
    expect(await gate.authenticate(handshake)).toMatchObject({ ok: true, identity: { subject: 'emma' } })
  })

  it('ignores a token in a subprotocol if the request is no upgrade to WebSocket', async () => {
    for (const upgrade of [{}, { upgrade: 'h2c' }])
      expect(
        await gate.authenticate(
          fromWebSocketRequest(request({ ...upgrade, 'sec-websocket-protocol': `bearer.${token}` })),
        ),
      ).toMatchObject({ status: 401, reason: 'no_credentials' })
  })

  it('ignores a blank Authorization beside the token of a subprotocol (FIELD14)', async () => {
    const handshake = fromWebSocketRequest(
      request({ upgrade: 'WebSocket', authorization: ' ', 'sec-websocket-protocol': 'bearer.good' }),
    )
    expect(handshake.header('authorization')).toEqual(['Bearer good'])
  })

  it('answers 400 to a subprotocol that is only the prefix (A02)', async () => {
    const handshake = fromWebSocketRequest(
      request({ upgrade: 'WebSocket', 'sec-websocket-protocol': 'bearer.' }),
    )
    expect(await gate.authenticate(handshake)).toMatchObject({ status: 400, reason: 'malformed_credentials' })
  })

  it.each([
    ['too many subprotocols', ['bearer.good', ...Array<string>(64).fill('chat')].join(',')],
    ['a space behind the marker', 'bearer. good'],
    ['two markers', 'bearer.,bearer.good'],
  ])('still answers 400 to %s, with optional as well (FIELD14)', async (_, protocols) => {
    const handshake = () =>
      fromWebSocketRequest(request({ upgrade: 'WebSocket', 'sec-websocket-protocol': protocols }))
    for (const optional of [false, true]) {
      const one = createGate({ verifier: { verify: () => ({ active: false, reason: 'revoked' }) }, optional })
      expect(await one.authenticate(handshake())).toMatchObject({ status: 400 })
      const lenient = createGate({
        verifier: { verify: () => ({ active: false, reason: 'revoked' }) },
        optional,
        tokenSyntax: 'visible-ascii',
      })
      expect(await lenient.authenticate(handshake())).toMatchObject({ status: 400 })
    }
  })

  it.each([[''], ['a b'], ['a,b'], [7], [null]])('throws for the subprotocolPrefix %j', (marker) => {
    expect(() => fromWebSocketRequest(request({}), { subprotocolPrefix: marker as string })).toThrow(
      /"subprotocolPrefix"/,
    )
  })
})
