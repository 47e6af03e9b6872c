/** The recipes work: the code of each page is compiled against the packed packages, and serves requests on loopback. */

import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { exportJWK, generateKeyPair } from 'jose'
import type { JWKS } from 'oidc-provider'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { quietly } from '../../examples/demo/quietly.ts'
import { AUDIENCE, createKey, type TestKey } from '../support/issuer.ts'
import { freePort, listen, type Running, send } from '../support/server.ts'
import { createProject, link } from './project.ts'
import {
  compileRecipes,
  filesOf,
  listenOn,
  RECIPES,
  type RunningRecipe,
  type Start,
  startRecipe,
} from './recipes.ts'
import { run } from './run.ts'
import { ROOT } from './sources.ts'

// The tests start compilers and processes, on a machine that may be busy.
vi.setConfig({ testTimeout: 600_000 })

/** The frameworks, which are not a part of the workspace because of their size. */
const FRAMEWORKS = join(ROOT, 'test/recipes')
const areFrameworksInstalled = existsSync(join(FRAMEWORKS, 'node_modules'))
if (!areFrameworksInstalled)
  process.stderr.write('The frameworks of the recipes are not installed: npm ci --prefix test/recipes\n')

/** What the workspace has of them. */
const INSTALLED = ['express', 'fastify', 'jose', 'lru-cache', 'vitest', '@types/express', '@types/node']

let project: string
let issuer: Running
let key: TestKey
/** Requests for keys wait for this. */
let keysMayCome: Promise<unknown> = Promise.resolve()
let onKeysRequested = () => {}

/** Signs an access token that is valid now. */
function sign(claims: Record<string, unknown> = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const times = { iat: now, exp: now + 3600 }
  return key.sign({ iss: issuer.origin, aud: AUDIENCE, scope: 'read:messages', ...times, ...claims })
}

const OPTIONS = {
  "audience: 'https://api.example.com' })": `audience: 'https://api.example.com', tokenFrom: { cookie: 's' },
    answer: () => ({ body: '<p>no</p>', headers: { 'Content-Type': 'text/html' } }) })`,
}
const CACHED = "{ 'Cache-Control': 'public, max-age=60', Vary: 'Accept' }"

/** Recipes whose gate also reads a cookie and writes its own bodies, and whose handler lets shared caches store its answer. */
const VARIANTS = {
  nestjs: {
    ...OPTIONS,
    'Controller, Get, Module': 'Controller, Get, Header, Module',
    "@RequireScopes(['read:messages'])":
      "@RequireScopes(['read:messages']) @Header('Cache-Control', 'public, max-age=60') @Header('Vary', 'Accept')",
  },
  fastify: {
    ...OPTIONS,
    'async (request) => ({': `async (request, reply) => reply.headers(${CACHED}).send({`,
  },
  hono: {
    ...OPTIONS,
    '{ hello: context.var.identity.subject }': `{ hello: context.var.identity.subject }, 200, ${CACHED}`,
  },
  openapi: { ...OPTIONS, 'res.json({ hello:': `res.set(${CACHED}).json({ hello:` },
}

const NEST: Start = {
  file: 'app.module.ts',
  code: `const { NestFactory } = await import('@nestjs/core')
    const app = await NestFactory.create(recipe.AppModule, { logger: ['fatal', 'error', 'warn'] })
    await app.listen(0, '127.0.0.1')
    port = app.getHttpServer().address().port`,
}
const FASTIFY: Start = {
  file: 'app.ts',
  code: "port = new URL(await recipe.app.listen({ host: '127.0.0.1', port: 0 })).port",
}
const HONO: Start = {
  file: 'app.ts',
  code: `const { createAdaptorServer } = await import('@hono/node-server')
    ${listenOn('createAdaptorServer({ fetch: recipe.app.fetch })')}`,
}

const bearerOf = (token: string) => ['Authorization', `Bearer ${token}`]

