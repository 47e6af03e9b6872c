/** BI14: odd paths and methods, raw on the wire: a protected route is never reached without a token. */

import { connect } from 'node:net'
import type { Identity, TokenVerifier } from '@bearergate/core'
import * as bearerExpress from '@bearergate/express'
import * as bearerKoa from '@bearergate/koa'
import express from 'express'
import Koa from 'koa'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { listen, type Running } from '../support/server.ts'

const identity: Identity = { kind: 'opaque', audience: [], scopes: [], roles: [], claims: {} }
const verifier: TokenVerifier = {
  verify: (token) =>
    token === 'good' ? { active: true, identity } : { active: false, reason: 'unknown_token' },
}

/** What went past `bearer()`, as the framework saw it. */
const reached: string[] = []

/** `app.use('/api', auth)`, as the README has it. */
function expressMounted() {
  const app = express()
  app.use('/api', bearerExpress.bearer({ verifier }))
  app.all('/api/admin', (request, response) => {
    reached.push(`${request.method} ${request.url}`)
    response.end('reached')
  })
  return app
}

function expressRouter() {
  const app = express()
  const router = express.Router()
  router.use(bearerExpress.bearer({ verifier }))
  router.all('/admin', (request, response) => {
    reached.push(`${request.method} ${request.originalUrl}`)
    response.end('reached')
  })
  app.use('/api', router)
  return app
}

/** Everything is protected: whatever the path, it takes a token to get past. */
function expressGlobal() {
  const app = express()
  app.use(bearerExpress.bearer({ verifier }))
  app.use((request, response) => {
    reached.push(`${request.method} ${request.url}`)
    response.end('reached')
  })
  return app
}

function koaByPath() {
  const app = new Koa()
  const auth = bearerKoa.bearer({ verifier })
  app.use((context, next) => (context.path.startsWith('/api') ? auth(context, next) : next()))
  app.use((context) => {
    if (context.path !== '/api/admin') return
    reached.push(`${context.method} ${context.url}`)
    context.body = 'reached'
  })
  return app.callback()
}

function koaGlobal() {
  const app = new Koa()
  app.use(bearerKoa.bearer({ verifier }))
  app.use((context) => {
    reached.push(`${context.method} ${context.url}`)
    context.body = 'reached'
  })
  return app.callback()
}

/** Request lines and what follows them, all without a good token. */
const REQUESTS: readonly (readonly [name: string, line: string, ...rest: string[]])[] = [
  ['the plain path', 'GET /api/admin'],
  ['upper case', 'GET /API/ADMIN'],
  ['mixed case', 'GET /aPi/admin'],
  ['a slash at the end', 'GET /api/admin/'],
  ['an encoded letter in the mount', 'GET /%61pi/admin'],
  ['an encoded letter in the route', 'GET /api/%61dmin'],
  ['two slashes at the start', 'GET //api/admin'],
  ['two slashes within', 'GET /api//admin'],
  ['a dot segment', 'GET /./api/admin'],
  ['a double dot segment', 'GET /x/../api/admin'],
  ['an encoded double dot segment', 'GET /x/%2e%2e/api/admin'],
  ['a path parameter', 'GET /api/admin;a=b'],
  ['a path parameter in the mount', 'GET /api;a=b/admin'],
  ['an encoded slash at the end', 'GET /api/admin%2f'],
  ['an encoded slash within', 'GET /api%2fadmin'],
  ['a backslash', 'GET /api\\admin'],
  ['an encoded NUL', 'GET /api/admin%00'],
  ['a broken escape', 'GET /api/admin%'],
  ['a broken escape in the mount', 'GET /api%c0%af/admin'],
  ['a query', 'GET /api/admin?x=/public'],
  ['a fragment', 'GET /api/admin#x'],
  ['the absolute form', 'GET http://example.com/api/admin'],
  ['the absolute form with user information', 'GET http://Bearer:good@example.com/api/admin'],
  ['the authority form', 'CONNECT example.com:443'],
  ['the asterisk form', 'OPTIONS *'],
  ['HEAD', 'HEAD /api/admin'],
  ['OPTIONS', 'OPTIONS /api/admin'],
  [
    'OPTIONS as a preflight',
    'OPTIONS /api/admin',
    'Origin: https://evil',
    'Access-Control-Request-Method: GET',
  ],
  ['QUERY', 'QUERY /api/admin'],
  ['TRACE', 'TRACE /api/admin'],
  ['POST', 'POST /api/admin', 'Content-Length: 0'],
  ['PROPFIND', 'PROPFIND /api/admin'],
  ['an unknown method', 'ADMIN /api/admin'],
  ['a method in lower case', 'get /api/admin'],
  ['an overridden method', 'GET /api/admin', 'X-HTTP-Method-Override: OPTIONS'],
  ['a rewritten path', 'GET /', 'X-Original-URL: /api/admin', 'X-Rewrite-URL: /api/admin'],
  ['an upgrade', 'GET /api/admin', 'Connection: upgrade', 'Upgrade: websocket'],
  ['the token in the query', 'GET /api/admin?access_token=good'],
  ['the token as a cookie', 'GET /api/admin', 'Cookie: access_token=good; Authorization=Bearer good'],
  ['the token for a proxy', 'GET /api/admin', 'Proxy-Authorization: Bearer good'],
  ['the token twice', 'GET /api/admin', 'Authorization: Bearer good', 'Authorization: Bearer good'],
  ['the token in a folded line', 'GET /api/admin', 'Authorization: Bearer', ' good'],
  ['a space before the colon', 'GET /api/admin', 'Authorization : Bearer good'],
  [
    'the token in a trailer',
    'POST /api/admin',
    'Transfer-Encoding: chunked',
    'Trailer: Authorization',
    '',
    '0',
    'Authorization: Bearer good',
  ],
]

