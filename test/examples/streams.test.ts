/** examples/streams: an event stream and a WebSocket end when their token is revoked or expires, and not before. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { AUDIENCE, startAuthorizationServer } from '../../examples/demo/authorization-server.ts'

describe('examples/streams', () => {
  const closing: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const close of closing.splice(0)) await close()
  })

  /** Starts the example with an issuer whose tokens live so long. In seconds. */
  async function start(lifetime: number): Promise<{ origin: string; token: string }> {
    const issuer = await startAuthorizationServer('read', lifetime)
    const cwd = fileURLToPath(new URL('../../examples/streams/', import.meta.url))
    const conditions = process.env.BEARERGATE_TARGET === 'dist' ? [] : ['--conditions=@bearergate/source']
    const env = { ...process.env, ISSUER: issuer.issuer, AUDIENCE, PORT: '0' }
    const child = spawn(process.execPath, [...conditions, '--import', 'tsx', 'app.ts'], {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    closing.push(async () => {
      child.kill()
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      await issuer.close()
    })
    const [line] = await once(createInterface({ input: child.stdout }), 'line')
    return { origin: String(line).replace('Listening on ', ''), token: await issuer.issue('read') }
  }

  /** Opens an event stream and a WebSocket. Returns what each of them ends with. */
  async function open(origin: string, headers: Record<string, string>) {
    const events = await fetch(`${origin}/api/events`, { headers })
    const socket = new WebSocket(origin.replace('http', 'ws'), { headers })
    const [hello] = await once(socket, 'message')
    expect(String(hello)).toBe('hello demo-client')
    return { ended: Promise.all([events.text(), once(socket, 'close')]) }
  }

  const endedBy = (code: string) => [
    `data: hello demo-client\n\nevent: end\ndata: ${code}\n\n`,
    [1008, Buffer.from(code)],
  ]

  it('ends both when the token expires', async () => {
    const { origin, token } = await start(5)
    const { ended } = await open(origin, { authorization: `Bearer ${token}` })
    expect(await ended).toEqual(endedBy('ERR_TOKEN_EXPIRED'))
  })

  it('ends both when the token is revoked', async () => {
    const { origin, token } = await start(3600)
    const headers = { authorization: `Bearer ${token}` }
    const { ended } = await open(origin, headers)
    await fetch(`${origin}/api/logout`, { method: 'POST', headers })
    expect(await ended).toEqual(endedBy('ERR_TOKEN_REVOKED'))
  })
})