describe.skipIf(!areFrameworksInstalled)('the recipe', () => {
  const running: RunningRecipe[] = []

  beforeAll(async () => {
    key = await createKey()
    issuer = await listen(async (request, response) => {
      if (request.url === '/jwks') {
        onKeysRequested()
        await keysMayCome
        response.end(JSON.stringify({ keys: [key.jwk] }))
      } else if (request.url?.startsWith('/.well-known/'))
        response.end(JSON.stringify({ issuer: issuer.origin, jwks_uri: `${issuer.origin}/jwks` }))
      else response.writeHead(404).end()
    })
    ;({ project } = await createProject())
    await link(project, INSTALLED)
    const { dependencies } = JSON.parse(await readFile(join(FRAMEWORKS, 'package.json'), 'utf8'))
    await link(project, Object.keys(dependencies), FRAMEWORKS)
    await compileRecipes(project, { 'https://id.example.com': issuer.origin }, VARIANTS)
  })

  afterAll(async () => {
    await Promise.all(running.map(({ stop }) => stop()))
    await issuer?.close()
    if (project !== undefined) await rm(project, { recursive: true, force: true })
  })

  async function start(recipe: string, how: Start): Promise<RunningRecipe> {
    const started = await startRecipe(project, recipe, how)
    running.push(started)
    return started
  }

  /** Asks without a token, with a bad and a good one, and with one that lacks the scope. */
  async function expectGuarded(url: string, hello: unknown = { hello: 'emma' }): Promise<void> {
    const without = await send(url)
    expect([without.status, without.challenges]).toEqual([401, [expect.stringMatching(/^Bearer realm=/)]])
    const bad = await send(url, { headers: bearerOf('a.b.c') })
    expect([bad.status, bad.challenges]).toEqual([401, [expect.stringContaining('error="invalid_token"')]])
    const good = await send(url, { headers: bearerOf(await sign()) })
    expect([good.status, JSON.parse(good.text)]).toEqual([200, hello])
    const weak = await send(url, { headers: bearerOf(await sign({ scope: 'other' })) })
    expect([weak.status, weak.challenges]).toEqual([403, [expect.stringContaining('scope="read:messages"')]])
    expect(JSON.parse(weak.text)).toMatchObject({ error: 'insufficient_scope' })
  }

  /** Asks for an answer of a variant with a token in the cookie, and without one. */
  async function expectMerged(recipe: keyof typeof VARIANTS, how: Start, path: string): Promise<void> {
    const { origin } = await start(`${recipe}-variant`, how)
    const good = await send(origin + path, { headers: ['Cookie', `s=${await sign()}`] })
    expect([good.status, JSON.parse(good.text)]).toEqual([200, { hello: 'emma' }])
    expect(good.headers['cache-control']).toBe('private, max-age=60')
    expect(String(good.headers.vary).split(/, */).sort()).toEqual(['Accept', 'Authorization', 'Cookie'])
    const denied = await send(origin + path)
    expect([denied.status, denied.text]).toEqual([401, '<p>no</p>'])
    expect(denied.headers['content-type']).toMatch(/^text\/html/)
    expect(denied.challenges).toEqual([expect.stringMatching(/^Bearer realm=/)])
  }

  it('testing: its tests pass with Vitest', async () => {
    const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
    const options = ['run', '--root', 'testing', '--reporter=json']
    const report = JSON.parse(await run(process.execPath, [vitest, ...options], project))
    expect([report.numPassedTests, report.numTotalTests]).toEqual([7, 7])
  })

  it('testing: its tests fail if a route lacks its scope', async () => {
    const path = join(project, 'testing/app.ts')
    const code = await readFile(path, 'utf8')
    await writeFile(path, code.replace("auth.requireScope('read:messages'), ", ''))
    const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
    const failing = run(process.execPath, [vitest, 'run', '--root', 'testing'], project)
    await expect(failing).rejects.toThrow('rejects a token without the scope')
    await writeFile(path, code)
  })

  it('nestjs: the guard protects every route that is not public', async () => {
    const { origin } = await start('nestjs', NEST)
    await expectGuarded(`${origin}/messages`)
    await expectMerged('nestjs', NEST, '/messages')
    expect((await send(`${origin}/health`)).status).toBe(200)
    expect((await send(`${origin}/unknown`)).status).toBe(404)
  })

  it('fastify: the hook protects the routes of its plugin', async () => {
    const { origin } = await start('fastify', FASTIFY)
    await expectGuarded(`${origin}/api/messages`)
    await expectMerged('fastify', FASTIFY, '/api/messages')
    expect((await send(`${origin}/health`)).status).toBe(200)
  })

  it('hono: the middleware protects its route', async () => {
    const { origin } = await start('hono', HONO)
    await expectGuarded(`${origin}/api/messages`)
    await expectMerged('hono', HONO, '/api/messages')
    expect((await send(`${origin}/health`)).status).toBe(200)
  })

  it('logging: each refusal is logged with the id of its response, and without the token', async () => {
    const { origin, errors } = await start('logging', {
      file: 'app.ts',
      code: listenOn('createServer(recipe.app)'),
    })
    await expectGuarded(`${origin}/messages`)
    const weak = await sign({ scope: 'other' })
    const foreign = await sign({ aud: 'https://other.example.com' })
    const tokens = Array.from({ length: 12 }, (_, index) => [weak, foreign][index % 2] as string)
    const answers = await Promise.all(
      tokens.map((token) => send(`${origin}/messages`, { headers: bearerOf(token) })),
    )
    await vi.waitFor(() => expect(errors).toHaveLength(3 + tokens.length), { timeout: 60_000 })
    const lines = new Map(errors.map((line) => [JSON.parse(line).requestId, JSON.parse(line)]))
    expect(lines.size).toBe(errors.length)
    for (const [index, { status, headers }] of answers.entries())
      expect(lines.get(headers['x-request-id'])).toMatchObject(
        index % 2 === 0
          ? { status, reason: 'insufficient_scope', stage: 'authorize' }
          : { status, reason: 'audience_mismatch', stage: 'authenticate' },
      )
    const signatures = tokens.map((token) => token.slice(token.lastIndexOf('.')))
    expect(signatures.filter((signature) => errors.join().includes(signature))).toEqual([])
  })

  it('api-keys: the header of a request selects its gate', async () => {
    const { origin } = await start('api-keys', { file: 'app.ts', code: listenOn('createServer(recipe.app)') })
    const url = `${origin}/messages`
    await expectGuarded(url, { hello: 'emma', kind: 'jwt' })
    const answerTo = async (name: string, ...more: readonly string[]) => {
      const { status, text } = await send(url, { headers: ['X-API-Key', name, ...more] })
      return [status, JSON.parse(text)]
    }
    expect(await answerTo('acme_reports_2f9c1b')).toEqual([200, { hello: 'reports', kind: 'opaque' }])
    expect(await answerTo('acme_backup_81d0e7')).toEqual([
      403,
      expect.objectContaining({ error: 'insufficient_scope' }),
    ])
    expect(await answerTo('acme_reports_unknown')).toEqual([
      401,
      expect.objectContaining({ error: 'invalid_token' }),
    ])
    const both = await answerTo('acme_reports_2f9c1b', ...bearerOf(await sign()))
    expect(both).toEqual([400, expect.objectContaining({ error: 'invalid_request' })])
  })

  it('graceful-shutdown: a pending request is answered, and the process ends', async () => {
    const { origin, process: child } = await start('graceful-shutdown', {
      file: 'server.ts',
      code: "await once(recipe.server, 'listening'); port = recipe.server.address().port",
    })
    // It leaves an idle connection behind.
    expect((await fetch(`${origin}/messages`)).status).toBe(401)
    let release = () => {}
    keysMayCome = new Promise<void>((resolve) => {
      release = resolve
    })
    const requested = new Promise<void>((resolve) => {
      onKeysRequested = resolve
    })
    const pending = send(`${origin}/messages`, { headers: bearerOf(await sign()) })
    await requested
    child.kill('SIGTERM')
    await vi.waitFor(() => expect(send(origin)).rejects.toThrow('ECONNREFUSED'), { timeout: 60_000 })
    release()
    expect(await pending).toMatchObject({ status: 200, text: '{"hello":"emma"}' })
    if (child.exitCode === null) await once(child, 'exit')
    expect([child.exitCode, child.signalCode]).toEqual([0, null])
  })

  it('graphql-yoga: the plugin authenticates, and resolvers require scopes', async () => {
    const { origin } = await start('graphql-yoga', { file: 'server.ts', code: listenOn('recipe.server') })
    const ask = async (query: string, headers: readonly string[] = []) => {
      const { status, challenges, text } = await send(`${origin}/graphql`, {
        method: 'POST',
        headers: [...headers, 'Content-Type', 'application/json', 'Accept', 'application/json'],
        body: JSON.stringify({ query }),
      })
      return [status, challenges, JSON.parse(text)]
    }
    expect((await send(`${origin}/health`)).status).toBe(200)
    const page = await send(`${origin}/graphql`, { headers: ['Accept', 'text/html'] })
    expect([page.status, page.headers['content-type']]).toEqual([200, expect.stringContaining('text/html')])
    const weak = bearerOf(await sign({ scope: 'other' }))
    expect(await ask('{ me }')).toEqual([401, [expect.stringMatching(/^Bearer realm=/)], WITHOUT_TOKEN])
    expect(await ask('{ me messages }', bearerOf(await sign()))).toEqual([
      200,
      [],
      { data: { me: 'emma', messages: ['hello emma'] } },
    ])
    expect(await ask('{ me }', weak)).toEqual([200, [], { data: { me: 'emma' } }])
    expect(await ask('{ me messages }', weak)).toEqual([
      403,
      [expect.stringContaining('scope="read:messages"')],
      {
        data: { me: 'emma', messages: null },
        errors: [expect.objectContaining({ extensions: { code: 'insufficient_scope' } })],
      },
    ])
  })

  it('trpc: protected procedures need a token and a scope', async () => {
    const { origin } = await start('trpc', { file: 'server.ts', code: listenOn('recipe.server') })
    const ask = async (path: string, token?: string) => {
      const headers = token === undefined ? [] : bearerOf(token)
      const { status, challenges, text } = await send(`${origin}/${path}`, { headers })
      return [status, challenges.join(), JSON.parse(text)]
    }
    const failed = (code: string) => ({
      error: expect.objectContaining({ data: expect.objectContaining({ code }) }),
    })
    const weak = await sign({ scope: 'other' })
    expect(await ask('health')).toEqual([200, '', { result: { data: 'up' } }])
    expect(await ask('messages')).toEqual([
      401,
      expect.stringMatching(/^Bearer realm="[^"]*"$/),
      failed('UNAUTHORIZED'),
    ])
    expect(await ask('messages', 'a.b.c')).toEqual([
      401,
      expect.stringContaining('error="invalid_token"'),
      failed('UNAUTHORIZED'),
    ])
    expect(await ask('messages', await sign())).toEqual([200, '', { result: { data: { hello: 'emma' } } }])
    expect(await ask('messages', weak)).toEqual([
      403,
      expect.stringContaining('scope="read:messages"'),
      failed('FORBIDDEN'),
    ])
    const batch = await ask('health,messages?batch=1', weak)
    expect(batch).toEqual([207, expect.anything(), [{ result: { data: 'up' } }, failed('FORBIDDEN')]])
  })

  it('socket-io: the token of the client is checked at the start, scopes with each event', async () => {
    // The signal lets the time pass that is left to a connection.
    const { origin, process: child } = await start('socket-io', {
      file: 'server.ts',
      code: `const { setTimeout } = globalThis
        globalThis.setTimeout = (run, delay, ...rest) => {
          if (delay > 7_000_000 && delay <= 7_230_000) process.once('SIGUSR2', run)
          return setTimeout(run, delay, ...rest)
        }
        ${listenOn('recipe.server')}`,
    })
    let token: string | undefined
    vi.stubGlobal('currentToken', () => token)
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    const client = pathToFileURL(join(project, 'out/socket-io/client.js')).href
    const { connect } = await import(/* @vite-ignore */ client)
    /** The first event of a new connection with this token. */
    const connectWith = async (claims?: Record<string, unknown>) => {
      token = claims && (await sign(claims))
      const socket = connect(origin)
      const [event, value] = await new Promise<unknown[]>((resolve) => {
        socket.on('connect', () => resolve(['connect']))
        socket.on('connect_error', (error: { data: unknown }) => resolve(['connect_error', error.data]))
      })
      return { socket, event, value }
    }
    const sendText = async (socket: { emitWithAck(name: string, text: string): Promise<unknown> }) =>
      socket.emitWithAck('send', 'hello')

    const without = await connectWith()
    expect([without.event, without.value]).toEqual(['connect_error', { status: 401, ...WITHOUT_TOKEN }])
    expect(warn).toHaveBeenCalledWith('Not authenticated', { status: 401, ...WITHOUT_TOKEN })
    const expired = await connectWith({ exp: 1 })
    expect([expired.event, expired.value]).toEqual([
      'connect_error',
      expect.objectContaining({ status: 401, error: 'invalid_token' }),
    ])
    const good = await connectWith({ scope: 'write:messages' })
    const received = new Promise((resolve) => good.socket.on('message', resolve))
    expect([good.event, await sendText(good.socket)]).toEqual(['connect', { ok: true }])
    expect(await received).toEqual({ from: 'emma', text: 'hello' })
    const weak = await connectWith({ scope: 'read:messages' })
    expect([weak.event, await sendText(weak.socket)]).toEqual([
      'connect',
      { ok: false, error: 'insufficient_scope' },
    ])
    const ending = await connectWith({ exp: Math.floor(Date.now() / 1000) + 7200 })
    expect(ending.event).toBe('connect')
    const ended = new Promise((resolve) => ending.socket.on('disconnect', resolve))
    const connectedAgain = new Promise((resolve) => ending.socket.on('connect', () => resolve(true)))
    token = await sign({ scope: 'write:messages' })
    child.kill('SIGUSR2')
    expect(await ended).toBe('io server disconnect')
    expect(await connectedAgain).toBe(true)
    expect(await sendText(ending.socket)).toEqual({ ok: true })
    for (const { socket } of [without, expired, good, weak, ending]) socket.close()
    warn.mockRestore()
  })

  it('user-from-database: only an active user passes, and a failure of the database is 503', async () => {
    const { origin } = await start('user-from-database', {
      file: 'app.ts',
      code: `const { find } = recipe.users
        recipe.users.find = async (issuer, subject) => {
          if (subject === 'broken') throw new Error('The database is down')
          return find(issuer, subject)
        }
        ${listenOn('createServer(recipe.app)')}`,
    })
    await expectGuarded(`${origin}/messages`, { hello: 'Emma' })
    const answerTo = async (sub: string) => {
      const { status, headers, text } = await send(`${origin}/messages`, {
        headers: bearerOf(await sign({ sub })),
      })
      return [status, JSON.parse(text).error, headers['retry-after']]
    }
    expect(await answerTo('liam')).toEqual([403, 'access_denied', undefined])
    expect(await answerTo('unknown')).toEqual([403, 'access_denied', undefined])
    expect(await answerTo('broken')).toEqual([503, 'temporarily_unavailable', '5'])
  })

  it('openapi: the document says which operation needs which scope', async () => {
    const how = { file: 'app.ts', code: listenOn('createServer(recipe.app)') }
    const { origin } = await start('openapi', how)
    await expectGuarded(`${origin}/messages`)
    await expectMerged('openapi', how, '/messages')
    expect((await send(`${origin}/health`)).status).toBe(200)
    expect((await send(`${origin}/unknown`)).status).toBe(404)
  })

  /** The body of a 401 without credentials: a text, and no error code (RFC 6750 §3.1). */
  const WITHOUT_TOKEN = { error_description: expect.stringContaining('An access token is required') }

  describe('on a network of containers', () => {
    const environment = Object.fromEntries(
      [...(filesOf('docker-compose').get('compose.yaml') ?? '').matchAll(/^ {6}([A-Z_]+): (.*)$/gm)].map(
        ([, name = '', value = '']) => [name, value],
      ),
    )
    const code = listenOn('createServer(recipe.app)')

    it('docker-compose: the API fetches keys by the name of the container, and compares the issuer', async () => {
      const port = await freePort()
      const env = Object.fromEntries(
        Object.entries(environment).map(([name, value]) => [
          name,
          value.replace('keycloak:8080', `keycloak:${port}`),
        ]),
      )
      const { origin } = await start('docker-compose', { file: 'app.ts', code, env })
      const { callback, tokenFor } = await createRealm(environment.ISSUER ?? '', environment.AUDIENCE ?? '')
      const [good, weak] = [await tokenFor('read:messages'), await tokenFor('other')]
      const get = (token: string) => send(`${origin}/messages`, { headers: bearerOf(token) })
      expect((await send(`${origin}/messages`)).status).toBe(401)
      const early = await get(good)
      expect([early.status, early.headers['retry-after']]).toEqual([503, expect.any(String)])
      const realm = await listen(callback, port)
      await vi.waitFor(async () => expect((await get(good)).status).toBe(200), {
        timeout: 300_000,
        interval: 100,
      })
      expect(await get(good)).toMatchObject({ text: '{"hello":"web"}' })
      expect((await get(weak)).status).toBe(403)
      await realm.close()
    })

    it('docker-compose: the API does not start without ALLOW_HTTP', async () => {
      const { ALLOW_HTTP: _, ...env } = environment
      const starting = startRecipe(project, 'docker-compose', { file: 'app.ts', code, env })
      await expect(starting).rejects.toThrow(/TypeError: "jwksUri" .*allowHttp: \["keycloak:8080"\]/)
    })
  })
})

