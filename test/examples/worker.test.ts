/** The example of a Worker on workerd itself, against a real authorization server. */

import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  AUDIENCE,
  type AuthorizationServer,
  startAuthorizationServer,
} from '../../examples/demo/authorization-server.ts'
import { AuthorizationServer as SlowIssuer } from '../faults/authorization-server.ts'
import { bundle, exampleFolder } from '../support/bundle.ts'
import { createKey, type TestKey } from '../support/issuer.ts'
import { type Running, send } from '../support/server.ts'
import { hasWorkerd, startWorker } from '../support/workerd.ts'

const folder = mkdtempSync(join(tmpdir(), 'bearergate-worker-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.skipIf(!hasWorkerd)('examples/worker', () => {
  let issuer: AuthorizationServer
  let worker: Running

  beforeAll(async () => {
    issuer = await startAuthorizationServer('read:messages write:messages')
    await bundle({
      entryPoints: [join(exampleFolder('worker'), 'worker.ts')],
      outfile: join(folder, 'worker.js'),
      platform: 'neutral',
      mainFields: ['module', 'main'],
      conditions: ['workerd', 'worker', 'browser'],
    })
    worker = await startWorker(join(folder, 'worker.js'), { ISSUER: issuer.issuer, AUDIENCE })
  })
  afterAll(async () => {
    await worker?.close()
    await issuer?.close()
  })

  const sendWith = (token: string) => send(worker.origin, { headers: ['authorization', `Bearer ${token}`] })

  it('answers 401 where no token is sent, 200 where it has the scope, and 403 where it lacks it', async () => {
    expect((await send(worker.origin)).status).toBe(401)
    const { status, text } = await sendWith(await issuer.issue('read:messages'))
    expect([status, text]).toEqual([200, '{"hello":"demo-client"}'])
    expect((await sendWith(await issuer.issue('write:messages'))).status).toBe(403)
  })

  it('answers 50 at once, and refuses another audience', async () => {
    const tokens = await Promise.all(Array.from({ length: 50 }, () => issuer.issue('read:messages')))
    const statuses = await Promise.all(tokens.map(async (token) => (await sendWith(token)).status))
    expect(new Set(statuses)).toEqual(new Set([200]))
    const other = await issuer.issue('read:messages', 'https://other.example.com')
    expect((await sendWith(other)).status).toBe(401)
  })
})

describe.skipIf(!hasWorkerd)('a Worker that starts', () => {
  let key: TestKey
  let issuer: SlowIssuer
  let worker: Running
  let headers: readonly string[]

  beforeAll(async () => {
    key = await createKey('ES256')
  })
  beforeEach(async () => {
    issuer = await SlowIssuer.start(key)
    worker = await startWorker(join(folder, 'worker.js'), { ISSUER: issuer.origin, AUDIENCE })
    const now = Math.floor(Date.now() / 1000)
    const claims = { iss: issuer.origin, aud: AUDIENCE, scope: 'read:messages', iat: now, exp: now + 600 }
    headers = ['authorization', `Bearer ${await key.sign(claims)}`]
  })
  afterEach(async () => {
    await worker.close()
    await issuer.down()
  })

  it('answers all that came while the keys were fetched', async () => {
    issuer.fault = (response, keySet) => void setTimeout(() => response.end(keySet), 300)
    const answers = await Promise.all(Array.from({ length: 30 }, () => send(worker.origin, { headers })))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  })

  it('FX55 answers the others, though the client that had the keys fetched has gone', async () => {
    issuer.fault = (response, keySet) => void setTimeout(() => response.end(keySet), 500)
    const leaving = connect(Number(new URL(worker.origin).port), '127.0.0.1')
    leaving.on('error', () => {})
    leaving.write(`GET / HTTP/1.1\r\nHost: a\r\nAuthorization: ${headers[1]}\r\n\r\n`)
    await new Promise((resolve) => setTimeout(resolve, 100))
    const others = [0, 1, 2].map(() => send(worker.origin, { headers }))
    await new Promise((resolve) => setTimeout(resolve, 100))
    leaving.resetAndDestroy()
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual([200, 200, 200])
    issuer.fault = undefined
    expect((await send(worker.origin, { headers })).status).toBe(200)
  })
})
