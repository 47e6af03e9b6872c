/** Mistakes in the code of the application warn once, because the answer 503 does not explain them. */

import type { RequestListener } from 'node:http'
import { createGate, opaque, UnavailableError } from '@bearergate/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { outcome } from '../../support/forge.ts'
import { AUDIENCE, createKey, goodClaims, NOW } from '../../support/issuer.ts'
import { listen } from '../../support/server.ts'

interface Warning {
  readonly message: string
  readonly options: { readonly type: string; readonly code: string }
}

let warnings: Warning[]
const { emitWarning } = process
beforeEach(() => {
  warnings = []
  setEmitWarning((message: string, options: Warning['options']) => void warnings.push({ message, options }))
})
afterEach(() => {
  setEmitWarning(emitWarning)
  vi.restoreAllMocks()
})

function setEmitWarning(value: unknown): void {
  Object.defineProperty(process, 'emitWarning', { value, configurable: true, writable: true })
}

const TOKEN = 'mF_9.B5f-4.1JqM'

it('warns once for each message, with a code', async () => {
  const rows: unknown[] = [{ subject: 'emma', email: 'a' }, { subject: 'emma', email: 'b' }, { scopes: 7 }]
  const gate = createGate({ verifier: opaque({ lookup: () => rows.shift() as null }) })
  for (let time = 0; time < 3; time += 1) expect(await outcome(gate, TOKEN)).toBe('503 unavailable')
  expect(warnings.map(({ message }) => message)).toEqual([
    expect.stringContaining('"lookup" returned unknown members: "email"'),
    expect.stringContaining('"scopes" of the wrong type'),
  ])
  expect(warnings[0]?.options).toEqual({ type: 'BearergateWarning', code: 'BEARERGATE_MISTAKE' })
  expect(warnings[0]?.message).toContain('503')
})

it('warns about a requirement that returns no boolean, and about an invalid result of a verifier', async () => {
  const verifier = opaque({ lookup: () => ({ subject: 'emma' }) })
  const requirement = (async () => 'yes') as never
  expect(await outcome(createGate({ verifier, requirement }), TOKEN)).toBe('503 unavailable')
  expect(await outcome(createGate({ verifier: { verify: () => true as never } }), TOKEN)).toBe(
    '503 unavailable',
  )
  expect(warnings.map(({ message }) => message)).toEqual([
    expect.stringContaining('A requirement must return true or false'),
    expect.stringContaining('The verifier returned'),
  ])
})

it('names the type of an error of the runtime, and not its message, which may quote the token', async () => {
  const verifier = opaque({ lookup: (token) => JSON.parse(token) })
  expect(await outcome(createGate({ verifier }), TOKEN)).toBe('503 unavailable')
  expect(warnings.map(({ message }) => message)).toEqual([expect.stringContaining('threw a SyntaxError')])
  expect(warnings[0]?.message).not.toContain(TOKEN.slice(0, 4))
})

it('does not warn about an outage, a failed fetch, or if onDecision is set', async () => {
  const failures = [
    new UnavailableError('down'),
    new Error('ECONNREFUSED'),
    new TypeError('fetch failed', { cause: new Error('ENOTFOUND') }),
  ]
  for (const failure of failures) {
    const lookup = () => {
      throw failure
    }
    expect(await outcome(createGate({ verifier: opaque({ lookup }) }), TOKEN)).toBe('503 unavailable')
  }
  const gate = createGate({ verifier: opaque({ lookup: () => 7 as never }), onDecision: () => {} })
  expect(await outcome(gate, TOKEN)).toBe('503 unavailable')
  expect(warnings).toEqual([])
})

