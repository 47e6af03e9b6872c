/** The API as a fetch handler, for whatever runtime there is: `Request` in, `Response` out. */

import { type Gate, type Identity, scope } from '@bearergate/core'
import { echo } from './echo.ts'
import type { Sessions } from './sessions.ts'

type Handler = (request: Request) => Promise<Response>
type Read = (request: Request) => Promise<unknown>

export function fetchApi(gate: Gate, sessions: Sessions): Handler {
  const echoTo = (needed: string, read: Read) =>
    gate.protect(async (request: Request, identity: Identity) => {
      const decision = gate.authorize(identity, scope(needed))
      return decision.ok ? Response.json(echo(identity, await read(request))) : decision.toResponse()
    })

  const routes = new Map<string, Handler>([
    ['GET /echo/get/json', echoTo('read', async () => null)],
    ['POST /echo/post/json', echoTo('write', (request) => request.json())],
    ['POST /echo/post/form', echoTo('write', fields)],
    ['POST /logout', gate.protect((_request, identity) => Response.json(sessions.close(identity)))],
    [
      'POST /login',
      async (request) => {
        const { status, body } = await sessions.login(await request.json())
        return Response.json(body, { status, headers: { 'Cache-Control': 'no-store' } })
      },
    ],
  ])

  return async (request) => {
    const route = routes.get(`${request.method} ${new URL(request.url).pathname}`)
    if (route === undefined) return Response.json({ error: 'not found' }, { status: 404 })
    try {
      return await route(request)
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause
      return Response.json({ error: 'the body cannot be read' }, { status: 400 })
    }
  }
}

async function fields(request: Request): Promise<object> {
  return Object.fromEntries(new URLSearchParams(await request.text()))
}
