/** CORS preflights: an outcome of their own, on every host (ATK01). */

import { createGate, type Gate, type Identity, type Preflight, scope } from '@bearergate/core'
import { lambda } from '@bearergate/core/lambda'
import * as bearerExpress from '@bearergate/express'
import * as bearerKoa from '@bearergate/koa'
import express5 from 'express'
import express4 from 'express4'
import Koa3 from 'koa'
import Koa2 from 'koa2'
import { afterEach, describe, expect, it } from 'vitest'
import { eventually, pass, stopClock } from '../support/clock.ts'
import { listen, type Sent, send } from '../support/server.ts'

const ORIGIN = 'https://app.example.com'
const PREFLIGHT = ['Origin', ORIGIN, 'Access-Control-Request-Method', 'POST']
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY', 'PROPFIND']

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
}
type Ask = (sent?: Sent) => Promise<Answer>
/** @param reached called by a handler behind the gate, and by one behind a requirement of the scope `admin` */
type Start = (gate: Gate, reached: (identity: Identity | undefined) => void) => Promise<Ask>

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

async function serve(listener: Parameters<typeof listen>[0]): Promise<Ask> {
  const { origin, close } = await listen(listener)
  closing.push(close)
  return (sent) => send(`${origin}/admin`, sent)
}

const onExpress =
  (express: typeof express5): Start =>
  (gate, reached) => {
    const app = express()
    const auth = bearerExpress.bearer(gate)
    app.use(auth)
    app.all('/admin', auth.requireScope('admin'), bearerExpress.requireScope('admin'))
    app.use((request, response) => {
      reached(auth.identity(request))
      response.json({})
    })
    return serve(app)
  }

const onKoa =
  (Koa: typeof Koa3): Start =>
  (gate, reached) => {
    const app = new Koa()
    const auth = bearerKoa.bearer(gate)
    app.use(auth).use(auth.requireScope('admin')).use(bearerKoa.requireScope('admin'))
    app.use((context) => {
      reached(auth.identity(context))
      context.body = {}
    })
    return serve(app.callback())
  }

function pairs(headers: readonly string[] = []): [string, string][] {
  return Array.from({ length: headers.length / 2 }, (_, index) => [
    headers[2 * index] ?? '',
    headers[2 * index + 1] ?? '',
  ])
}

const onFetch: Start = async (gate, reached) => {
  const handle = gate.protect((_request, identity) => {
    reached(identity)
    const decision = gate.authorize(identity, scope('admin'))
    return decision.ok ? Response.json({}) : decision.toResponse()
  })
  return async ({ method = 'GET', headers, body } = {}) => {
    const { status, headers: fields } = await handle(
      new Request('https://api.example.com/admin', { method, headers: pairs(headers), body: body ?? null }),
    )
    return { status, headers: Object.fromEntries(fields) }
  }
}

const onLambda: Start = async (gate, reached) => {
  const handle = lambda(gate, (_event, identity) => {
    reached(identity)
    const decision = gate.authorize(identity, scope('admin'))
    return { statusCode: decision.ok ? 200 : decision.status, headers: {}, body: '' }
  })
  return async ({ method = 'GET', headers, body = '' } = {}) => {
    const http = { method }
    const result = await handle({
      version: '2.0',
      rawPath: '/admin',
      headers: Object.fromEntries(pairs(headers)),
      requestContext: { http },
      body,
    })
    return {
      status: result.statusCode,
      headers: Object.fromEntries(
        Object.entries(result.headers).map(([name, value]) => [name.toLowerCase(), value]),
      ),
    }
  }
}

const HOSTS: readonly (readonly [string, Start])[] = [
  ['Express 4', onExpress(express4 as never)],
  ['Express 5', onExpress(express5)],
  ['Koa 2', onKoa(Koa2 as never)],
  ['Koa 3', onKoa(Koa3)],
  ['fetch', onFetch],
  ['Lambda', onLambda],
]

const identityOf = (subject: string): Identity => ({
  kind: 'opaque',
  subject,
  audience: [],
  scopes: subject === 'root' ? ['admin'] : [],
  roles: [],
  claims: {},
})

