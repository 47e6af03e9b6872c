/** A Redis server of the test's own: on a free port, in a folder of its own, and in the power of the test. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from 'redis'

export const hasRedis = spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0
if (!hasRedis) console.warn('redis-server: not installed, so the tests of @bearergate/redis are skipped')

export type Client = Awaited<ReturnType<typeof connect>>

export interface RedisServer {
  readonly url: string
  readonly port: number
  /** Stops the process where it is: connections stay open, and nothing answers. */
  pause(): void
  resume(): void
  /** Ends the process, and starts it again with the same port and data. */
  kill(): Promise<void>
  start(): Promise<void>
  close(): Promise<void>
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Connects a client that reports no error: the tests cause them. */
export async function connect(url: string) {
  const client = createClient({ url, socket: { reconnectStrategy: 50 } })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** Starts a server that stores each command on the disk before it answers. */
export function startRedis(...options: readonly string[]): Promise<RedisServer> {
  const persistence = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '']
  return startServer(() => [...persistence, ...options], 'Ready to accept connections')
}

/** Starts a Sentinel, which watches nothing yet. */
export function startSentinel(): Promise<RedisServer> {
  const optionsIn = (folder: string) => {
    const file = join(folder, 'sentinel.conf')
    writeFileSync(file, '', { flag: 'a' })
    return [file, '--sentinel']
  }
  return startServer(optionsIn, 'Sentinel ID is')
}

/**
 * @param optionsIn returns the options of a server in this folder
 * @param readyText what the server writes when it accepts connections
 */
async function startServer(
  optionsIn: (folder: string) => readonly string[],
  readyText: string,
): Promise<RedisServer> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'bearergate-redis-'))
  let child: ChildProcess | undefined

  async function start(): Promise<void> {
    const args = [...optionsIn(folder), '--port', String(port), '--bind', '127.0.0.1', '--dir', folder]
    const started = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
    child = started
    let output = ''
    for await (const chunk of started.stdout) {
      output += chunk
      if (output.includes(readyText)) break
    }
    if (!output.includes(readyText)) throw new Error(`redis-server did not start: ${output}`)
  }

  async function kill(): Promise<void> {
    const ending = child
    child = undefined
    if (ending === undefined) return
    const exited = once(ending, 'exit')
    ending.kill('SIGKILL')
    await exited
  }

  await start()
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    kill,
    start,
    async close() {
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
