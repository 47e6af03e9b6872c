/** The API on Koa: bodies are parsed only after their sender may send them. */

import type { Gate } from '@bearergate/core'
import { bearer } from '@bearergate/koa'
import { bodyParser } from '@koa/bodyparser'
import { Router } from '@koa/router'
import Koa, { type Context } from 'koa'
import { echo } from './echo.ts'
import type { Sessions } from './sessions.ts'

export function koaApi(gate: Gate, sessions: Sessions): Koa {
  const router = new Router()
  const auth = bearer(gate)
  const json = bodyParser({ enableTypes: ['json'], onError: unreadable })
  const form = bodyParser({ enableTypes: ['form'], onError: unreadable })
  const answer = (context: Context) => {
    context.body = echo(auth.identity(context), context.request.body)
  }

  router.post('/login', json, async (context) => {
    const { status, body } = await sessions.login(context.request.body)
    context.set('Cache-Control', 'no-store')
    Object.assign(context, { status, body })
  })
  router.post('/logout', auth, (context) => {
    context.body = sessions.close(auth.identity(context))
  })

  router.use('/echo', auth)
  router.get('/echo/get/json', auth.requireScope('read'), answer)
  router.post('/echo/post/json', auth.requireScope('write'), json, answer)
  router.post('/echo/post/form', auth.requireScope('write'), form, answer)

  const app = new Koa()
  app.use(router.routes())
  return app
}

/** Koa logs an error with its stack unless it is one that the client may see. */
function unreadable(_error: Error, context: Context): never {
  context.throw(400, 'the body cannot be read')
}