function gateOf(settings: object = {}): Gate {
  return createGate({
    verifier: {
      verify: (token) =>
        token === 'bad'
          ? { active: false, reason: 'unknown_token' }
          : { active: true, identity: identityOf(token) },
    },
    allowPreflight: { methods: ['GET', 'POST'] },
    ...settings,
  })
}

async function start(run: Start, settings?: object) {
  const reached: (string | undefined)[] = []
  const ask = await run(gateOf(settings), (identity) => void reached.push(identity?.subject))
  return { ask, reached }
}

describe.each(HOSTS)('on %s', (name, run) => {
  it('answers a preflight with 204 and the methods and headers of the option (ATK01)', async () => {
    const { ask, reached } = await start(run)
    const { status, headers } = await ask({ method: 'OPTIONS', headers: PREFLIGHT })
    expect(status).toBe(204)
    expect(headers).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'Authorization, Content-Type',
      'access-control-max-age': '600',
    })
    expect(reached).toEqual([])
  })

  it('allows the origin of a preflight only if it is in the list (ATK01)', async () => {
    const allowPreflight = { methods: ['GET'], origins: [ORIGIN], headers: ['DPoP'], maxAge: 0 }
    const { ask } = await start(run, { allowPreflight })
    const { headers } = await ask({ method: 'OPTIONS', headers: PREFLIGHT })
    expect(headers).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-headers': 'DPoP',
      'access-control-max-age': '0',
      vary: 'Origin',
    })
    const other = await ask({
      method: 'OPTIONS',
      headers: ['Origin', 'https://evil.example', 'Access-Control-Request-Method', 'POST'],
    })
    expect([other.status, other.headers['access-control-allow-origin']]).toEqual([204, undefined])
  })

  it('answers 401 to the same fields with any method but OPTIONS (ATK01)', async () => {
    const { ask, reached } = await start(run)
    for (const method of METHODS.filter((other) => other !== 'OPTIONS')) {
      const { status } = await ask({ method, headers: PREFLIGHT })
      expect([method, status]).toEqual([method, 401])
    }
    expect(reached).toEqual([])
  })

  it.each<[string, readonly string[]]>([
    ['no Origin', ['Access-Control-Request-Method', 'POST']],
    ['no Access-Control-Request-Method', ['Origin', ORIGIN]],
    ['credentials of another scheme', [...PREFLIGHT, 'Authorization', 'Basic YTpi']],
    ['a cookie', [...PREFLIGHT, 'Cookie', 'a=b']],
    ['a bad token', [...PREFLIGHT, 'Authorization', 'Bearer bad']],
  ])('treats OPTIONS with %s as any other request (ATK01)', async (_, headers) => {
    const { ask, reached } = await start(run)
    expect((await ask({ method: 'OPTIONS', headers })).status).toBe(401)
    expect(reached).toEqual([])
  })

  it('treats OPTIONS with a body as any other request (ATK01)', async () => {
    const { ask, reached } = await start(run)
    const headers = [...PREFLIGHT, 'Content-Type', 'text/plain', 'Content-Length', '4']
    expect((await ask({ method: 'OPTIONS', headers, body: 'body' })).status).toBe(401)
    if (name !== 'fetch' && name !== 'Lambda') {
      const chunked = [...PREFLIGHT, 'Transfer-Encoding', 'chunked']
      expect((await ask({ method: 'OPTIONS', headers: chunked, body: 'body' })).status).toBe(401)
    }
    expect(reached).toEqual([])
  })

  it('answers 403 to a token without the scope, even if the request looks like a preflight (ATK01)', async () => {
    const { ask, reached } = await start(run)
    const as = (token: string) => ({
      method: 'OPTIONS',
      headers: [...PREFLIGHT, 'Authorization', `Bearer ${token}`],
    })
    expect((await ask(as('emma'))).status).toBe(403)
    expect((await ask(as('root'))).status).toBe(200)
    expect(reached).toEqual(name === 'fetch' || name === 'Lambda' ? ['emma', 'root'] : ['root'])
  })

  it('finds the token in the cookie that the gate reads before it looks for a preflight (ATK01)', async () => {
    const { ask, reached } = await start(run, { tokenFrom: { cookie: 'session' } })
    const headers = [...PREFLIGHT, 'Cookie', 'session=bad']
    expect((await ask({ method: 'OPTIONS', headers })).status).toBe(401)
    expect(reached).toEqual([])
  })

  it('answers 401 to a preflight unless the option is set', async () => {
    const { ask } = await start(run, { allowPreflight: undefined })
    expect((await ask({ method: 'OPTIONS', headers: PREFLIGHT })).status).toBe(401)
  })

  it('allows no preflight as an anonymous request (ATK01)', async () => {
    const { ask, reached } = await start(run, { optional: true })
    expect((await ask({ method: 'OPTIONS', headers: PREFLIGHT })).status).toBe(204)
    expect(reached).toEqual([])
  })
})

