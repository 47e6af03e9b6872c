/**
 * Serves the page, and does for it what a browser cannot: it shows raw messages, creates tokens, and makes the authorization
 * server fail. It answers only its own page, on loopback: another site must not reach it through the browser of its user.
 */

import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { Gate } from '@bearergate/core'
import { build } from 'esbuild'
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import type { Api } from '../apis.ts'
import type { AuthorizationServer } from '../authorization-server.ts'
import { RIVAL } from '../rival-api.ts'
import { type Running, running } from '../running.ts'
import type { Sessions } from '../sessions.ts'
import { passTime, timePassed } from '../time.ts'
import type { Traffic } from '../traffic.ts'
import { exchange } from './exchange.ts'
import type { Draft, Live, ServerReport, State, Switch } from './model.ts'
import { snippetsOf } from './snippets.ts'
import { createToken, KINDS, type Kind } from './tokens.ts'

/** What the page acts on. */
export interface World {
  readonly server: AuthorizationServer
  readonly sessions: Sessions
  readonly apis: readonly Api[]
  readonly gate: Gate
  readonly traffic: Traffic
}

const FOLDER = new URL('client/', import.meta.url)

export async function startServer(world: World, port: number): Promise<Running> {
  const files = await bundle()
  const server = createServer()
  const page = await running(server.listen(port, '127.0.0.1'))
  server.on('request', pageApp(world, page.origin, files))
  return page
}

/** The files of the page by their paths. */
type Files = ReadonlyMap<string, string>

async function bundle(): Promise<Files> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('main.tsx', FOLDER)), fileURLToPath(new URL('page.css', FOLDER))],
    bundle: true,
    minify: true,
    write: false,
    outdir: 'out',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    target: 'es2022',
    logLevel: 'error',
  })
  return new Map(outputFiles.map(({ path, text }) => [path.replace(/^.*[\\/]/, '/'), text]))
}

const HTML = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>bearergate: bearer tokens that explain themselves</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/page.css">
<div id="app"></div>
<script type="module" src="/main.js"></script>
</html>`

/** No script, style or connection of anywhere else. uPlot sets styles of its elements. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

function pageApp({ server, sessions, apis, gate, traffic }: World, origin: string, files: Files): Express {
  const app = express().disable('x-powered-by').disable('etag')
  const keyRequests: [own: number, rival: number] = [0, 0]
  // The other package sends no `User-Agent`.
  server.onKeyRequest = (userAgent) => {
    keyRequests[userAgent === 'node' ? 0 : 1] += 1
  }
  const originOf = (host: string) => apis.find(({ name }) => name === host)?.origin ?? apis[0]?.origin ?? ''
  const report = (): ServerReport => ({
    state: server.state,
    keys: server.keys,
    timePassed: timePassed(),
    keyRequests: [...keyRequests],
  })

  app.use(onlyOwn(origin))
  app.get('/', (_request, response) => {
    response.set('Content-Security-Policy', POLICY).type('html').send(HTML)
  })
  for (const [path, content] of files)
    app.get(path, (_request, response) => {
      response.type(path.endsWith('.css') ? 'css' : 'js').send(content)
    })
  app.get('/api/state', (_request, response) => {
    const state: State = {
      hosts: apis.map(({ name, origin }) => ({ name, origin })),
      kinds: Object.entries(KINDS) as [Kind, string][],
      issuer: server.issuer,
      rival: RIVAL,
    }
    response.json(state)
  })
  app.get('/api/live', (request, response) => {
    // An image or a script of another site asks for something else.
    if (request.get('accept') !== 'text/event-stream') return void response.status(406).end()
    response.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' }).flushHeaders()
    const send = (live: Partial<Live>) => response.write(`data: ${JSON.stringify(live)}\n\n`)
    send(report())
    request.once(
      'close',
      traffic.watch((second) => send({ ...second, ...report() })),
    )
  })

  app.use(express.json({ limit: '256kb' }))
  const call = (path: string, act: (sent: never) => Promise<unknown>) =>
    app.post(path, async (request, response) => {
      response.json(await act(request.body as never))
    })
  call('/api/token', async ({ kind }: { kind: Exclude<Kind, 'own'> }) => ({
    token: await createToken(kind, server, sessions),
  }))
  call('/api/send', (draft: Draft) => exchange(draft, originOf(draft.host), gate))
  call('/api/snippets', ({ draft, isReal }: { draft: Draft; isReal: boolean }) =>
    snippetsOf(draft, originOf(draft.host), isReal),
  )
  call('/api/explain', ({ token }: { token: string }) => gate.explain(token))
  call('/api/switch', async ({ to }: { to: Switch }) => {
    if (to === 'rotate') await server.rotateKeys()
    else if (to === 'remove') await server.removeFormerKeys()
    else if (to === 'pass') passTime(20 * 60)
    else server.become(to)
    return report()
  })
  app.use(failed)
  return app
}

/** Rejects requests by another name of this machine, and those that a script of another origin sends. */
function onlyOwn(origin: string): RequestHandler {
  const { host, port } = new URL(origin)
  const hosts = [host, `localhost:${port}`]
  return (request, response, next) => {
    const from = request.get('origin')
    const isOwn =
      hosts.includes(request.get('host') ?? '') &&
      (from === undefined || hosts.includes(from.replace(/^http:\/\//, '')))
    const isSafe = request.method === 'GET' || request.is('application/json') === 'application/json'
    if (isOwn && isSafe) next()
    else response.status(403).json({ error: 'only this page may ask' })
  }
}

/** A request that cannot be sent, such as one with a line break in a header, is a mistake of the user. */
const failed: ErrorRequestHandler = (cause, _request, response, _next) => {
  response.status(400).json({ error: cause instanceof Error ? cause.message : 'something is wrong' })
}
