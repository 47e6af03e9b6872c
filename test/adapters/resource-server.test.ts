/** The settings of a gate on every host: optional, resource, credentials, TLS, revocation, CORS, step-up. */

import {
  createGate,
  type Gate,
  type Identity,
  maxAge,
  type RequestLike,
  scope,
  UnavailableError,
} from '@bearergate/core'
import * as bearerExpress from '@bearergate/express'
import * as bearerKoa from '@bearergate/koa'
import express5 from 'express'
import express4 from 'express4'
import Koa3 from 'koa'
import Koa2 from 'koa2'
import { afterEach, describe, expect, it } from 'vitest'
import { type Answer, listen, type Sent, send } from '../support/server.ts'

type AnyGate = Gate<Identity | undefined>

type Start = (
  gate: AnyGate,
  options?: { trustProxy?: boolean; exposed?: string },
) => Promise<(path: string, sent?: Sent) => Promise<Answer>>

const PUBLIC = 'public, max-age=60'
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

async function serve(listener: Parameters<typeof listen>[0]) {
  const { origin, close } = await listen(listener)
  closing.push(close)
  return (path: string, sent?: Sent) => send(origin + path, sent)
}

const onExpress =
  (express: typeof express5): Start =>
  (gate, { trustProxy = false, exposed } = {}) => {
    const app = express()
    app.set('trust proxy', trustProxy)
    app.use(express.urlencoded({ extended: true }), express.json())
    if (exposed !== undefined)
      app.use((_request, response, next) => {
        response.set('Access-Control-Expose-Headers', exposed)
        next()
      })
    const auth = bearerExpress.bearer(gate)
    app.use(auth)
    app.use('/admin', bearerExpress.requireScope('admin'))
    app.use('/recent', bearerExpress.authorize(maxAge(60)))
    app.use('/public', (_request, response, next) => {
      response.set('Cache-Control', PUBLIC)
      next()
    })
    app.use((request, response) => void response.json({ subject: auth.identity(request)?.subject ?? null }))
    return serve(app)
  }

const onKoa =
  (Koa: typeof Koa3): Start =>
  (gate, { trustProxy = false, exposed } = {}) => {
    const app = new Koa()
    app.proxy = trustProxy
    app.use(async (context, next) => {
      if (exposed !== undefined) context.set('Access-Control-Expose-Headers', exposed)
      const chunks: Buffer[] = []
      for await (const chunk of context.req) chunks.push(chunk)
      if (context.is('urlencoded')) {
        const fields = new URLSearchParams(Buffer.concat(chunks).toString())
        Object.assign(context.request, { body: Object.fromEntries(fields) })
      }
      await next()
    })
    const auth = bearerKoa.bearer(gate)
    const admin = bearerKoa.requireScope('admin')
    const recent = bearerKoa.authorize(maxAge(60))
    app.use(auth)
    app.use((context, next) => (context.path === '/admin' ? admin(context, next) : next()))
    app.use((context, next) => (context.path === '/recent' ? recent(context, next) : next()))
    app.use((context) => {
      if (context.path === '/public') context.set('Cache-Control', PUBLIC)
      context.body = { subject: auth.identity(context)?.subject ?? null }
    })
    return serve(app.callback())
  }

const onFetch: Start = async (gate) => {
  const handle = gate.protect((request, identity) => {
    const required = { '/admin': scope('admin'), '/recent': maxAge(60) }[new URL(request.url).pathname]
    const decision = required === undefined ? undefined : gate.authorize(identity, required)
    if (decision?.ok === false && request.method !== 'OPTIONS') return decision.toResponse()
    const isPublic = new URL(request.url).pathname === '/public'
    return Response.json(
      { subject: identity?.subject ?? null },
      isPublic ? { headers: { 'cache-control': PUBLIC } } : {},
    )
  })
  return async (path, { method = 'GET', headers = [], body } = {}) => {
    const fields = new Headers()
    for (let index = 0; index < headers.length; index += 2)
      fields.append(headers[index] ?? '', headers[index + 1] ?? '')
    const response = await handle(
      new Request(`http://localhost${path}`, { method, headers: fields, body: body ?? null }),
    )
    const challenge = response.headers.get('www-authenticate')
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      challenges: challenge === null ? [] : [challenge],
      text: await response.text(),
    }
  }
}

const HOSTS: readonly (readonly [string, Start])[] = [
  ['Express 4', onExpress(express4 as unknown as typeof express5)],
  ['Express 5', onExpress(express5)],
  ['Koa 2', onKoa(Koa2 as unknown as typeof Koa3)],
  ['Koa 3', onKoa(Koa3)],
  ['fetch', onFetch],
]