const EXPRESS = HOSTS.filter(([name]) => name.startsWith('Express'))

describe('a CORS middleware that allowPreflight names', () => {
  const allowOrigin = ['access-control-allow-origin', ORIGIN] as const
  const middleware: Readonly<Record<string, (...args: never[]) => unknown>> = {
    Express: ((_request: unknown, response: express5.Response) =>
      void response.set(...allowOrigin).sendStatus(200)) as never,
    Koa: ((context: Koa3.Context) => {
      context.set(...allowOrigin)
      context.status = 200
    }) as never,
    fetch: () => new Response(null, { headers: [[...allowOrigin]] }),
    Lambda: () => ({ statusCode: 200, headers: Object.fromEntries([allowOrigin]), body: '' }),
  }

  it.each(HOSTS)('answers preflights in place of the gate, on %s (ATK01)', async (name, run) => {
    const { ask, reached } = await start(run, { allowPreflight: middleware[name.replace(/ \d$/, '')] })
    const { status, headers } = await ask({ method: 'OPTIONS', headers: PREFLIGHT })
    expect([status, headers['access-control-allow-origin']]).toEqual([200, ORIGIN])
    expect((await ask({ method: 'OPTIONS', headers: ['Origin', ORIGIN] })).status).toBe(401)
    expect(reached).toEqual([])
  })

  it.each(HOSTS)('is replaced by the gate if it throws or rejects, on %s (ATK01)', async (_, run) => {
    for (const isAsync of [false, true]) {
      const { ask, reached } = await start(run, {
        allowPreflight: () => {
          if (isAsync) return Promise.reject(new Error('cors'))
          throw new Error('cors')
        },
      })
      const { status } = await ask({ method: 'OPTIONS', headers: PREFLIGHT })
      expect([isAsync, status, reached]).toEqual([isAsync, 204, []])
    }
  })

  it.each(HOSTS)('reaches no handler by calling next, on %s (ATK01)', async (name, run) => {
    const next = (...args: unknown[]) => (args.at(-1) as () => unknown)()
    const isServer = /Express|Koa/.test(name)
    const { ask, reached } = await start(run, { allowPreflight: isServer ? next : () => undefined })
    expect((await ask({ method: 'OPTIONS', headers: PREFLIGHT })).status).toBe(204)
    expect(reached).toEqual([])
  })

  it.each(EXPRESS)(
    'a preflight reaches no handler if the CORS middleware passes a non-error to next, on %s (ATK01)',
    async (_, run) => {
      for (const given of [null, 'route', 'router', 0, '', {}]) {
        const allowPreflight = (_request: unknown, _response: unknown, next: (given: unknown) => void) => {
          next(given)
          next(given)
        }
        const { ask, reached } = await start(run, { allowPreflight })
        const { status } = await ask({ method: 'OPTIONS', headers: PREFLIGHT })
        expect([given, status, reached]).toEqual([given, 204, []])
      }
    },
  )

  it('passes its errors to the error handling of Express only if onDenied is "next" (ATK01)', async () => {
    const allowPreflight = (_request: unknown, _response: unknown, next: (cause: Error) => void) =>
      next(new Error('cors'))
    for (const [onDenied, expected] of [
      ['answer', 204],
      ['next', 418],
    ] as const) {
      const app = express5()
      app.use(bearerExpress.bearer(gateOf({ allowPreflight, onDenied })))
      app.use((cause: Error, _request: unknown, response: express5.Response, _next: unknown) => {
        response.status(418).json({ message: cause.message })
      })
      const ask = await serve(app)
      expect((await ask({ method: 'OPTIONS', headers: PREFLIGHT })).status).toBe(expected)
    }
  })

  it('reaches no handler of a plain Node server whose next ignores errors (ATK01)', async () => {
    const causes: unknown[] = []
    const refuse = (_request: unknown, _response: unknown, next: (cause: Error) => void) =>
      next(new Error('Not allowed by CORS'))
    const refuseTwice = (request: unknown, response: unknown, next: (cause: Error) => void) => {
      refuse(request, response, next)
      throw new Error('and again')
    }
    for (const allowPreflight of [refuse, refuseTwice]) {
      const auth = bearerExpress.bearer(gateOf({ allowPreflight }))
      const ask = await serve((request, response) =>
        auth(request, response, (cause?: unknown) => {
          causes.push(cause)
          response.end('secret')
        }),
      )
      expect((await ask({ method: 'OPTIONS', headers: PREFLIGHT })).status).toBe(204)
    }
    expect(causes).toEqual([])
  })
})