it.each([
  ['throws', () => JSON.parse(TOKEN), 'threw a SyntaxError'],
  [
    'throws no error',
    () => {
      throw null
    },
    'threw an error',
  ],
  [
    'throws a revoked Proxy',
    () => {
      const { proxy, revoke } = Proxy.revocable({}, {})
      revoke()
      throw proxy
    },
    'threw an error',
  ],
  ['is async', async () => ({ body: 'x' }), 'must return undefined or { body, headers }'],
  ['returns a body that is a number', () => ({ body: 7 }), 'must return undefined or { body, headers }'],
  ['returns a field with a line break', () => ({ headers: { A: 'b\nc' } }), 'must return undefined or'],
  ['returns null', () => null, 'must return undefined or'],
  ['returns a Response', () => new Response('x'), 'but returned an object (Response)'],
  [
    'returns a body that JSON cannot contain',
    () => ({ body: new Map([['a', 1]]) }),
    'must return undefined or',
  ],
  ['misspells "body"', () => ({ boddy: { a: 1 } }), 'but returned an object ("boddy")'],
])('warns about an "answer" that %s, and sends the default body', async (_, answer, text) => {
  const verifier = opaque({ lookup: () => null })
  const gate = createGate({ verifier, answer: answer as never, onDecision: () => {} })
  for (let time = 0; time < 3; time += 1) expect(await outcome(gate, TOKEN)).toBe('401 unknown_token')
  expect(warnings.map(({ message }) => message)).toEqual([expect.stringContaining(text)])
  expect(warnings[0]?.message).toContain('default body')
  expect(warnings[0]?.message).not.toContain(TOKEN.slice(0, 4))
})

it('does not warn about an "answer" that returns undefined, or an object without members', async () => {
  const verifier = opaque({ lookup: () => null })
  for (const answer of [() => undefined, () => ({})])
    expect(await outcome(createGate({ verifier, answer }), TOKEN)).toBe('401 unknown_token')
  expect(warnings).toEqual([])
})

it('warns about members of an answer that have no effect, and sends its body', async () => {
  const answer = () => ({ status: 418, body: { a: 1 } })
  const gate = createGate({ verifier: opaque({ lookup: () => null }), answer })
  const decision = await gate.authenticate({ header: () => `Bearer ${TOKEN}` })
  expect(decision).toMatchObject({ status: 401, content: '{"a":1}' })
  expect(warnings.map(({ message }) => message)).toEqual([
    '"answer" returned members that have no effect ("status").',
  ])
})

it.each<[string, (origin: string) => object, string]>([
  ['the key set is not there', (origin) => ({ jwksUri: `${origin}/jwks` }), '/jwks answered 404'],
  ['no metadata is there', () => ({}), '/.well-known/openid-configuration answered 404'],
])('warns once if %s, because later requests do not correct that', async (_, optionsOf, text) => {
  const { origin, close } = await listen((_request, response) => response.writeHead(404).end())
  const token = (await createKey()).sign({ ...goodClaims(), iss: origin })
  const gate = createGate({ issuer: origin, audience: AUDIENCE, now: () => NOW * 1000, ...optionsOf(origin) })
  for (let time = 0; time < 3; time += 1) expect(await outcome(gate, await token)).toBe('503 unavailable')
  gate.close()
  await close()
  expect(warnings.map(({ message }) => message)).toEqual([expect.stringContaining(text)])
})

it('warns once about metadata of another issuer, and about a jwksUri that is the metadata', async () => {
  const other = 'https://other.example.com'
  const { origin, close } = await listen((_request, response) =>
    response.end(JSON.stringify({ issuer: other })),
  )
  const token = await (await createKey()).sign({ ...goodClaims(), iss: origin })
  for (const more of [{}, { jwksUri: `${origin}/metadata` }]) {
    const gate = createGate({ issuer: origin, audience: AUDIENCE, now: () => NOW * 1000, ...more })
    for (let time = 0; time < 2; time += 1) expect(await outcome(gate, token)).toBe('503 unavailable')
    gate.close()
  }
  await close()
  expect(warnings.map(({ message }) => message)).toEqual([
    expect.stringContaining(`must name the issuer "${origin}", but names "${other}"`),
    expect.stringContaining('"jwksUri" must be the URL of the key set'),
  ])
})

