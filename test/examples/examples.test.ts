/** Runs each example as a process, against a real authorization server. */

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  AUDIENCE,
  type AuthorizationServer,
  startAuthorizationServer,
} from '../../examples/demo/authorization-server.ts'
import { buildNextApp, NEXT, NEXT_ENV } from '../support/next.ts'
import { send } from '../support/server.ts'

const installed = (path: string) =>
  fileURLToPath(new URL(`../runtimes/node_modules/${path}`, import.meta.url))

const EXAMPLES: readonly (readonly [name: string, runtime: string])[] = [
  ['express', process.execPath],
  ['koa', process.execPath],
  ['fetch', process.execPath],
  ['hono', process.execPath],
  ['deno', installed('@deno/linux-x64-glibc/deno')],
  ['bun', installed('@oven/bun-linux-x64/bin/bun')],
  ['next-route', NEXT],
]

let issuer: AuthorizationServer

beforeAll(async () => {
  issuer = await startAuthorizationServer('read:messages write:messages')
})
afterAll(() => issuer.close())

describe.each(EXAMPLES)('examples/%s', (name, runtime) => {
  if (!existsSync(runtime)) {
    it.skip('needs a runtime that is not installed: npm ci --prefix test/runtimes')
    return
  }

  let built: string | undefined
  let child: ChildProcess
  let messages: string

  beforeAll(async () => {
    if (name === 'next-route') built = await buildNextApp()
    child = start(name, runtime, built ?? fileURLToPath(new URL(`../../examples/${name}/`, import.meta.url)))
    messages = `${await originOf(child)}/api/messages`
  })
  afterAll(async () => {
    if (child !== undefined) await stop(child)
    if (built !== undefined) rmSync(built, { recursive: true, force: true })
  })

  it('answers 401 with a challenge without an error code if no token is sent (RFC 6750 §3)', async () => {
    const { status, challenges } = await send(messages)
    expect(status).toBe(401)
    expect(challenges).toHaveLength(1)
    expect(challenges[0]).toMatch(/^Bearer realm="api"/)
    expect(challenges[0]).not.toContain('error')
  })

  it('answers 200 if the token has the scope', async () => {
    const { status, text } = await sendWith(await issuer.issue('read:messages'))
    expect(status).toBe(200)
    expect(JSON.parse(text)).toEqual({ hello: 'demo-client' })
  })

  it('answers 403 with the required scope if the token lacks it', async () => {
    const { status, challenges } = await sendWith(await issuer.issue('write:messages'))
    expect(status).toBe(403)
    expect(challenges[0]).toMatch(/error="insufficient_scope".*scope="read:messages"/)
  })

  it('answers 401 if the token is for another audience', async () => {
    const { status, challenges } = await sendWith(
      await issuer.issue('read:messages', 'https://other.example.com'),
    )
    expect(status).toBe(401)
    expect(challenges[0]).toContain('error="invalid_token"')
  })

  function sendWith(token: string) {
    return send(messages, { headers: ['authorization', `Bearer ${token}`] })
  }
})

function start(name: string, runtime: string, cwd: string): ChildProcess {
  const conditions = process.env.BEARERGATE_TARGET === 'dist' ? [] : ['--conditions=@bearergate/source']
  const args = {
    deno: ['run', '--allow-all', '--no-remote', '--node-modules-dir=manual', ...conditions, 'app.js'],
    bun: [...conditions, 'app.js'],
    'next-route': [NEXT, 'start', '--port', '0', '--hostname', '127.0.0.1'],
  }[name] ?? [...conditions, '--import', 'tsx', 'app.ts']
  return spawn(runtime === NEXT ? process.execPath : runtime, args, {
    cwd,
    env: { ...process.env, ...NEXT_ENV, ISSUER: issuer.issuer, AUDIENCE, PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** Returns the address that an example prints. */
function originOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = ''
    const fail = (why: string) => reject(new Error(`The example ${why}: ${printed}`))
    // Before the time of the test is up, so that what it printed is told.
    const deadline = setTimeout(fail, 50_000, 'printed no address in 50 s')
    const read = (chunk: Buffer) => {
      printed += chunk
      const origin = /(?:Listening on|Local:) +(http:\/\/127\.0\.0\.1:\d+)/.exec(printed)?.[1]
      if (origin === undefined) return
      clearTimeout(deadline)
      resolve(origin)
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
    child.once('exit', () => {
      clearTimeout(deadline)
      fail('ended')
    })
  })
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill()
  await ended
}
