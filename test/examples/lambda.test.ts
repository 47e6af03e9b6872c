/** Runs the example of a Lambda function with AWS's runtime interface client, against a runtime API of this test. */

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  AUDIENCE,
  type AuthorizationServer,
  startAuthorizationServer,
} from '../../examples/demo/authorization-server.ts'
import { bundle, exampleFolder } from '../support/bundle.ts'

const CLIENT = fileURLToPath(new URL('../runtimes/node_modules/aws-lambda-ric/', import.meta.url))
const hasClient = existsSync(join(CLIENT, 'dist/rapid-client.node'))
if (!hasClient) console.warn('aws-lambda-ric is not installed: npm ci --prefix test/runtimes')

interface Answer {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

describe.skipIf(!hasClient)('examples/lambda', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bearergate-lambda-'))
  const api = runtimeApi()
  let issuer: AuthorizationServer
  let client: ChildProcess

  beforeAll(async () => {
    issuer = await startAuthorizationServer('read:messages write:messages')
    await bundle({
      entryPoints: [join(exampleFolder('lambda'), 'app.ts')],
      outfile: join(folder, 'app.mjs'),
      platform: 'node',
    })
    client = spawn(process.execPath, [join(CLIENT, 'bin/index.mjs'), 'app.handler'], {
      cwd: folder,
      env: {
        PATH: process.env.PATH ?? '',
        AWS_LAMBDA_RUNTIME_API: await api.listen(),
        LAMBDA_TASK_ROOT: folder,
        AWS_LAMBDA_FUNCTION_NAME: 'messages',
        AWS_LAMBDA_FUNCTION_VERSION: '1',
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '128',
        ISSUER: issuer.issuer,
        AUDIENCE,
      },
      stdio: 'ignore',
    })
  })
  afterAll(async () => {
    client?.kill('SIGKILL')
    api.close()
    await issuer?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const http = (authorization?: string) => ({
    version: '2.0',
    rawPath: '/messages',
    rawQueryString: '',
    headers: authorization === undefined ? {} : { authorization },
    requestContext: { http: { method: 'GET', path: '/messages' } },
    isBase64Encoded: false,
  })
  const rest = (authorization: string) => ({
    httpMethod: 'GET',
    path: '/messages',
    headers: { Authorization: authorization },
    multiValueHeaders: { Authorization: [authorization] },
    requestContext: { stage: 'prod' },
  })

  it('answers events of HTTP and REST APIs with 200, 401 and 403', async () => {
    const good = `Bearer ${await issuer.issue('read:messages')}`
    for (const event of [http(good), rest(good)])
      expect(await api.invoke(event)).toMatchObject({ statusCode: 200, body: '{"hello":"demo-client"}' })
    const refused = await api.invoke(http())
    expect([refused.statusCode, refused.headers['WWW-Authenticate']]).toEqual([
      401,
      'Bearer realm="api", scope="read:messages"',
    ])
    const little = await api.invoke(rest(`Bearer ${await issuer.issue('write:messages')}`))
    expect([little.statusCode, JSON.parse(little.body)]).toMatchObject([403, { error: 'insufficient_scope' }])
  })

  it('answers 401 to a value that is no event (BI02)', async () => {
    for (const event of [null, 7, [], {}]) expect((await api.invoke(event)).statusCode).toBe(401)
  })
})

/** The runtime API of Lambda: delivers one event at a time, and receives what the handler returns. */
function runtimeApi() {
  let waiting: ServerResponse | undefined
  let queued: { event: unknown; resolve(answer: Answer): void; reject(cause: Error): void } | undefined
  let current: typeof queued

  function deliver(): void {
    if (waiting === undefined || queued === undefined) return
    current = queued
    queued = undefined
    waiting.setHeader('Lambda-Runtime-Aws-Request-Id', crypto.randomUUID())
    waiting.setHeader('Lambda-Runtime-Deadline-Ms', String(Date.now() + 60_000))
    waiting.setHeader(
      'Lambda-Runtime-Invoked-Function-Arn',
      'arn:aws:lambda:eu-central-1:1:function:messages',
    )
    waiting.setHeader('Content-Type', 'application/json').end(JSON.stringify(current.event))
    waiting = undefined
  }

  const server = createServer(async (request, response) => {
    if (request.url?.endsWith('/invocation/next')) {
      waiting = response
      deliver()
      return
    }
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += chunk
    response.writeHead(202).end('{}')
    if (request.url?.endsWith('/response')) current?.resolve(JSON.parse(body) as Answer)
    else (current ?? queued)?.reject(new Error(body))
  })
  return {
    async listen(): Promise<string> {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return `127.0.0.1:${(server.address() as AddressInfo).port}`
    },
    invoke: (event: unknown) =>
      new Promise<Answer>((resolve, reject) => {
        queued = { event, resolve, reject }
        deliver()
      }),
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