const FORM = ['Content-Type', 'application/x-www-form-urlencoded']
const bearer = (token = 'good') => ['Authorization', `Bearer ${token}`]
const PREFLIGHT = {
  method: 'OPTIONS',
  headers: ['Origin', 'https://web.example.com', 'Access-Control-Request-Method', 'POST'],
}

/** `good` and `admin` are tokens, anything else is not, and of `unclear` nobody can tell. */
function gateOf(settings: object = {}): AnyGate {
  const verifier = {
    verify(token: string) {
      if (token === 'unclear') throw new UnavailableError('down', { retryAfter: 3 })
      if (token !== 'good' && token !== 'admin') return { active: false, reason: 'unknown_token' } as const
      const identity: Identity = {
        kind: 'opaque',
        subject: token,
        audience: [],
        scopes: [token],
        roles: [],
        claims: {},
        tokenId: `id of ${token}`,
      }
      return { active: true, identity } as const
    },
  }
  return createGate({ verifier, ...settings })
}

describe.each(HOSTS)('%s', (name, start) => {
  describe('optional', () => {
    it('allows a request without credentials, and rejects invalid credentials', async () => {
      const ask = await start(gateOf({ optional: true }))
      expect((await ask('/')).text).toBe('{"subject":null}')
      expect((await ask('/', { headers: ['Authorization', 'Basic abc'] })).text).toBe('{"subject":null}')
      expect((await ask('/', { headers: bearer() })).text).toBe('{"subject":"good"}')
      for (const [headers, status] of [
        [bearer('bad'), 401],
        [bearer('unclear'), 503],
        [['Authorization', 'Bearer a b'], 400],
        [[...bearer(), ...bearer()], 400],
      ] as const)
        expect((await ask('/', { headers })).status).toBe(status)
    })

    it('answers 401 to an anonymous request if a scope is needed', async () => {
      const ask = await start(gateOf({ optional: true }))
      const { status, challenges } = await ask('/admin')
      expect([status, challenges]).toEqual([401, ['Bearer realm="api"']])
    })
  })

  describe('resource', () => {
    const RESOURCE = 'https://API.example.com/v1/'
    const PATH = '/.well-known/oauth-protected-resource/v1'
    const METADATA = 'https://api.example.com/.well-known/oauth-protected-resource/v1'
    const settings = {
      resource: {
        resource: RESOURCE,
        authorization_servers: ['https://id.example.com'],
        resource_name: 'Messages',
      },
      requirement: scope('good'),
    }

    it('publishes the metadata of the resource without a token (J01, J02, J03, O01, O09)', async () => {
      const ask = await start(gateOf(settings))
      const { status, headers, text } = await ask(`${PATH}?x=1`)
      expect(status).toBe(200)
      expect(headers['content-type']).toMatch(/^application\/json/)
      expect(headers['access-control-allow-origin']).toBe('*')
      expect(JSON.parse(text)).toEqual({
        resource: 'https://api.example.com/v1',
        authorization_servers: ['https://id.example.com'],
        bearer_methods_supported: ['header'],
        scopes_supported: ['good'],
        resource_name: 'Messages',
      })
    })

    it('answers HEAD and preflights for the metadata, and 405 to other methods', async () => {
      const ask = await start(gateOf(settings))
      expect(await ask(PATH, { method: 'HEAD' })).toMatchObject({
        status: 200,
        headers: { 'access-control-allow-origin': '*' },
      })
      expect(await ask(PATH, PREFLIGHT)).toMatchObject({
        status: 204,
        headers: { 'access-control-allow-methods': 'GET, HEAD, OPTIONS' },
      })
      expect(await ask(PATH, { method: 'POST' })).toMatchObject({
        status: 405,
        headers: { allow: 'GET, HEAD, OPTIONS' },
      })
    })

    it.each([
      `${PATH}/`,
      `/${PATH}`,
      PATH.toUpperCase(),
      PATH.replace('k', '%6B'),
      `${PATH}/x`,
      `/v1${PATH}`,
      `${PATH};a`,
    ])('serves the metadata at its path only: %s needs a token (BI14)', async (path) => {
      expect((await (await start(gateOf(settings)))(path)).status).toBe(401)
    })

    it('names the metadata in every challenge, from its configuration (J04, O02, O05)', async () => {
      const ask = await start(gateOf(settings))
      const parameter = `resource_metadata="${METADATA}"`
      for (const [headers, status] of [
        [[], 401],
        [bearer('bad'), 401],
        [bearer('admin'), 403],
        [['Authorization', 'Bearer a b'], 400],
      ] as const) {
        const answer = await ask('/', { headers: [...headers, 'Host', 'evil.example.com'] })
        expect(answer.status).toBe(status)
        expect(answer.challenges[0]).toContain(parameter)
      }
      expect((await ask('/', { headers: bearer('admin') })).challenges[0]).toContain('scope="good"')
    })
  })

  describe('credentials', () => {
    it('forbids caches to store the answer to a token in the query (A05)', async () => {
      const ask = await start(gateOf({ tokenFrom: { query: true } }))
      const { status, headers } = await ask('/?access_token=good')
      expect(status).toBe(200)
      expect(headers['cache-control']).toBe('private, no-store')
      expect(headers['referrer-policy']).toBe('no-referrer')
      const other = await ask('/', { headers: bearer() })
      expect([other.status, other.headers['referrer-policy']]).toEqual([200, undefined])
    })

    it('forbids caches to store the answer to a token in the query, even if the handler allows it (A05)', async () => {
      const ask = await start(gateOf({ tokenFrom: { query: true } }))
      const { headers } = await ask('/public?access_token=good')
      expect(headers['cache-control']).toBe('private, no-store')
      expect((await ask('/public', { headers: bearer() })).headers['cache-control']).toBe(
        'public, max-age=60',
      )
    })

    it('accepts a token in a form, and never in JSON (A04)', async () => {
      const ask = await start(gateOf({ tokenFrom: { form: true } }))
      expect((await ask('/', { method: 'POST', headers: FORM, body: 'access_token=good' })).text).toBe(
        '{"subject":"good"}',
      )
      for (const body of ['{"access_token":{"$ne":null}}', '{"access_token":"good"}'])
        expect(
          (await ask('/', { method: 'POST', headers: ['Content-Type', 'application/json'], body })).status,
        ).toBe(401)
    })

    it('rejects a token in a form if it is not a string after parsing (A04)', async () => {
      const ask = await start(gateOf({ tokenFrom: { form: true } }))
      const { status } = await ask('/', { method: 'POST', headers: FORM, body: 'access_token%5B%24ne%5D=' })
      expect(status).toBe(name.startsWith('Express') ? 400 : 401)
    })

    it('accepts a token in a cookie', async () => {
      const ask = await start(gateOf({ tokenFrom: { cookie: 'session' } }))
      expect((await ask('/', { headers: ['Cookie', 'a=b; session=good'] })).text).toBe('{"subject":"good"}')
    })

    it('answers 400 to tokens in two places (A03)', async () => {
      const ask = await start(gateOf({ tokenFrom: { query: true, cookie: 'session', form: true } }))
      const { status, challenges } = await ask('/?access_token=good', { headers: bearer() })
      expect([status, challenges[0]]).toEqual([400, expect.stringContaining('error="invalid_request"')])
      expect((await ask('/?access_token=good', { headers: ['Cookie', 'session=good'] })).status).toBe(400)
      expect(
        (await ask('/', { method: 'POST', headers: [...FORM, ...bearer()], body: 'access_token=good' }))
          .status,
      ).toBe(400)
    })
  })

  describe('revocation', () => {
    it('calls isRevoked for each request', async () => {
      let answer = (): unknown => false
      const ask = await start(gateOf({ isRevoked: () => answer() }))
      const status = async () => (await ask('/', { headers: bearer() })).status
      expect(await status()).toBe(200)
      for (const [next, expected] of [
        [true, 401],
        [Promise.resolve(true), 401],
        [Promise.resolve(false), 200],
        ['no', 503],
        [undefined, 503],
      ] as const) {
        answer = () => next
        expect(await status()).toBe(expected)
      }
      answer = () => Promise.reject(new Error('down'))
      expect(await status()).toBe(503)
    })

    it('rejects a revoked token (FX53)', async () => {
      const gate = gateOf()
      const ask = await start(gate)
      const status = async (token: string) => (await ask('/', { headers: bearer(token) })).status
      void gate.revoke('good')
      expect([await status('good'), await status('admin')]).toEqual([401, 200])
      void gate.revoke({ tokenId: 'id of admin' })
      expect(await status('admin')).toBe(401)
    })
  })

  describe('CORS', () => {
    it('answers a preflight like any other request without allowPreflight (B13)', async () => {
      const ask = await start(gateOf())
      expect((await ask('/', PREFLIGHT)).status).toBe(401)
    })

    it('exposes the challenge with exposeChallenge, in addition to the headers that are exposed already', async () => {
      const plain = await start(gateOf())
      expect((await plain('/')).headers['access-control-expose-headers']).toBeUndefined()
      const ask = await start(gateOf({ exposeChallenge: true }), { exposed: 'X-Total' })
      const expected = name === 'fetch' ? 'WWW-Authenticate' : 'X-Total, WWW-Authenticate'
      expect((await ask('/')).headers['access-control-expose-headers']).toBe(expected)
      expect(
        (await ask('/', { headers: bearer('unclear') })).headers['access-control-expose-headers'],
      ).toContain('Retry-After')
    })
  })

  it('asks for a more recent authentication (J06)', async () => {
    const { status, challenges } = await (await start(gateOf()))('/recent', { headers: bearer() })
    expect(status).toBe(401)
    expect(challenges).toEqual([
      'Bearer realm="api", error="insufficient_user_authentication", error_description="The operation needs a stronger or more recent authentication", max_age="60"',
    ])
  })
})

