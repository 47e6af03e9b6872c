/** Runs the example of a Worker on workerd, against a real authorization server. */

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
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
import { eventually } from '../support/clock.ts'
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

  it('answers 401 without a token, 200 to a token with the scope, and 403 to one without it', async () => {
    expect((await send(worker.origin)).status).toBe(401)
    const { status, text } = await sendWith(await issuer.issue('read:messages'))
    expect([status, text]).toEqual([200, '{"hello":"demo-client"}'])
    expect((await sendWith(await issuer.issue('write:messages'))).status).toBe(403)
  })

  it('answers 200 to 50 concurrent requests, and 401 to a token for another audience', async () => {
    const tokens = await Promise.all(Array.from({ length: 50 }, () => issuer.issue('read:messages')))
    const statuses = await Promise.all(tokens.map(async (token) => (await sendWith(token)).status))
    expect(new Set(statuses)).toEqual(new Set([200]))
    const other = await issuer.issue('read:messages', 'https://other.example.com')
    expect((await sendWith(other)).status).toBe(401)
  })
})

describe.skipIf(!hasWorkerd)('a Worker that is fetching its keys', () => {
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

  /** Keeps the key set back until the returned function is called. */
  function holdKeySet(): () => void {
    const held: (() => void)[] = []
    issuer.fault = (response, keySet) => void held.push(() => response.end(keySet))
    return () => {
      issuer.fault = undefined
      for (const release of held) release()
    }
  }

  /** Sends a request on a connection of its own. Once this resolves, the Worker has it in its hands. */
  async function begin(): Promise<{ socket: Socket; status: Promise<number> }> {
    const socket = connect(Number(new URL(worker.origin).port), '127.0.0.1')
    socket.on('error', () => {})
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
    })
    const status = once(socket, 'close').then(() => Number(text.split(' ')[1]))
    const request = `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: ${headers[1]}\r\n\r\n`
    await new Promise<void>((resolve) => socket.write(request, () => resolve()))
    return { socket, status }
  }

  it('answers 200 to all requests that came before the keys', async () => {
    const release = holdKeySet()
    const requests = await Promise.all(Array.from({ length: 30 }, begin))
    await eventually(() => issuer.fetches > 0)
    release()
    const statuses = await Promise.all(requests.map(({ status }) => status))
    expect(new Set(statuses)).toEqual(new Set([200]))
  })

  it('answers 200 to the others if the client whose request began the fetch leaves (FX55)', async () => {
    const release = holdKeySet()
    const leaving = await begin()
    await eventually(() => issuer.fetches === 1)
    const others = await Promise.all([begin(), begin(), begin()])
    leaving.socket.resetAndDestroy()
    await leaving.status
    release()
    expect(await Promise.all(others.map(({ status }) => status))).toEqual([200, 200, 200])
    expect((await send(worker.origin, { headers })).status).toBe(200)
  })
})
