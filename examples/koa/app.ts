/** An API on Koa that takes the access tokens of one issuer. */

import type { AddressInfo } from 'node:net'
import { bearer } from '@bearergate/koa'
import { Router } from '@koa/router'
import Koa from 'koa'

const { ISSUER = 'https://id.example.com', AUDIENCE = 'https://api.example.com', PORT = '3000' } = process.env

const app = new Koa()
const router = new Router({ prefix: '/api' })
const auth = bearer({ issuer: ISSUER, audience: AUDIENCE })

router.use(auth)

router.get('/messages', auth.requireScope('read:messages'), (ctx) => {
  ctx.body = { hello: auth.identity(ctx).subject }
})

app.use(router.routes())

const server = app.listen(Number(PORT), '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  console.log(`Listening on http://127.0.0.1:${port}`)
})