describe.each(HOSTS.filter(([name]) => name !== 'fetch'))('requireTls on %s', (_name, start) => {
  const status = async (headers: readonly string[], options = {}) => {
    const ask = await start(gateOf({ requireTls: true, allowLoopback: true }), options)
    return (await ask('/', { headers: [...bearer(), ...headers] })).status
  }

  it('rejects plain http from loopback unless allowLoopback is set (ATK09)', async () => {
    const ask = await start(gateOf({ requireTls: true }))
    expect((await ask('/', { headers: bearer() })).status).toBe(400)
    expect(await status([])).toBe(200)
  })

  it('does not use Host to decide whether a request came from loopback (ATK09)', async () => {
    const ask = await start(gateOf({ requireTls: true }))
    expect((await ask('/', { headers: [...bearer(), 'Host', 'localhost'] })).status).toBe(400)
    expect(await status(['Host', 'api.example.com'])).toBe(200)
  })

  it('does not use the scheme of an absolute-form request target (ATK09)', async () => {
    const ask = await start(gateOf({ requireTls: true }))
    expect((await ask('/', { headers: bearer(), target: 'https://api.example.com/' })).status).toBe(400)
  })

  it('calls isSecure, and answers 503 if it does not return a boolean (ATK09)', async () => {
    const byHeader = (request: RequestLike) => request.header('x-forwarded-proto') === 'https'
    const ask = await start(gateOf({ requireTls: true, isSecure: byHeader }))
    expect((await ask('/', { headers: [...bearer(), 'X-Forwarded-Proto', 'https'] })).status).toBe(200)
    expect((await ask('/', { headers: [...bearer(), 'X-Forwarded-Proto', 'http'] })).status).toBe(400)
    const odd = await start(gateOf({ requireTls: true, isSecure: async () => true }))
    expect((await odd('/', { headers: bearer() })).status).toBe(503)
  })

  it('ignores X-Forwarded-* without a trusted proxy (B17)', async () => {
    const ask = await start(gateOf({ requireTls: true }))
    const forwarded = ['X-Forwarded-Proto', 'https', 'Forwarded', 'proto=https']
    expect((await ask('/', { headers: [...bearer(), ...forwarded] })).status).toBe(400)
  })

  it.each(['Forwarded', 'Via', 'X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Real-IP'])(
    'does not count a forwarded request as local, by %s, for any Host (B17)',
    async (field) => {
      expect(await status([field, 'http'])).toBe(400)
      expect(await status([field, 'https', 'Host', 'localhost'])).toBe(400)
    },
  )

  it('trusts X-Forwarded-Proto of a trusted proxy: allows https, and answers 400 to http (B17)', async () => {
    const from = ['X-Forwarded-For', '192.0.2.7']
    expect(await status([...from, 'X-Forwarded-Proto', 'https'], { trustProxy: true })).toBe(200)
    expect(await status([...from, 'X-Forwarded-Proto', 'http'], { trustProxy: true })).toBe(400)
  })

  it('with requireTls, answers 400 to a token over http, and 401 to a request without one', async () => {
    const ask = await start(gateOf({ requireTls: true }), { trustProxy: true })
    const from = ['X-Forwarded-For', '192.0.2.7', 'X-Forwarded-Proto', 'http']
    const { status: refused, challenges } = await ask('/', { headers: [...bearer(), ...from] })
    expect([refused, challenges[0]]).toEqual([400, expect.stringContaining('error="invalid_request"')])
    expect((await ask('/', { headers: from })).status).toBe(401)
  })
})