/** node:http closes the connection of these without an answer, or answers 400 itself. */
const UNANSWERED = ['the authority form']
const BAD_REQUEST = [
  'an unknown method',
  'a method in lower case',
  'the token twice',
  'the token in a folded line',
  'a space before the colon',
]

/** The path of these does not begin like the mount, whoever compares: no gate and no route is there. */
const NOT_BELOW = [
  'an encoded letter in the mount',
  'two slashes at the start',
  'a dot segment',
  'a double dot segment',
  'an encoded double dot segment',
  'the asterisk form',
  'a rewritten path',
]
/** Express compares whole segments, in any case. */
const NOT_BELOW_IN_EXPRESS = [
  ...NOT_BELOW,
  'a path parameter in the mount',
  'an encoded slash within',
  'a backslash',
  'a broken escape in the mount',
]
/** The test's own comparison in Koa is one of characters. */
const NOT_BELOW_IN_KOA = [...NOT_BELOW, 'upper case', 'mixed case']

/** Bun's own parser rejects this one. */
const BAD_REQUEST_TO_BUN = 'the asterisk form'
/** Deno closes the connection, whose other half the client has closed, before Express answers that nothing is there. */
const NOT_FOUND_IN_EXPRESS = 'Deno' in globalThis ? '' : '404'

/** Returns the status of an answer to a request without a token, or an empty text if there is none. */
function expected(name: string, notBelow: readonly string[], notFound: string): string {
  if (UNANSWERED.includes(name)) return ''
  if (BAD_REQUEST.includes(name) || ('Bun' in globalThis && name === BAD_REQUEST_TO_BUN)) return '400'
  return notBelow.includes(name) ? notFound : '401'
}

describe.each([
  ['Express 5, mounted', expressMounted, NOT_BELOW_IN_EXPRESS, NOT_FOUND_IN_EXPRESS],
  ['Express 5, in a router', expressRouter, NOT_BELOW_IN_EXPRESS, NOT_FOUND_IN_EXPRESS],
  ['Express 5, before everything', expressGlobal, [], ''],
  ['Koa 3, by the path', koaByPath, NOT_BELOW_IN_KOA, '404'],
  ['Koa 3, before everything', koaGlobal, [], ''],
])('%s', (_name, create, notBelow, notFound) => {
  let server: Running
  beforeAll(async () => {
    server = await listen(create())
  })
  afterAll(() => server.close())
  afterEach(() => {
    reached.length = 0
  })

  it('reaches the route with a token (BI14)', async () => {
    const answer = await raw(server, ['GET /api/admin HTTP/1.1', 'Authorization: Bearer good'])
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    expect(reached).toEqual(['GET /api/admin'])
  })

  it.each(REQUESTS)('never reaches the route without a token by %s (BI14)', async (by, line, ...rest) => {
    for (const version of ['HTTP/1.1', 'HTTP/1.0']) {
      const answer = await raw(server, [`${line} ${version}`, ...rest])
      expect(reached).toEqual([])
      expect(answer).not.toContain('reached')
      expect(/^HTTP\/1\.1 (\d+) |^$/.exec(answer)?.[1] ?? answer).toBe(expected(by, notBelow, notFound))
    }
  })

  it('does not keep a token for the next request of its connection (BI14)', async () => {
    const first = ['GET /api/admin HTTP/1.1', 'Host: a', 'Authorization: Bearer good', '', ''].join('\r\n')
    const answer = await raw(server, ['GET /api/admin HTTP/1.1'], first)
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 401'])
    expect(reached).toHaveLength(1)
  })
})

it('has the requests that are promised (BI14)', () => {
  expect(REQUESTS.length).toBeGreaterThanOrEqual(21)
})

/** Sends the lines as they are, and whatever goes before them, and gives all that comes back. */
function raw({ origin }: Running, [line = '', ...rest]: readonly string[], before = ''): Promise<string> {
  const { hostname, port } = new URL(origin)
  const close = rest.some((field) => field.startsWith('Connection')) ? [] : ['Connection: close']
  const lines = [line, 'Host: example.com', ...close, ...rest, '', '']
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.end(before + lines.join('\r\n')))
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()))
  })
}
