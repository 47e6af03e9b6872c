/** An API of its own process, for what only a whole process shows: how it ends, how it starts again, how much it holds. */

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createGate, introspection, type KeySetEvent } from '@bearergate/core'
import { bearer } from '@bearergate/express'
import express from 'express'

/** Tells the parent, as long as it listens: a message to nobody would be an exception, and a message of its own. */
function tell(message: object): void {
  if (process.connected) process.send?.(message)
}

const { port = 0, asked, ...options } = JSON.parse(process.argv[2] ?? '{}')
const gate =
  asked === undefined
    ? createGate({ ...options, onKeySet: (event: KeySetEvent) => tell({ keySet: event.type }) })
    : createGate({ verifier: introspection(asked) })
const auth = bearer(gate)
const delay = monitorEventLoopDelay({ resolution: 5 })
delay.enable()
for (const event of ['unhandledRejection', 'uncaughtException', 'warning'])
  process.on(event, (cause) => tell({ trouble: `${event}: ${cause}` }))

const app = express()
app.disable('x-powered-by')
app.use(auth)
app.get('/', (request, response) => void response.json({ subject: auth.identity(request).subject }))

const server = app.listen(port, '127.0.0.1', () => tell({ address: server.address() }))

/** What the process holds, and how late its event loop was since it was asked last. */
function vitals() {
  globalThis.gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  const handles = process.getActiveResourcesInfo().length
  const figures = { rss, heapUsed, handles, delayP99: delay.percentile(99) / 1e6, delayMax: delay.max / 1e6 }
  delay.reset()
  return figures
}

process.on('message', (message) => {
  if (message === 'vitals') tell({ vitals: vitals() })
  if (message !== 'close') return
  server.close()
  server.closeAllConnections()
  gate.close()
  process.disconnect()
})
