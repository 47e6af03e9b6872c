/** Key sets and introspection by a `fetch` that is not the runtime's own. */

import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { createGate, introspection, jwt } from '@bearergate/core'
import nodeFetch3 from 'node-fetch'
import nodeFetch2 from 'node-fetch2'
import { fetch as undiciFetch } from 'undici'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Fetch } from '#core/net/fetch-json.ts'
import { eventually } from '../../support/clock.ts'
import { requestWith } from '../../support/forge.ts'
import { AUDIENCE, createKey, NOW, type TestKey } from '../../support/issuer.ts'
import { listen, type Running } from '../../support/server.ts'

let key: TestKey
let server: Running
let answer: (url: string, response: ServerResponse) => void
const asked: string[] = []
const now = () => NOW * 1000

const json = (response: ServerResponse, body: unknown) => {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(body))
}

beforeAll(async () => {
  key = await createKey('ES256')
  server = await listen((request, response) => {
    asked.push(request.url ?? '')
    request.resume()
    request.on('end', () => answer(request.url ?? '', response))
  })
})
afterAll(() => server.close())
beforeEach(() => {
  asked.length = 0
})

const publish = (url: string, response: ServerResponse): void => {
  if (url === '/jwks') json(response, { keys: [key.jwk] })
  else if (url === '/.well-known/openid-configuration')
    json(response, { issuer: server.origin, jwks_uri: `${server.origin}/jwks` })
  else {
    response.statusCode = 404
    response.end('x'.repeat(100_000))
  }
}

const options = (fetch: unknown) => ({
  issuer: server.origin,
  audience: AUDIENCE,
  fetch: fetch as Fetch,
  now,
})

async function outcome(fetch: unknown, more: object = {}): Promise<[string, string]> {
  let cause: unknown
  const gate = createGate({
    ...options(fetch),
    ...more,
    onDecision: (event) => {
      cause = event.cause
    },
  })
  const decision = await gate.authenticate(requestWith(await key.sign({ iss: server.origin })))
  gate.close()
  const messages: string[] = []
  for (let error = cause; error instanceof Error; error = error.cause) messages.push(error.message)
  return [decision.ok ? '200' : `${decision.status} ${decision.reason}`, messages.join(': ')]
}

describe.each([
  ['node-fetch 2', nodeFetch2],
  ['node-fetch 3', nodeFetch3],
  ['undici', undiciFetch],
])('%s (FIELD20)', (_, fetch) => {
  it('discovers and fetches the keys, and skips a 404', async () => {
    answer = publish
    expect(await outcome(fetch)).toEqual(['200', ''])
    expect(asked).toEqual([
      '/.well-known/oauth-authorization-server',
      '/.well-known/openid-configuration',
      '/jwks',
    ])
  })

  it('does not read more than 262,144 bytes', async () => {
    let isCut = false
    answer = (_url, response) => {
      response.on('close', () => {
        isCut = !response.writableEnded
      })
      const more = () => {
        while (response.write(' '.repeat(65_536)));
      }
      response.on('drain', more)
      more()
    }
    const [status, cause] = await outcome(fetch, { jwksUri: `${server.origin}/jwks` })
    expect(status).toBe('503 unavailable')
    expect(cause).toContain('more than 262144 bytes')
    await eventually(() => isCut)
  })

  it.each([
    ['no JSON', (response: ServerResponse) => response.end('<html>'), 'did not answer with JSON'],
    [
      'a body that breaks off',
      (response: ServerResponse) => {
        response.write('{"keys":')
        setImmediate(() => response.destroy())
      },
      'Failed to fetch the JWKS',
    ],
    [
      'a redirect',
      (response: ServerResponse) => {
        response.writeHead(302, { location: '/jwks' })
        response.end()
      },
      'answered 302',
    ],
  ])('is answered 503 for %s', async (_name, reply, message) => {
    answer = (_url, response) => void reply(response)
    const [status, cause] = await outcome(fetch, { jwksUri: `${server.origin}/other` })
    expect(status).toBe('503 unavailable')
    expect(cause).toContain(message)
  })

  it('ends with the deadline in the middle of a body', async () => {
    answer = (_url, response) => {
      response.write('{"keys":')
    }
    const [status] = await outcome(fetch, { jwksUri: `${server.origin}/jwks`, timeout: 0.05 })
    expect(status).toBe('503 unavailable')
  })

  it('survives an abort after a body was given up', async () => {
    answer = (_url, response) => {
      response.statusCode = 500
      response.write('x'.repeat(100_000))
    }
    const verifier = jwt({ ...options(fetch), jwksUri: `${server.origin}/jwks` })
    await expect(verifier.ready?.()).rejects.toThrow()
    verifier.close?.()
    await new Promise((resolve) => setImmediate(resolve))
  })

  it('introspects', async () => {
    answer = (_url, response) => json(response, { active: true, sub: 'emma', aud: AUDIENCE })
    const verifier = introspection({
      endpoint: `${server.origin}/introspect`,
      audience: AUDIENCE,
      clientId: 'api',
      clientSecret: 'secret',
      fetch: fetch as unknown as Fetch,
      now,
    })
    expect(await verifier.verify('a-token')).toMatchObject({ active: true, identity: { subject: 'emma' } })
  })
})

