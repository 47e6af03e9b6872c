/** Starts a Redis server and the API processes. */

import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Order, Report, Setup } from './messages.ts'

export interface Api {
  readonly origin: string
  /** Resolves when the process has rejected this token. */
  watch(token: string): Promise<Extract<Report, { rejectedAt: number }>>
  stop(): void
}

/** Starts a Redis server, and returns a function that stops it. */
export async function startRedis(port: number): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'bearergate-cluster-'))
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const redis = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  process.once('exit', () => redis.kill()) // Also if something fails.
  redis.once('error', () => {
    console.error('This example needs the program redis-server.')
    process.exit(1)
  })
  for await (const chunk of redis.stdout) if (String(chunk).includes('Ready to accept connections')) break
  return async () => {
    redis.kill()
    await once(redis, 'exit')
    rmSync(folder, { recursive: true, force: true })
  }
}

export async function startApi(setup: Setup): Promise<Api> {
  const api = fork(new URL('api.ts', import.meta.url))
  api.once('exit', (code) => {
    if (code !== 0) process.exit(1)
  })
  const order = (message: Order) => api.send(message)
  order({ setup })
  const { origin } = await reportOf<Extract<Report, { origin: string }>>(api, (report) => 'origin' in report)
  return {
    origin,
    watch(token) {
      const id = crypto.randomUUID()
      order({ watch: token, id })
      return reportOf(api, (report) => 'rejectedAt' in report && report.id === id)
    },
    stop: () => api.disconnect(),
  }
}

/** Waits for the first report of a process that matches. */
function reportOf<R extends Report>(api: ChildProcess, matches: (report: Report) => boolean): Promise<R> {
  return new Promise((resolve) => {
    const listen = (report: Report) => {
      if (!matches(report)) return
      api.off('message', listen)
      resolve(report as R)
    }
    api.on('message', listen)
  })
}
