/** Issuers behind a private CA or a proxy, by the configuration of the runtime or by the option `fetch`, and how such a process ends. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, request as httpRequest, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { createGate, type Fetch } from '@bearergate/core'
import { Agent, ProxyAgent, fetch as undiciFetch } from 'undici'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { tokenOf } from '../faults/client.ts'
import { bundle } from '../support/bundle.ts'
import { createCertificate } from '../support/certificate.ts'
import { AUDIENCE, createKey, type TestKey } from '../support/issuer.ts'

const folder = mkdtempSync(join(tmpdir(), 'bearergate-networks-'))
const program = join(folder, 'outcome.mjs')
const authority = join(folder, 'authority.pem')
const certificate = createCertificate()
let key: TestKey

beforeAll(async () => {
  key = await createKey()
  writeFileSync(authority, certificate.cert)
  await bundle({
    entryPoints: [fileURLToPath(new URL('outcome.child.ts', import.meta.url))],
    outfile: program,
    platform: 'node',
  })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const sockets = new Set<Socket>()
const servers: Server[] = []
const children: ChildProcess[] = []
async function listening(server: Server): Promise<number> {
  servers.push(server)
  server.on('connection', (socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const server of servers.splice(0)) server.close()
  for (const socket of sockets) socket.destroy()
  sockets.clear()
})

/** Starts an issuer that leaves idle connections open for ten minutes, as load balancers do. Returns its origin. */
async function startIssuer(scheme: 'http' | 'https'): Promise<string> {
  let origin = ''
  const answer: RequestListener = (request, response) => {
    const documents: Readonly<Record<string, object>> = {
      '/.well-known/oauth-authorization-server': { issuer: origin, jwks_uri: `${origin}/jwks` },
      '/jwks': { keys: [key.jwk] },
      '/introspect': { active: true, sub: 'emma', aud: AUDIENCE },
    }
    const body = documents[request.url ?? '']
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(body ?? {}))
  }
  const options = { keepAliveTimeout: 600_000 }
  const server =
    scheme === 'http'
      ? createHttpServer(options, answer)
      : createHttpsServer({ ...options, ...certificate }, answer)
  origin = `${scheme}://127.0.0.1:${await listening(server)}`
  return origin
}

