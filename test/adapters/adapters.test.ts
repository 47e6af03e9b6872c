/** What only an adapter has: the attached identity, the framework's own error handling, and wrong use. */

import { once } from 'node:events'
import { BearerAuthError, createGate, type TokenVerifier } from '@bearergate/core'
import * as bearerExpress from '@bearergate/express'
import * as bearerKoa from '@bearergate/koa'
import express from 'express'
import Koa from 'koa'
import { describe, expect, it } from 'vitest'
import { identity } from '../support/identity.ts'
import { listen, send } from '../support/server.ts'

const accept = (subject: string): TokenVerifier => ({
  verify: () => ({ active: true, identity: { ...identity, subject } }),
})
const refuse: TokenVerifier = { verify: () => ({ active: false, reason: 'revoked' }) }
const headers = ['Authorization', 'Bearer token']

describe('Express', () => {
  async function answer(app: express.Express) {
    const { origin, close } = await listen(app)
    const got = await send(origin, { headers })
    await close()
    return got
  }

  it('attaches the identity of each gate that was passed', async () => {
    const app = express()
    const [outer, inner] = [
      bearerExpress.bearer({ verifier: accept('outer') }),
      bearerExpress.bearer({ verifier: accept('inner') }),
    ]
    app.use(outer, inner)
    app.get('/', (request, response) => {
      response.json([
        outer.identity(request).subject,
        inner.identity(request).subject,
        request.identity?.subject,
      ])
    })
    expect((await answer(app)).text).toBe('["outer","inner","inner"]')
  })

  it('keeps identities apart though a middleware has requests share their locals', async () => {
    const app = express()
    const shared = {}
    const who: TokenVerifier = {
      verify: (token) => ({ active: true, identity: { ...identity, subject: token, scopes: [token] } }),
    }
    const auth = bearerExpress.bearer({ verifier: who })
    app.use((_request, response, next) => {
      response.locals = shared
      next()
    })
    let release = () => {}
    const isHeld = new Promise<void>((resolve) => {
      release = resolve
    })
    app.get('/open', (request, response) => void response.json(auth.identity(request)))
    app.use(auth)
    app.get('/slow', async (_request, _response, next) => {
      await isHeld
      next()
    })
    app.use(bearerExpress.requireScope('alice'), (request, response) => {
      response.json(auth.identity(request).subject)
    })
    const { origin, close } = await listen(app)
    const as = (name: string) => ({ headers: ['Authorization', `Bearer ${name}`] })
    const alice = send(`${origin}/slow`, as('alice'))
    expect((await send(origin, as('bob'))).status).toBe(403)
    release()
    expect((await alice).text).toBe('"alice"')
    expect((await send(`${origin}/open`, as('bob'))).status).toBe(500)
    await close()
  })

  it('keeps the required cache headers if a handler calls writeHead (A05)', async () => {
    const app = express()
    app.use(bearerExpress.bearer({ verifier: accept('emma'), tokenFrom: { query: true } }))
    app.get('/object', (_request, response) => {
      response.writeHead(200, { 'cache-control': 'public', 'X-A': 'b' }).end()
    })
    app.get('/list', (_request, response) => {
      response.writeHead(200, 'OK', ['Cache-Control', 'public', 'X-A', 'b']).end()
    })
    const { origin, close } = await listen(app)
    for (const path of ['object', 'list']) {
      const { headers: fields } = await send(`${origin}/${path}?access_token=a`)
      expect([fields['cache-control'], fields['x-a']]).toEqual(['private, no-store', 'b'])
    }
    await close()
  })

  it('throws from identity() if bearer() did not run', () => {
    expect(() => bearerExpress.bearer({ verifier: refuse }).identity({} as Express.Request)).toThrow(
      /bearer\(\) did not run/,
    )
  })

  it('passes a denial to the error handling if onDenied is next', async () => {
    const app = express()
    app.use(bearerExpress.bearer({ verifier: refuse, onDenied: 'next' }))
    const handle: express.ErrorRequestHandler = (error, _request, response, _next) => {
      response.status(418).json([error instanceof BearerAuthError, error.status, error.reason])
    }
    app.use(handle)
    expect((await answer(app)).text).toBe('[true,401,"revoked"]')
  })

  it('answers a BearerAuthError correctly by the error handling of Express', async () => {
    const app = express().set('env', 'test')
    app.use(bearerExpress.bearer({ verifier: refuse, onDenied: 'next' }))
    const { status, challenges } = await answer(app)
    expect([status, challenges[0]]).toEqual([401, expect.stringContaining('error="invalid_token"')])
  })

  it('sends no second answer if other middleware has answered', async () => {
    const app = express()
    let verified = () => {}
    app.use((_request, response, next) => {
      next()
      response.end('first')
      verified()
    })
    const late: TokenVerifier = {
      verify: () =>
        new Promise((resolve) => {
          verified = () => resolve({ active: false, reason: 'revoked' })
        }),
    }
    app.use(bearerExpress.bearer({ verifier: late }))
    expect(await answer(app)).toMatchObject({ status: 200, text: 'first' })
  })

  it('throws from authorize() if bearer() did not run before it', async () => {
    const app = express().set('env', 'test')
    app.use(bearerExpress.requireScope('read'))
    app.get('/', (_request, response) => void response.end('reached'))
    const { status, text } = await answer(app)
    expect(status).toBe(500)
    expect(text).not.toBe('reached')
  })

  it('leaves req.identity and ctx.state.identity undefined if bearer() did not run', async () => {
    const app = express()
    app.get('/', (request, response) => void response.end(String(request.identity)))
    expect((await answer(app)).text).toBe('undefined')
  })
})