describe('requireTls for a fetch Request', () => {
  const request = (url: string, headers: Record<string, string> = {}) =>
    new Request(url, { headers: { authorization: 'Bearer good', ...headers } })

  it.each(['https://api.example.com/', 'http://localhost:3000/', 'http://127.0.0.1/', 'http://[::1]:8080/'])(
    'with requireTls, rejects a token in a fetch Request without isSecure, for any URL: %s (ATK09)',
    (url) => {
      for (const gate of [gateOf({ requireTls: true }), gateOf({ requireTls: true, allowLoopback: true })])
        expect(gate.authenticate(request(url))).toMatchObject({ status: 400, reason: 'insecure_transport' })
    },
  )

  it('allows a token if isSecure says that the platform accepts https only (ATK09)', () => {
    const gate = gateOf({ requireTls: true, isSecure: () => true })
    expect(gate.authenticate(request('http://api.example.com/'))).toMatchObject({ ok: true })
  })

  it('rejects a view that does not say how it came', () => {
    const gate = gateOf({ requireTls: true })
    expect(gate.authenticate({ header: () => 'Bearer good' })).toMatchObject({ reason: 'insecure_transport' })
  })
})

describe('protectedResource', () => {
  it('answers at the root of an app whose gate is mounted further down', async () => {
    const gate = gateOf({ resource: 'https://api.example.com/v1' })
    const app = express5()
    app.use(bearerExpress.protectedResource(gate))
    app.use('/v1', bearerExpress.bearer(gate), (_request, response) => void response.json({}))
    app.get('/public', (_request, response) => void response.json({}))
    const ask = await serve(app)
    expect((await ask('/.well-known/oauth-protected-resource/v1')).status).toBe(200)
    expect([(await ask('/public')).status, (await ask('/v1')).status]).toEqual([200, 401])
    const koa = new Koa3()
    koa.use(bearerKoa.protectedResource({ resource: 'https://api.example.com', resource_name: 'A' }))
    koa.use((context) => {
      context.body = 'passed'
    })
    const askKoa = await serve(koa.callback())
    expect(JSON.parse((await askKoa('/.well-known/oauth-protected-resource')).text)).toMatchObject({
      resource: 'https://api.example.com',
    })
    expect((await askKoa('/')).text).toBe('passed')
  })

  it.each([
    ['a gate without a resource', gateOf()],
    ['nothing', undefined],
    ['no resource', {}],
    ['J01 a resource over http', { resource: 'http://api.example.com' }],
    ['J01 a resource with a fragment', { resource: 'https://api.example.com/#a' }],
    ['a resource with a query', { resource: 'https://api.example.com/?a' }],
    ['an unknown member', { resource: 'https://api.example.com', scopes: ['a'] }],
    [
      'an authorization server over http',
      { resource: 'https://api.example.com', authorization_servers: ['http://id.example.com'] },
    ],
    ['an empty list', { resource: 'https://api.example.com', scopes_supported: [] }],
    [
      'a flag that is a text',
      { resource: 'https://api.example.com', dpop_bound_access_tokens_required: 'yes' },
    ],
  ])('throws at start-up for %s', (_, source) => {
    for (const { protectedResource } of [bearerExpress, bearerKoa])
      expect(() => protectedResource(source as never)).toThrow(TypeError)
  })
})

describe('a resource as the audience', () => {
  it('is the default audience, in both spellings (D08, O03)', async () => {
    const gate = createGate({
      issuer: 'https://id.example.com',
      resource: 'https://API.example.com/',
      jwksUri: 'https://id.example.com/jwks',
    })
    expect(gate.describe().verifier).toMatchObject({
      audience: ['https://api.example.com', 'https://API.example.com/', 'https://api.example.com/'],
    })
    const document = gate.metadata(
      new Request('https://api.example.com/.well-known/oauth-protected-resource'),
    )
    expect(JSON.parse(document?.body ?? '')).toMatchObject({
      authorization_servers: ['https://id.example.com'],
    })
    expect(gate.describe().metadataUrl).toBe('https://api.example.com/.well-known/oauth-protected-resource')
  })

  it.each([
    ['an audience', 'urn:api', ['urn:api']],
    ['null', null, null],
  ])('%s as "audience" replaces the default audience of the resource', (_, audience, expected) => {
    const gate = createGate({
      issuer: 'https://id.example.com',
      resource: 'https://api.example.com',
      audience,
    })
    expect(gate.describe().verifier).toMatchObject({ audience: expected })
  })
})
