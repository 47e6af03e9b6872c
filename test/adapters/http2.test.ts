/** Requests over HTTP/2 without TLS, whose host is in `:authority` (RFC 9113 §8.3.1). */

import { once } from 'node:events'
import { connect, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import {
  createGate,
  fromNodeRequest,
  type Gate,
  type Identity,
  type RequestLike,
  type VerifierGateOptions,
} from '@bearergate/core'
import * as bearerExpress from '@bearergate/express'
import * as bearerKoa from '@bearergate/koa'
import Koa3 from 'koa'
import Koa2 from 'koa2'
import { describe, expect, it } from 'vitest'
import { listenHttp2 } from '../support/node-hosts.ts'

type Listener = (request: Http2ServerRequest, response: Http2ServerResponse) => void

const identity: Identity = {
  kind: 'opaque',
  subject: 'emma',
  audience: [],
  scopes: [],
  roles: [],
  claims: {},
}

const gateOf = (options: Partial<VerifierGateOptions> = {}): Gate =>
  createGate({
    verifier: {
      verify: (token) =>
        token === 'good' ? { active: true, identity } : { active: false, reason: 'revoked' },
    },
    requireTls: true,
    ...options,
  } as VerifierGateOptions)

const koa = (app: Koa3, gate: Gate): Listener =>
  app
    .use(bearerKoa.bearer(gate))
    .use((context) => {
      context.body = 'reached'
    })
    .callback() as unknown as Listener

const HOSTS: readonly (readonly [string, (gate: Gate) => Listener])[] = [
  ['Koa 2', (gate) => koa(new Koa2(), gate)],
  ['Koa 3', (gate) => koa(new Koa3(), gate)],
  [
    'the Express middleware',
    (gate) => {
      const auth = bearerExpress.bearer(gate)
      return (request, response) => auth(request, response, () => response.end('reached'))
    },
  ],
]

async function statusOf(listener: Listener, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  const running = await listenHttp2(listener)
  const session = connect(running.origin)
  const stream = session.request({ ':path': '/', authorization: 'Bearer good', ...headers })
  const [answer] = await once(stream, 'response')
  stream.resume()
  await once(stream, 'close')
  session.close()
  await running.close()
  return answer[':status']
}

describe.each(HOSTS)('requireTls over HTTP/2 without TLS on %s (FIELD27)', (_, listenerOf) => {
  it('allows a request from loopback only if allowLoopback is set', async () => {
    expect(await statusOf(listenerOf(gateOf({ allowLoopback: true })))).toBe(200)
    expect(await statusOf(listenerOf(gateOf()))).toBe(400)
  })

  it.each([
    ['x-forwarded-for', '203.0.113.9'],
    ['x-forwarded-proto', 'http'],
    ['forwarded', 'for=203.0.113.9'],
    ['via', '2.0 proxy'],
  ])('answers 400 to a request that a proxy has forwarded, by %s', async (name, value) => {
    expect(await statusOf(listenerOf(gateOf({ allowLoopback: true })), { [name]: value })).toBe(400)
  })

  it('answers 400 for any :authority and :scheme, because the client writes them', async () => {
    const listener = listenerOf(gateOf())
    for (const headers of [
      { ':authority': 'localhost' },
      { ':authority': '127.0.0.1:443', ':scheme': 'https' },
    ])
      expect(await statusOf(listener, headers)).toBe(400)
  })

  it('answers 401 to a bad token, and 401 without one', async () => {
    const gate = gateOf({ allowLoopback: true })
    expect(await statusOf(listenerOf(gate), { authorization: 'Bearer bad' })).toBe(401)
    expect(await statusOf(listenerOf(gate), { authorization: '' })).toBe(401)
  })

  it('shows the authority to isSecure as the field Host', async () => {
    const isSecure = ({ header }: RequestLike) => header('host') === 'api.internal:8080'
    const gate = gateOf({ isSecure: (request) => isSecure({ header: (name) => request.header(name) }) })
    expect(await statusOf(listenerOf(gate), { ':authority': 'api.internal:8080' })).toBe(200)
    expect(await statusOf(listenerOf(gate), { ':authority': 'api.example.com' })).toBe(400)
  })
})

describe('the host of a request (FIELD27)', () => {
  it('is :authority over HTTP/2, also beside a Host that says something else', () => {
    const headers = { ':authority': 'a.example.com', host: 'b.example.com' }
    expect(fromNodeRequest({ headers }).header('host')).toBe('a.example.com')
    expect(fromNodeRequest({ headers: { host: 'b.example.com' } }).header('host')).toBe('b.example.com')
    expect(fromNodeRequest({ headers: {} }).header('host')).toBeUndefined()
  })

  it('is that of the URL in a fetch Request without the field', () => {
    const seen: unknown[] = []
    const gate = gateOf({
      isSecure: (request) => {
        seen.push(request.header('host'))
        return true
      },
    })
    const headers = { authorization: 'Bearer good' }
    expect(gate.authenticate(new Request('http://api.internal:8080/a', { headers }))).toMatchObject({
      ok: true,
    })
    gate.authenticate(new Request('http://api.internal/', { headers: { ...headers, host: 'b.example.com' } }))
    expect(seen).toEqual(['api.internal:8080', 'b.example.com'])
  })
})
