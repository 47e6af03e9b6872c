/**
 * A single-page app and its API, on two origins. The backend of the page gets access tokens for it, so that no secret and no
 * refresh token is in the browser. The page keeps its access token in memory only.
 */

import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { bearer } from '@bearergate/express'
import cors from 'cors'
import express, { type ErrorRequestHandler, type Express } from 'express'

const {
  ISSUER = 'https://id.example.com',
  AUDIENCE = 'https://api.example.com',
  CLIENT_ID = 'spa',
  CLIENT_SECRET = '',
  TOKEN_ENDPOINT = `${ISSUER}/token`,
  PORT = '3000',
} = process.env

const page = express()
const api = express()
const pageOrigin = await listen(page, Number(PORT))
const apiOrigin = await listen(api, 0)

// The API: CORS first, so that a script of the page can also read the answers of the gate.
const exposedHeaders = ['WWW-Authenticate', 'Retry-After']
api.use(cors({ origin: pageOrigin, methods: ['GET', 'DELETE'], exposedHeaders }))
const auth = bearer({ issuer: ISSUER, audience: AUDIENCE })
api.use('/api', auth)
api.get('/api/messages', auth.requireScope('read:messages'), (req, res) => {
  res.json({ hello: auth.identity(req).subject })
})
api.delete('/api/messages', auth.requireScope('admin'), (_req, res) => {
  res.json({ deleted: true })
})

// The backend of the page. In an application it first checks the session of its user.
page.use(express.static(fileURLToPath(new URL('public/', import.meta.url))))
page.get('/config', (_req, res) => {
  res.json({ api: apiOrigin })
})
page.post('/token', async (req, res) => {
  // Another site must not get a token through the browser of the user.
  if (req.get('origin') !== pageOrigin) return void res.status(403).json({ error: 'only this page may ask' })
  const response = await fetch(TOKEN_ENDPOINT, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${CLIENT_ID}:${CLIENT_SECRET}`)}` },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      scope: 'read:messages',
      resource: AUDIENCE,
    }),
  })
  const { access_token: token } = (await response.json()) as { access_token?: string }
  if (token === undefined) throw new Error(`The token endpoint answered ${response.status}`)
  res.set('Cache-Control', 'no-store').json({ token })
})

const failed: ErrorRequestHandler = (_cause, _req, res, _next) => {
  res.status(502).json({ error_description: 'The authorization server gave no token' })
}
page.use(failed)

console.log(`Listening on ${pageOrigin}`)

async function listen(app: Express, port: number): Promise<string> {
  const server = app.listen(port, '127.0.0.1')
  await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
