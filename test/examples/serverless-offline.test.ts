/** The example of a Lambda function, and authorizers, behind API Gateway as serverless-offline has it. */

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  AUDIENCE,
  type AuthorizationServer,
  startAuthorizationServer,
} from '../../examples/demo/authorization-server.ts'

import { bundle, exampleFolder } from '../support/bundle.ts'
import { freePort, send } from '../support/server.ts'

const RUNTIMES = fileURLToPath(new URL('../runtimes/', import.meta.url))
const COMMAND = join(RUNTIMES, 'node_modules/serverless/bin/serverless.js')
const isInstalled = existsSync(COMMAND) && existsSync(join(RUNTIMES, 'node_modules/serverless-offline'))
if (!isInstalled) console.warn('serverless-offline is not installed: npm ci --prefix test/runtimes')

const AUTHORIZED = `
import { createGate } from '@bearergate/core'
import { lambdaAuthorizer } from '@bearergate/core/lambda'

const gate = createGate({ issuer: process.env.ISSUER, audience: process.env.AUDIENCE })
export const authorizer = lambdaAuthorizer(gate)
export const handler = async (event) => ({
  statusCode: 200,
  body: JSON.stringify(event.requestContext.authorizer.lambda ?? event.requestContext.authorizer),
})
`

describe.skipIf(!isInstalled)('behind serverless-offline', () => {
  let folder: string
  let issuer: AuthorizationServer
  let server: ChildProcess
  let origin: string

  beforeAll(async () => {
    issuer = await startAuthorizationServer('read:messages write:messages')
    // Below the runtimes, where the plugin is found.
    folder = mkdtempSync(join(RUNTIMES, 'made-offline-'))
    const example = exampleFolder('lambda')
    await bundle({
      entryPoints: [join(example, 'app.ts')],
      outfile: join(folder, 'app.mjs'),
      platform: 'node',
    })
    await bundle({
      platform: 'node',
      stdin: { contents: AUTHORIZED, resolveDir: example },
      outfile: join(folder, 'authorized.mjs'),
    })
    const port = await freePort()
    writeFileSync(
      join(folder, 'serverless.json'),
      JSON.stringify(service(port, await freePort(), { ISSUER: issuer.issuer, AUDIENCE })),
    )
    server = spawn(process.execPath, [COMMAND, 'offline'], {
      cwd: folder,
      env: {
        PATH: process.env.PATH ?? '',
        HOME: folder,
        AWS_ACCESS_KEY_ID: 'none',
        AWS_SECRET_ACCESS_KEY: 'none',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    origin = `http://127.0.0.1:${port}`
    await said(server, 'Server ready')
  })
  afterAll(async () => {
    server?.kill('SIGKILL')
    await issuer?.close()
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  })

  const sendWith = (path: string, ...tokens: readonly string[]) =>
    send(`${origin}${path}`, { headers: tokens.flatMap((token) => ['Authorization', `Bearer ${token}`]) })

  it.each(['/http', '/rest'])('%s answers with the example', async (path) => {
    const { status, challenges } = await sendWith(path)
    expect([status, challenges]).toEqual([401, ['Bearer realm="api", scope="read:messages"']])
    const good = await issuer.issue('read:messages')
    expect(await sendWith(path, good)).toMatchObject({ status: 200, text: '{"hello":"demo-client"}' })
    expect((await sendWith(path, await issuer.issue('write:messages'))).status).toBe(403)
    const other = await issuer.issue('read:messages', 'https://other.example.com')
    expect((await sendWith(path, other)).status).toBe(401)
  })

  it('sees two lines in an event of a REST API', async () => {
    const good = await issuer.issue('read:messages')
    expect((await sendWith('/rest', good, good)).status).toBe(400)
  })

  it.each([
    ['/http/authorized', 403],
    ['/rest/authorized', 401],
  ])('%s is authorized, and %i for a bad token', async (path, refusal) => {
    const { status, text } = await sendWith(path, await issuer.issue('read:messages'))
    expect([status, JSON.parse(text)]).toMatchObject([
      200,
      { subject: 'demo-client', issuer: issuer.issuer, roles: '[]' },
    ])
    // In an event of a REST API the plugin puts a list of its own there, read from the token.
    expect([JSON.parse(text).scopes].flat()).toEqual(['read:messages'])
    for (const bad of ['garbage', await issuer.issue('read:messages', 'https://other.example.com')])
      expect((await sendWith(path, bad)).status).toBe(refusal)
    expect((await sendWith(path)).status).toBe(401)
  })
})

function service(httpPort: number, lambdaPort: number, environment: Record<string, string>): object {
  const httpApi = {
    authorizers: {
      simple: {
        type: 'request',
        functionName: 'authorizer',
        payloadVersion: '2.0',
        enableSimpleResponses: true,
        identitySource: ['$request.header.Authorization'],
      },
    },
  }
  const authorizer = {
    name: 'authorizer',
    type: 'request',
    identitySource: 'method.request.header.Authorization',
  }
  return {
    service: 'bearergate',
    provider: { name: 'aws', runtime: 'nodejs20.x', environment, httpApi },
    plugins: ['serverless-offline'],
    custom: {
      'serverless-offline': { host: '127.0.0.1', httpPort, lambdaPort, noPrependStageInUrl: true },
    },
    functions: {
      messages: {
        handler: 'app.handler',
        events: [{ httpApi: 'GET /http' }, { http: { method: 'get', path: 'rest' } }],
      },
      authorizer: { handler: 'authorized.authorizer' },
      authorized: {
        handler: 'authorized.handler',
        events: [
          { httpApi: { method: 'get', path: '/http/authorized', authorizer: { name: 'simple' } } },
          { http: { method: 'get', path: 'rest/authorized', authorizer } },
        ],
      },
    },
  }
}

function said(child: ChildProcess, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let printed = ''
    const read = (chunk: Buffer) => {
      printed += chunk
      if (printed.includes(text)) resolve()
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
    child.once('exit', () => reject(new Error(printed)))
  })
}
