/** The recipes of docs/adapters.md for other frameworks: plain `node:http`, and a hook of Fastify. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { createGate, fromNodeRequest, type Gate, type Identity, UnavailableError } from '@bearergate/core'
import { fastify } from 'fastify'
import { afterEach, describe, expect, it } from 'vitest'
import { listen, type Sent, send } from '../support/server.ts'

const identity: Identity = {
  kind: 'opaque',
  subject: 'emma',
  audience: [],
  scopes: [],
  roles: [],
  claims: {},
}
const gate = createGate({
  tokenFrom: { query: true },
  verifier: {
    verify(token: string) {
      if (token === 'unclear') throw new UnavailableError('down', { retryAfter: 3 })
      return token === 'good' ? { active: true, identity } : { active: false, reason: 'unknown_token' }
    },
  },
}) as Gate

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

async function onNode(): Promise<string> {
  const { origin, close } = await listen(async (request: IncomingMessage, response: ServerResponse) => {
    const decision = await gate.authenticate(fromNodeRequest(request))
    for (const [name, value] of Object.entries(decision.headers ?? {})) response.setHeader(name, value)
    if (decision.ok) {
      response.end(JSON.stringify({ hello: decision.identity.subject }))
      return
    }
    response.writeHead(decision.status).end(JSON.stringify(decision.body))
  })
  closing.push(close)
  return origin
}

async function onFastify(): Promise<string> {
  const app = fastify()
  app.decorateRequest('identity')
  app.addHook('onRequest', async (request, reply) => {
    const decision = await gate.authenticate(fromNodeRequest(request.raw))
    reply.headers(decision.headers ?? {})
    if (!decision.ok) return reply.code(decision.status).send(decision.body)
    request.setDecorator('identity', decision.identity)
  })
  app.get('/', async (request) => ({ hello: request.getDecorator<Identity>('identity').subject }))
  closing.push(() => app.close())
  return app.listen({ host: '127.0.0.1', port: 0 })
}

describe.each([
  ['node:http', onNode],
  ['Fastify', onFastify],
])('%s', (_name, start) => {
  it('allows a valid token, and answers any other request', async () => {
    const origin = await start()
    const ask = (...lines: readonly string[]): Promise<{ status: number; challenges: readonly string[] }> =>
      send(`${origin}/`, { headers: lines.flatMap((line) => ['Authorization', line]) } satisfies Sent)
    const good = await send(`${origin}/`, { headers: ['Authorization', 'Bearer good'] })
    expect([good.status, good.text]).toEqual([200, '{"hello":"emma"}'])
    expect(await ask()).toMatchObject({ status: 401, challenges: ['Bearer realm="api"'] })
    expect(await ask('Basic abc')).toMatchObject({ status: 401, challenges: ['Bearer realm="api"'] })
    for (const lines of [['Bearer a"b'], ['Bearer a b'], ['Bearer good', 'Bearer good']])
      expect(await ask(...lines)).toMatchObject({
        status: 400,
        challenges: [expect.stringContaining('error="invalid_request"')],
      })
    expect(await ask('Bearer bad')).toMatchObject({
      status: 401,
      challenges: [expect.stringContaining('error="invalid_token"')],
    })
    const unclear = await send(`${origin}/`, { headers: ['Authorization', 'Bearer unclear'] })
    expect([unclear.status, unclear.headers['retry-after'], unclear.challenges]).toEqual([503, '3', []])
    expect(JSON.parse(unclear.text)).toMatchObject({ error: 'temporarily_unavailable' })
  })

  it('forbids caches to store the answer to a token in the query (A05)', async () => {
    const { status, headers } = await send(`${await start()}/?access_token=good`)
    expect([status, headers['cache-control'], headers['referrer-policy']]).toEqual([
      200,
      'private, no-store',
      'no-referrer',
    ])
  })
})
