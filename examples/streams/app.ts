/** An event stream and a WebSocket that end when the token of their request expires or is revoked. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { authenticateUpgrade, type IssuerGateOptions } from '@bearergate/core'
import { bearer } from '@bearergate/express'
import express from 'express'
import { WebSocketServer } from 'ws'

const { ISSUER = 'https://id.example.com', AUDIENCE = 'https://api.example.com', PORT = '3000' } = process.env

const auth = bearer({ issuer: ISSUER, audience: AUDIENCE } as IssuerGateOptions)
const app = express()
app.use('/api', auth)

app.get('/api/events', (req, res) => {
  const closed = new AbortController()
  res.once('close', () => closed.abort())
  const signal = auth.gate.signal(req, closed.signal)
  res
    .writeHead(200, { 'Content-Type': 'text/event-stream' })
    .write(`data: hello ${auth.identity(req).subject}\n\n`)
  signal.addEventListener('abort', () => res.end(`event: end\ndata: ${signal.reason.code}\n\n`))
})

/** Ends the session of the caller on all devices: its streams and WebSockets end as well. */
app.post('/api/logout', async (req, res) => {
  const { subject = '', issuer } = auth.identity(req)
  await auth.gate.revoke({ subject, issuer })
  res.json({ loggedOut: true })
})

/** The status code for "policy violation" (RFC 6455 §7.4.1). */
const POLICY_VIOLATION = 1008

const sockets = new WebSocketServer({ noServer: true })
const server = createServer(app).on('upgrade', async (request, socket, head) => {
  const upgrade = await authenticateUpgrade(auth.gate, request, socket)
  if (upgrade === undefined) return
  sockets.handleUpgrade(request, socket, head, (connection) => {
    const closed = new AbortController()
    connection.once('close', () => closed.abort())
    const signal = auth.gate.signal(request, closed.signal)
    signal.addEventListener('abort', () => connection.close(POLICY_VIOLATION, signal.reason.code))
    connection.send(`hello ${upgrade.identity.subject}`)
  })
})

server.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`Listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
