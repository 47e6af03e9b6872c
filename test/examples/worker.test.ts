/** The example of a Worker on workerd itself, against a real authorization server. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  AUDIENCE,
  type AuthorizationServer,
  startAuthorizationServer,
} from '../../examples/demo/authorization-server.ts'
import { type Running, send } from '../support/server.ts'
import { hasWorkerd, startWorker } from '../support/workerd.ts'

describe.skipIf(!hasWorkerd)('examples/worker', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bearergate-worker-'))
  let issuer: AuthorizationServer
  let worker: Running

  beforeAll(async () => {
    issuer = await startAuthorizationServer('read:messages write:messages')
    const conditions = process.env.BEARERGATE_TARGET === 'dist' ? [] : ['@bearergate/source']
    await build({
      entryPoints: [fileURLToPath(new URL('../../examples/worker/worker.ts', import.meta.url))],
      outfile: join(folder, 'worker.js'),
      bundle: true,
      format: 'esm',
      platform: 'neutral',
      mainFields: ['module', 'main'],
      conditions: [...conditions, 'workerd', 'worker', 'browser'],
    })
    worker = await startWorker(join(folder, 'worker.js'), { ISSUER: issuer.issuer, AUDIENCE })
  })
  afterAll(async () => {
    await worker?.close()
    await issuer?.close()
    rmSync(folder, { recursive: true, force: true })
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