/** Runs the program until it ends by itself. Returns what it printed. */
async function run(task: object, env: NodeJS.ProcessEnv = {}, node = process.execPath): Promise<string[]> {
  const child = spawn(node, [program, JSON.stringify({ audience: AUDIENCE, ...task })], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  const [printed, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  expect(code).toBe(0)
  return printed.trim().split('\n')
}

/** A token, the same one again, and another one. */
async function tokensOf(issuer: string): Promise<readonly string[]> {
  const token = await tokenOf(key, issuer)
  return [token, token, await tokenOf(key, issuer)]
}
const ACCEPTED = ['ok', 'ok', 'ok']

async function ask(issuer: string, fetch?: Fetch): Promise<string> {
  const gate = createGate({ issuer, audience: AUDIENCE, ...(fetch && { fetch }) })
  const headers = { authorization: `Bearer ${await tokenOf(key, issuer)}` }
  const decision = await gate.authenticate(new Request(AUDIENCE, { headers }))
  gate.close()
  return decision.ok ? 'ok' : `${decision.status} ${decision.reason}`
}

describe('a process that leaves its gate open', () => {
  it('exits by itself after it has fetched keys (FIELD-HELD-19)', async () => {
    const issuer = await startIssuer('http')
    expect(await run({ issuer, tokens: await tokensOf(issuer) })).toEqual(ACCEPTED)
  })

  it('exits by itself after it has introspected tokens on connections that stay open (FIELD-HELD-19)', async () => {
    const issuer = await startIssuer('http')
    const task = { endpoint: `${issuer}/introspect`, tokens: ['one', 'one', 'two'] }
    expect(await run(task)).toEqual(ACCEPTED)
  })
})

describe('an issuer with a certificate of a private CA', () => {
  it('is trusted by NODE_EXTRA_CA_CERTS, and answered 503 without it (FIELD-HELD-12)', async () => {
    const issuer = await startIssuer('https')
    const tokens = await tokensOf(issuer)
    expect(await run({ issuer, tokens }, { NODE_EXTRA_CA_CERTS: authority })).toEqual(ACCEPTED)
    const client = { endpoint: `${issuer}/introspect`, tokens: ['one', 'two'] }
    expect(await run(client, { NODE_EXTRA_CA_CERTS: authority })).toEqual(['ok', 'ok'])
    expect(await run({ issuer, tokens: tokens.slice(0, 1) })).toEqual(['503 unavailable'])
  })

  it.each<[string, (dispatcher: Agent) => Fetch]>([
    ['of undici', (dispatcher) => (url, init) => undiciFetch(url, { ...init, dispatcher } as never) as never],
    ['of Node', (dispatcher) => (url, init) => globalThis.fetch(url, { ...init, dispatcher } as never)],
  ])('is trusted by an agent with "ca" in the fetch %s (FIELD-HELD-12)', async (_, fetchBy) => {
    const issuer = await startIssuer('https')
    const trusting = new Agent({ connect: { ca: certificate.cert } })
    const other = new Agent({ connect: { ca: createCertificate().cert } })
    expect(await ask(issuer, fetchBy(trusting))).toBe('ok')
    expect(await ask(issuer, fetchBy(other))).toBe('503 unavailable')
    await Promise.all([trusting.destroy(), other.destroy()])
  })
})

describe('a proxy', () => {
  /** Starts a proxy that tunnels and forwards, and lists what it was asked for (RFC 9110 §7.7 and §9.3.6). */
  async function startProxy(): Promise<{ readonly origin: string; readonly asked: readonly string[] }> {
    const asked: string[] = []
    const server = createHttpServer((request, response) => {
      asked.push(`${request.method} ${request.url}`)
      const { method, headers } = request
      const forwarded = httpRequest(request.url ?? '', { method, headers, agent: false }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      })
      request.pipe(forwarded)
    })
    server.on('connect', (request, client: Socket) => {
      asked.push(`CONNECT ${request.url}`)
      const { hostname, port } = new URL(`http://${request.url}`)
      const upstream = connect(Number(port), hostname, () => {
        client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
        client.pipe(upstream).pipe(client)
      })
      for (const socket of [client, upstream]) socket.on('error', () => {})
      sockets.add(upstream)
    })
    return { origin: `http://127.0.0.1:${await listening(server)}`, asked }
  }

  it.each(['http', 'https'] as const)(
    'that the option "fetch" uses carries all requests to an issuer over %s (FIELD-HELD-13)',
    async (scheme) => {
      const issuer = await startIssuer(scheme)
      const proxy = await startProxy()
      const dispatcher = new ProxyAgent({ uri: proxy.origin, requestTls: { ca: certificate.cert } })
      const fetch: Fetch = (url, init) => globalThis.fetch(url, { ...init, dispatcher } as never)
      expect(await ask(issuer, fetch)).toBe('ok')
      expect(proxy.asked.length).toBeGreaterThan(0)
      for (const target of proxy.asked) expect(target).toContain(new URL(issuer).host)
      await dispatcher.destroy()
    },
  )

  const RUNTIMES = ['node22', 'node24', 'node26'].map((name) => ({
    name,
    binary: fileURLToPath(new URL(`../runtimes/node_modules/${name}/bin/node`, import.meta.url)),
  }))
  for (const { name, binary } of RUNTIMES) {
    const isThere = existsSync(binary)
    if (!isThere) console.warn(`${name} is not installed: npm ci --prefix test/runtimes`)
    it.skipIf(!isThere).each(['http', 'https'] as const)(
      `that NODE_USE_ENV_PROXY sets on ${name} carries all requests to an issuer over %s (FIELD-HELD-13)`,
      async (scheme) => {
        const issuer = await startIssuer(scheme)
        const proxy = await startProxy()
        const env = {
          NODE_USE_ENV_PROXY: '1',
          NODE_OPTIONS: '--disable-warning=UNDICI-EHPA',
          HTTP_PROXY: proxy.origin,
          HTTPS_PROXY: proxy.origin,
          NODE_EXTRA_CA_CERTS: authority,
        }
        expect(await run({ issuer, tokens: await tokensOf(issuer) }, env, binary)).toEqual(ACCEPTED)
        expect(proxy.asked.length).toBeGreaterThan(0)
        for (const target of proxy.asked) expect(target).toContain(new URL(issuer).host)
        const before = proxy.asked.length
        const client = { endpoint: `${issuer}/introspect`, tokens: ['one', 'two'] }
        expect(await run(client, env, binary)).toEqual(['ok', 'ok'])
        expect(proxy.asked.length).toBeGreaterThan(before)
      },
    )
  }
})
