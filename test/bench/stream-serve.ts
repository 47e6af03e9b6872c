/** An Express server with an event stream that ends with its token, or with one that does not. Runs as a child of streams.ts. */

import type { ServerResponse } from 'node:http'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { IssuerGateOptions } from '@bearergate/core'
import { bearer } from '@bearergate/express'
import { redisRevocations } from '@bearergate/redis'
import express from 'express'
import { createClient } from 'redis'
import { listen } from '../support/server.ts'
import type { Setup } from './authority.ts'

export interface StreamSetup extends Setup {
  readonly redis: string
  /** `false` for streams without a gate, to compare the memory. */
  readonly isGuarded: boolean
}

/** The memory that the process uses now, after a garbage collection. In bytes. */
export interface Memory {
  readonly heap: number
  readonly rss: number
}

/** The processor time of the process until now, in milliseconds, and how many revocations it knows. */
export interface Work {
  readonly used: number
  readonly revocations: number
}

process.setSourceMapsEnabled(false)
setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

process.once('message', async (setup: StreamSetup) => {
  const { origin, revocations, end } = await start(setup)
  process.on('message', (wanted: 'memory' | 'work' | 'end') => {
    if (wanted === 'end') {
      end()
      return
    }
    if (wanted === 'work') {
      const { user, system } = process.cpuUsage()
      process.send?.({ used: (user + system) / 1000, revocations: revocations.size } satisfies Work)
      return
    }
    for (let turn = 0; turn < 5; turn += 1) gc()
    const { heapUsed, external, rss } = process.memoryUsage()
    process.send?.({ heap: heapUsed + external, rss } satisfies Memory)
  })
  const isBuilt = import.meta.resolve('@bearergate/redis').endsWith('/dist/index.js')
  process.send?.({ origin, built: isBuilt })
})
process.once('disconnect', () => process.exit())

async function start({ issuer, audience, redis, isGuarded }: StreamSetup) {
  const client = await createClient({ url: redis }).connect()
  const revocations = redisRevocations(client)
  await revocations.ready()
  const auth = bearer({ issuer, audience, revocations } as IssuerGateOptions)
  const unguarded: ServerResponse[] = []
  const app = express()
  if (isGuarded) app.use(auth)
  app.get('/', (req, res) => {
    res.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: hello\n\n')
    if (!isGuarded) {
      unguarded.push(res)
      return
    }
    const closed = new AbortController()
    res.once('close', () => closed.abort())
    const signal = auth.gate.signal(req, closed.signal)
    signal.addEventListener('abort', () => res.end(`event: end\ndata: ${signal.reason.code}\n\n`))
  })
  const end = () => {
    for (const response of unguarded) response.end('event: end\ndata: ERR_TOKEN_REVOKED\n\n')
  }
  return { origin: (await listen(app)).origin, revocations, end }
}
