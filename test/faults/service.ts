/** An API in its own process, for what only a whole process shows: how it ends, stops and starts again, and how much it holds. */

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createGate, introspection, type JwksEvent } from '@bearergate/core'
import { bearer } from '@bearergate/express'
import express from 'express'
import { StoppedClock } from '../support/stopped-clock.ts'

/** Sends a message to the parent while it listens. Without a parent it would throw, and report that as another message. */
function tell(message: object): void {
  if (process.connected) process.send?.(message)
}

const { port = 0, asked, stopped, ...options } = JSON.parse(process.argv[2] ?? '{}')
/** Moved by the parent only. The wall clock goes on besides, because the parent signs tokens by its own. */
const clock = new StoppedClock((passed) => Date.now() + passed * 1000)
if (stopped) {
  const folder = process.env.BEARERGATE_TARGET === 'dist' ? 'dist/lib/clock.js' : 'src/lib/clock.ts'
  const { setClock } = await import(new URL(`../../packages/core/${folder}`, import.meta.url).href)
  setClock(clock)
}
const verifier = asked === undefined ? undefined : introspection(asked)
const gate =
  verifier === undefined
    ? createGate({ ...options, onJwks: (event: JwksEvent) => tell({ keySet: event.type }) })
    : createGate({ verifier })
const auth = bearer(gate)
const delay = monitorEventLoopDelay({ resolution: 5 })
delay.enable()
for (const event of ['unhandledRejection', 'uncaughtException', 'warning'])
  process.on(event, (cause) => tell({ trouble: `${event}: ${cause}` }))

const app = express()
app.disable('x-powered-by')
if (stopped)
  app.use((_request, response, next) => {
    next()
    tell({ request: 'came' })
    response.once('close', () => response.writableEnded || tell({ request: 'left' }))
  })
app.use(auth)
app.get('/', (request, response) => void response.json({ subject: auth.identity(request).subject }))

const server = app.listen(port, '127.0.0.1', () => tell({ address: server.address() }))

/** Returns how much the process holds, and how late its event loop was since the last call. */
function vitals() {
  globalThis.gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  const handles = process.getActiveResourcesInfo().length
  const figures = { rss, heapUsed, handles, delayP99: delay.percentile(99) / 1e6, delayMax: delay.max / 1e6 }
  delay.reset()
  return figures
}

/** Closes the server and the gate, and reports what keeps the process alive besides the channel to its parent. */
async function close(): Promise<void> {
  server.close()
  server.closeAllConnections()
  gate.close()
  // A gate closes only a verifier that it made itself.
  verifier?.close?.()
  // A socket is gone a few turns after it was destroyed. Nothing here waits for a timer.
  for (let turn = 0; turn < TURNS; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  tell({ closed: process.getActiveResourcesInfo() })
  process.disconnect()
}
const TURNS = 10

process.on('message', (message: 'vitals' | 'close' | { readonly pass: number }) => {
  if (message === 'vitals') tell({ vitals: vitals() })
  else if (message === 'close') void close()
  else {
    clock.pass(message.pass)
    tell({ passed: message.pass })
  }
})
