/** The API on Express: bodies are parsed only after their sender may send them. */

import type { Gate } from '@bearergate/core'
import { bearer } from '@bearergate/express'
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import { echo } from './echo.ts'
import type { Sessions } from './sessions.ts'

export function expressApi(gate: Gate, sessions: Sessions): Express {
  const app = express()
  const auth = bearer(gate)
  const json = express.json()
  const form = express.urlencoded({ extended: false })
  const answer: RequestHandler = (request, response) => {
    response.json(echo(auth.identity(request), request.body))
  }

  app.post('/login', json, async (request, response) => {
    const { status, body } = await sessions.login(request.body)
    response.status(status).set('Cache-Control', 'no-store').json(body)
  })
  app.post('/logout', auth, (request, response) => {
    response.json(sessions.close(auth.identity(request)))
  })

  app.use('/echo', auth)
  app.get('/echo/get/json', auth.requireScope('read'), answer)
  app.post('/echo/post/json', auth.requireScope('write'), json, answer)
  app.post('/echo/post/form', auth.requireScope('write'), form, answer)

  app.use(failed)
  return app
}

/** What cannot be read is the client's to mend, as body parsers say; by default Express answers with the stack. */
const failed: ErrorRequestHandler = ({ status = 500 }: { status?: number }, _request, response, _next) => {
  response
    .status(status)
    .json({ error: status < 500 ? 'the body cannot be read' : 'something is wrong here' })
}