describe('Koa', () => {
  async function answer(app: Koa) {
    const { origin, close } = await listen(app.callback())
    const got = await send(origin, { headers })
    await close()
    return got
  }

  it('attaches the identity of each gate that was passed', async () => {
    const app = new Koa()
    const [outer, inner] = [
      bearerKoa.bearer({ verifier: accept('outer') }),
      bearerKoa.bearer({ verifier: accept('inner') }),
    ]
    app.use(outer).use(inner)
    app.use((context) => {
      context.body = [
        outer.identity(context).subject,
        inner.identity(context).subject,
        context.state.identity?.subject,
      ]
    })
    expect((await answer(app)).text).toBe('["outer","inner","inner"]')
  })

  it('throws from identity() if bearer() did not run', () => {
    expect(() => bearerKoa.bearer({ verifier: refuse }).identity({} as Koa.Context)).toThrow(
      /bearer\(\) did not run/,
    )
  })

  it('passes a denial to the error handling if onDenied is next', async () => {
    const app = new Koa()
    app.use(async (context, next) => {
      await next().catch((error: unknown) => {
        if (!(error instanceof BearerAuthError)) throw error
        context.status = 418
        context.body = [error.status, error.reason]
      })
    })
    app.use(bearerKoa.bearer({ verifier: refuse, onDenied: 'next' }))
    expect((await answer(app)).text).toBe('[401,"revoked"]')
  })

  it('answers a BearerAuthError correctly by the error handling of Koa', async () => {
    const app = new Koa()
    const logged = once(app, 'error')
    app.use(bearerKoa.bearer({ verifier: refuse, onDenied: 'next' }))
    const { status, challenges } = await answer(app)
    expect([status, challenges[0]]).toEqual([401, expect.stringContaining('error="invalid_token"')])
    expect((await logged)[0]).toBeInstanceOf(BearerAuthError)
  })

  it('throws from authorize() if bearer() did not run before it', async () => {
    const app = new Koa()
    app.silent = true
    app.use(bearerKoa.requireScope('read'))
    app.use((context) => {
      context.body = 'reached'
    })
    const { status, text } = await answer(app)
    expect(status).toBe(500)
    expect(text).not.toBe('reached')
  })
})

describe.each([
  ['Express', bearerExpress],
  ['Koa', bearerKoa],
])('%s', (_, adapter) => {
  it('accepts a gate instead of options', () => {
    const gate = createGate({ verifier: refuse })
    const bearer = adapter.bearer as typeof bearerExpress.bearer
    expect(bearer(gate).gate).toBe(gate)
  })

  it.each([
    [
      'bearer with a second argument',
      () =>
        (adapter.bearer as (...args: unknown[]) => unknown)(createGate({ verifier: refuse }), { realm: 'a' }),
      /takes one argument/,
    ],
    ['requireScope without a scope', () => (adapter.requireScope as () => unknown)(), /"requireScope"/],
    [
      'requireScope of two scopes in one string',
      () => adapter.requireScope('a b'),
      /write requireScope\("a", "b"\)/,
    ],
    [
      'requireScope with something else than a scope',
      () => adapter.requireScope('a', 7 as never),
      /"requireScope"/,
    ],
    ['authorize without a requirement', () => (adapter.authorize as () => unknown)(), /"authorize"/],
    ['authorize with a string', () => adapter.authorize('read' as never), /"authorize"/],
    ['bearer without options', () => (adapter.bearer as () => unknown)(), /options/],
    [
      'bearer with an unknown option',
      () => (adapter.bearer as typeof bearerExpress.bearer)({ verifier: refuse, unless: '/public' } as never),
      /"unless"/,
    ],
  ])('throws at start-up for %s', (_name, create, message) => {
    expect(create).toThrow(TypeError)
    expect(create).toThrow(message)
  })
})
