/** An event stream, a WebSocket and a GraphQL subscription that end when the token of their request expires or is revoked. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { authenticateUpgrade } from '@bearergate/core'
import { bearer } from '@bearergate/express'
import express from 'express'
import { CloseCode } from 'graphql-ws'
import { WebSocketServer } from 'ws'
import { graphqlSockets } from './graphql.ts'

const { ISSUER = 'https://id.example.com', AUDIENCE = 'https://api.example.com', PORT = '3000' } = process.env

const auth = bearer({ issuer: ISSUER, audience: AUDIENCE })
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
  // Without the date, the gate would also reject the tokens of a login within the next 30 seconds.
  await auth.gate.revoke({ subject, issuer, issuedBefore: Math.ceil(Date.now() / 1000) })
  res.json({ loggedOut: true })
})

/** The close code for "policy violation" (RFC 6455 §7.4.1). */
const POLICY_VIOLATION = 1008

const greetings = new WebSocketServer({ noServer: true })
greetings.on('connection', (connection, request) => {
  connection.send(`hello ${auth.identity(request).subject}`)
})
const graphql = graphqlSockets(auth)

const server = createServer(app).on('upgrade', async (request, socket, head) => {
  const upgrade = await authenticateUpgrade(auth.gate, request, socket)
  if (upgrade === undefined) return
  // After 4403, clients of graphql-ws connect again. They do not after 1008.
  const [sockets, code] =
    request.url === '/graphql' ? [graphql, CloseCode.Forbidden] : [greetings, POLICY_VIOLATION]
  sockets.handleUpgrade(request, socket, head, (connection) => {
    // Without this listener, one invalid frame of a client would end the process. `ws` closes the connection itself.
    connection.on('error', () => {})
    const closed = new AbortController()
    connection.once('close', () => closed.abort())
    const signal = auth.gate.signal(request, closed.signal)
    signal.addEventListener('abort', () => {
      connection.close(code, signal.reason.code)
      // A client that does not answer the close frame may send for another 30 seconds.
      connection.removeAllListeners('message')
    })
    sockets.emit('connection', connection, request)
  })
})

server.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`Listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