it('does not warn about an issuer that fails for a while', async () => {
  const { origin, close } = await listen((_request, response) => response.writeHead(503).end())
  const token = await (await createKey()).sign({ ...goodClaims(), iss: origin })
  const gate = createGate({ issuer: origin, audience: AUDIENCE, now: () => NOW * 1000 })
  expect(await outcome(gate, token)).toBe('503 unavailable')
  gate.close()
  await close()
  expect(warnings).toEqual([])
})

describe('two places of the metadata', () => {
  const PLACES = ['oauth-authorization-server', 'openid-configuration']
  /** How an issuer answers at the place that it does not have. */
  const ABSENT: readonly (readonly [string, RequestListener])[] = [
    ['404', (_request, response) => response.writeHead(404).end()],
    ['403', (_request, response) => response.writeHead(403).end()],
    ['a redirect', (_request, response) => response.writeHead(302, { location: '/login' }).end()],
    ['HTML', (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>')],
  ]
  const DOWN: readonly (readonly [string, RequestListener])[] = [
    ['answers 503', (_request, response) => response.writeHead(503).end()],
    ['answers 429', (_request, response) => response.writeHead(429).end()],
    ['resets the connection', (_request, response) => response.destroy()],
  ]

  /** Asks a gate whose issuer has its metadata at one place. Returns the outcome. */
  async function outcomeWith(place: string, atPlace: RequestListener, elsewhere: RequestListener) {
    const key = await createKey()
    const { origin, close } = await listen((request, response) => {
      const { url = '' } = request
      if (url === '/jwks') response.end(JSON.stringify({ keys: [key.jwk] }))
      else (url.includes(place) ? atPlace : elsewhere)(request, response)
    })
    const gate = createGate({ issuer: origin, audience: AUDIENCE, now: () => NOW * 1000 })
    const answer = await outcome(gate, await key.sign({ ...goodClaims(), iss: origin }))
    gate.close()
    await close()
    return answer
  }

  describe.each(PLACES)('of which %s is the right one', (place) => {
    it.each(ABSENT)('do not warn if the other one answers with %s', async (_, elsewhere) => {
      const metadata: RequestListener = ({ headers: { host } }, response) =>
        response.end(JSON.stringify({ issuer: `http://${host}`, jwks_uri: `http://${host}/jwks` }))
      expect(await outcomeWith(place, metadata, elsewhere)).toBe('ok')
      expect(warnings).toEqual([])
    })

    it.each(
      DOWN.flatMap(([down, atPlace]) =>
        ABSENT.map(([absent, other]) => [down, absent, atPlace, other] as const),
      ),
    )(
      'do not warn if that one %s and the other one answers with %s',
      async (_down, _absent, atPlace, elsewhere) => {
        expect(await outcomeWith(place, atPlace, elsewhere)).toBe('503 unavailable')
        expect(warnings).toEqual([])
      },
    )
  })
})

it('warns about a request that is none with the text of its own error', async () => {
  const gate = createGate({ verifier: opaque({ lookup: () => null }) })
  expect(await gate.authenticate({ headers: {} } as never)).toMatchObject({ status: 503 })
  expect(warnings.map(({ message }) => message)).toEqual([
    expect.stringContaining('must be a fetch Request or a RequestLike, such as fromNodeRequest(request)'),
  ])
})

it('stops after sixteen different warnings', async () => {
  let time = 0
  const lookup = () => {
    time += 1
    return { subject: 'emma', [`column${time}`]: 1 }
  }
  const gate = createGate({ verifier: opaque({ lookup: lookup as never }) })
  for (let count = 0; count < 20; count += 1) await outcome(gate, TOKEN)
  expect(warnings).toHaveLength(16)
})

it('writes to the console on a runtime without process.emitWarning', async () => {
  setEmitWarning(undefined)
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const gate = createGate({ verifier: opaque({ lookup: () => 7 as never }) })
  expect(await outcome(gate, TOKEN)).toBe('503 unavailable')
  expect(warn).toHaveBeenCalledWith(expect.stringContaining('BEARERGATE_MISTAKE'))
})