describe('a response of another kind (FIELD20)', () => {
  const ok = { status: 200, headers: new Headers() }
  const body = () => new TextEncoder().encode(JSON.stringify({ keys: [key.jwk] }))

  it.each([
    ['nothing', () => undefined, 'no object'],
    ['a text', () => '{"keys":[]}', 'no object'],
    ['no status', () => ({ headers: new Headers() }), 'without "status"'],
    ['headers as an object', () => ({ status: 200, headers: {} }), 'without "headers.get"'],
    ['data as axios has it', () => ({ status: 200, headers: new Map(), data: {} }), '"arrayBuffer()"'],
    ['a body that is a text', () => ({ ...ok, body: Object('{}') }), 'a body that is no stream'],
    [
      'a body of texts',
      () => ({
        ...ok,
        body: (async function* () {
          yield '{}'
        })(),
      }),
      'than bytes',
    ],
  ])('is rejected with an error that names the option "fetch": %s', async (_, respond, message) => {
    const [status, cause] = await outcome(async () => respond())
    expect(status).toBe('503 unavailable')
    expect(cause).toContain('The function in "fetch" must return a Response of the Fetch standard')
    expect(cause).toContain(message)
  })

  it('is read by arrayBuffer() if it has no body, within the limit', async () => {
    const jwksUri = `${server.origin}/jwks`
    expect(
      await outcome(async () => ({ ...ok, arrayBuffer: async () => body().buffer }), { jwksUri }),
    ).toEqual(['200', ''])
    const [status, cause] = await outcome(
      async () => ({ ...ok, arrayBuffer: async () => new ArrayBuffer(262_145) }),
      {
        jwksUri,
      },
    )
    expect([status, cause]).toEqual(['503 unavailable', expect.stringContaining('more than 262144 bytes')])
  })

  it('is read if its bytes are of another realm, as in Jest', async () => {
    const { runInNewContext } = await import('node:vm')
    const foreign = runInNewContext('(bytes) => new Uint8Array(bytes)')([...body()])
    expect(foreign instanceof Uint8Array).toBe(false)
    const stream = (async function* () {
      yield foreign
    })()
    expect(
      await outcome(async () => ({ ...ok, body: stream }), { jwksUri: `${server.origin}/jwks` }),
    ).toEqual(['200', ''])
  })

  it.each([
    ['of a response that is not used', 500, ''],
    ['that is too long', 200, ' '.repeat(262_145)],
  ])('may have a stream of Node %s, whose late error ends no process', async (_, status, text) => {
    const stream = Readable.from(Buffer.from(text), { objectMode: false })
    const [answered] = await outcome(async () => ({ ...ok, status, body: stream }))
    expect(answered).toBe('503 unavailable')
    expect(stream.destroyed).toBe(true)
    expect(() => stream.emit('error', new Error('aborted'))).not.toThrow()
  })
})
