/** One API process: an Express app whose gate shares its revocations with the other processes. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import type { IssuerGateOptions } from '@bearergate/core'
import { backChannelLogout, type SignalReceiver, securityEvents } from '@bearergate/core/signals'
import { bearer } from '@bearergate/express'
import { redisRevocations } from '@bearergate/redis'
import express, { type RequestHandler } from 'express'
import { createClient } from 'redis'
import { machineTime, type Order, type Report, type Setup } from './messages.ts'

const report = (message: Report) => process.send?.(message)

async function start({ redis, issuer, audience, clientId, keys }: Setup) {
  const client = createClient({ url: redis })
  client.on('error', (cause) => console.error(cause))
  await client.connect()
  const revocations = redisRevocations(client)
  const auth = bearer({ issuer, audience, keys, revocations } as IssuerGateOptions)
  await revocations.ready()

  const { gate } = auth
  const logout = backChannelLogout({ issuer, clientId, keys, gate })
  const events = securityEvents({ issuer, audience, keys, gate })
  const body = express.text({ type: '*/*', limit: '64kb' })
  const app = express()
  app.get('/', auth, (req, res) => {
    res.json({ hello: auth.identity(req).subject })
  })
  app.post('/revoke', auth, async (req, res) => {
    await gate.revoke(auth.token(req))
    res.status(204).end()
  })
  app.post('/backchannel-logout', body, receiveBy(logout))
  app.post('/security-events', body, receiveBy(events))
  const server = createServer(app).listen(0, '127.0.0.1', () => {
    report({ origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
  })
  return gate
}

/** Handles the messages of an issuer. */
function receiveBy(receiver: SignalReceiver): RequestHandler {
  return async (req, res) => {
    const message = { contentType: req.get('content-type'), body: req.body }
    const { status, headers, body } = await receiver.receive(message)
    res.status(status).set(headers).send(body)
  }
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
  const { watch, id } = order
  const gate = await starting
  const request = { header: (name: string) => (name === 'authorization' ? `Bearer ${watch}` : undefined) }
  const isAccepted = async () => (await gate.authenticate(request)).ok
  // A pause, because a loop without one would take the core from the processes that it measures.
  while (await isAccepted()) await setTimeout(1)
  const rejectedAt = machineTime()
  let wasAcceptedAgain = false
  for (let time = 0; time < AGAIN; time += 1) wasAcceptedAgain ||= await isAccepted()
  report({ id, rejectedAt, wasAcceptedAgain })
})
process.once('disconnect', () => process.exit())