/** A stand-in for a realm of Keycloak: oidc-provider, with the paths of Keycloak below the issuer. */
async function createRealm(issuer: string, audience: string) {
  const { Provider } = await import('oidc-provider')
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const jwks = { keys: [{ ...(await exportJWK(privateKey)), kid: 'realm', alg: 'RS256' }] } as JWKS
  const provider = await quietly(
    async () =>
      new Provider(issuer, {
        jwks,
        routes: { jwks: '/protocol/openid-connect/certs', token: '/protocol/openid-connect/token' },
        scopes: ['read:messages', 'other'],
        clients: [
          {
            client_id: 'web',
            client_secret: 'web-secret',
            grant_types: ['client_credentials'],
            redirect_uris: [],
            response_types: [],
          },
        ],
        ttl: { ClientCredentials: 3600 },
        features: {
          clientCredentials: { enabled: true },
          devInteractions: { enabled: false },
          resourceIndicators: {
            enabled: true,
            getResourceServerInfo: () => ({
              audience,
              scope: 'read:messages other',
              accessTokenFormat: 'jwt',
              jwt: { sign: { alg: 'RS256' } },
            }),
          },
        },
      }),
  )
  const { pathname } = new URL(issuer)
  const handle = provider.callback()
  const callback = (request: IncomingMessage, response: ServerResponse) => {
    request.url = request.url?.replace(pathname, '')
    void handle(request, response)
  }
  return {
    callback,
    async tokenFor(scope: string): Promise<string> {
      const { origin, close } = await listen(callback)
      const response = await fetch(`${origin}${pathname}/protocol/openid-connect/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa('web:web-secret')}` },
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          resource: 'https://api.example.com',
          scope,
        }),
      })
      const text = await response.text()
      await close()
      if (!response.ok) throw new Error(`The realm answered ${response.status}: ${text}`)
      return JSON.parse(text).access_token
    },
  }
}

it('each recipe has a test', async () => {
  const text = await readFile(import.meta.filename, 'utf8')
  expect(RECIPES.filter((recipe) => !text.includes(`it('${recipe}: `))).toEqual([])
})
