/** The same routes behind another package, for the comparison on the page. */

import express, { type ErrorRequestHandler, type Express } from 'express'
import { auth, requiredScopes } from 'express-oauth2-jwt-bearer'
import { AUDIENCE } from './authorization-server.ts'

/** The name of the other package, as the page shows it. */
export const RIVAL = 'express-oauth2-jwt-bearer'

export function rivalApi(issuer: string): Express {
  const app = express()
  app.use(auth({ issuerBaseURL: issuer, audience: AUDIENCE }))
  app.get('/echo/get/json', (_request, response) => {
    response.json({ sent: null })
  })
  app.post('/echo/post/json', requiredScopes('write'), (_request, response) => {
    response.json({ sent: null })
  })
  app.use(failed)
  return app
}

/** Sends the status of the error, as the error handling of Express does, but logs nothing. */
const failed: ErrorRequestHandler = ({ status = 500, headers = {} }, _request, response, _next) => {
  response.status(status).set(headers).json({})
}