describe('a CORS middleware that fails', () => {
  stopClock()

  it.each(EXPRESS)(
    'a preflight reaches no handler, and is answered at once, if the CORS middleware throws or rejects, on %s (ATK01)',
    async (_, run) => {
      for (const thrown of [new Error('cors'), null, 'route'])
        for (const isAsync of [false, true]) {
          const { ask, reached } = await start(run, {
            allowPreflight: () => {
              if (isAsync) return Promise.reject(thrown)
              throw thrown
            },
          })
          const { status } = await ask({ method: 'OPTIONS', headers: PREFLIGHT })
          expect([thrown, status, reached]).toEqual([thrown, 204, []])
        }
    },
  )
})

describe('a CORS middleware that neither answers nor calls next', () => {
  stopClock()

  it.each(HOSTS.filter(([name]) => /Express|Koa/.test(name)))(
    'is replaced by the gate: within 10 s on Express, at once on Koa (%s)',
    async (name, run) => {
      let isCalled = false
      const allowPreflight = () => {
        isCalled = true
      }
      const { ask, reached } = await start(run, { allowPreflight })
      const answer = ask({ method: 'OPTIONS', headers: PREFLIGHT })
      await eventually(() => isCalled)
      if (name.startsWith('Express')) pass(10)
      expect((await answer).status).toBe(204)
      expect(reached).toEqual([])
    },
  )
})

describe('the option allowPreflight', () => {
  it('cannot be combined with a requirement, which an anonymous request cannot meet (ATK01)', () => {
    for (const option of ['optional', 'allowPreflight'])
      expect(() =>
        gateOf({
          allowPreflight: undefined,
          [option]: option === 'optional' ? true : { methods: ['GET'] },
          requirement: scope('a'),
        }),
      ).toThrow(new RegExp(`"${option}" cannot be combined with "requirement"`))
  })

  it.each<[string, unknown]>([
    ['true', true],
    ['no methods', {}],
    ['an empty list of methods', { methods: [] }],
    ['a method with a space', { methods: ['GET POST'] }],
    ['a header with a line break', { methods: ['GET'], headers: ['A\r\nSet-Cookie'] }],
    ['an origin with a path', { methods: ['GET'], origins: ['https://app.example.com/'] }],
    ['a pattern for origins', { methods: ['GET'], origins: ['https://*.example.com'] }],
    ['a negative age', { methods: ['GET'], maxAge: -1 }],
    ['an unknown member', { methods: ['GET'], tokenFrom: true }],
  ])('throws a TypeError that names it for %s', (_, allowPreflight) => {
    expect(() => gateOf({ allowPreflight })).toThrow(TypeError)
    expect(() => gateOf({ allowPreflight })).toThrow(/allowPreflight|"maxAge"|"methods"/)
  })

  it('a preflight is reported to onDecision with the reason preflight', async () => {
    const decisions: unknown[] = []
    const gate = gateOf({
      onDecision: (event: { decision: Preflight }) => decisions.push(event.decision.reason),
    })
    const decision = await gate.authenticate(
      new Request('https://a.example', { method: 'OPTIONS', headers: pairs(PREFLIGHT) }),
    )
    expect([decision.ok, decisions]).toEqual([false, ['preflight']])
  })
})
