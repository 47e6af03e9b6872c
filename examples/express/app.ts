/** An API on Express that takes the access tokens of one issuer. */

import type { AddressInfo } from 'node:net'
import { bearer } from '@bearergate/express'
import express from 'express'

const { ISSUER = 'https://id.example.com', AUDIENCE = 'https://api.example.com', PORT = '3000' } = process.env

const app = express()
const auth = bearer({ issuer: ISSUER, audience: AUDIENCE })

app.use('/api', auth)

app.get('/api/messages', auth.requireScope('read:messages'), (req, res) => {
  res.json({ hello: auth.identity(req).subject })
})

const server = app.listen(Number(PORT), '127.0.0.1', (error) => {
  if (error) throw error
  const { port } = server.address() as AddressInfo
  console.log(`Listening on http://127.0.0.1:${port}`)
})
