/** One API process: an Express app whose gate shares its revocations with the other processes. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import type { IssuerGateOptions } from '@bearergate/core'
import { bearer } from '@bearergate/express'
import { redisRevocations } from '@bearergate/redis'
import express from 'express'
import { createClient } from 'redis'
import { machineTime, type Order, type Report, type Setup } from './messages.ts'

const report = (message: Report) => process.send?.(message)

async function start({ redis, issuer, audience, keys }: Setup) {
  const client = createClient({ url: redis })
  client.on('error', (cause) => console.error(cause))
  await client.connect()
  const revocations = redisRevocations(client)
  const auth = bearer({ issuer, audience, keys, revocations } as IssuerGateOptions)
  await revocations.ready()

  const app = express()
  app.get('/', auth, (req, res) => {
    res.json({ hello: auth.identity(req).subject })
  })
  const server = createServer(app).listen(0, '127.0.0.1', () => {
    report({ origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
  })
  return auth.gate
}

const starting = new Promise<Awaited<ReturnType<typeof start>>>((resolve) => {
  process.once('message', (order: Order) => {
    if ('setup' in order) resolve(start(order.setup))
  })
})

/** How often a rejected token is tried again. */
const AGAIN = 20

process.on('message', async (order: Order) => {
  if ('setup' in order) return
  const gate = await starting
  const { id } = order
  if ('revoke' in order) {
    const revokedAt = machineTime()
    await gate.revoke(order.revoke)
    report({ id, revokedAt })
    return
  }
  const request = {
    header: (name: string) => (name === 'authorization' ? `Bearer ${order.watch}` : undefined),
  }
  const isAccepted = async () => (await gate.authenticate(request)).ok
  // Each turn of the event loop is a chance for Redis to tell this process.
  while (await isAccepted()) await setImmediate()
  const rejectedAt = machineTime()
  let wasAcceptedAgain = false
  for (let time = 0; time < AGAIN; time += 1) wasAcceptedAgain ||= await isAccepted()
  report({ id, rejectedAt, wasAcceptedAgain })
})
process.once('disconnect', () => process.exit())
