/** Lambda handlers and authorizers, with events of every shape that API Gateway, load balancers and function URLs send. */

import {
  createGate,
  type Gate,
  type Identity,
  type RequestLike,
  scope,
  UnavailableError,
} from '@bearergate/core'
import { fromLambdaEvent, lambda, lambdaAuthorizer } from '@bearergate/core/lambda'
import { describe, expect, it, vi } from 'vitest'
import { eventually, pass, stopClock } from '../../support/clock.ts'
import { AUDIENCE, createKey, ISSUER } from '../../support/issuer.ts'
import { isPending } from '../../support/pending.ts'

stopClock()

const identity: Identity = {
  kind: 'jwt',
  subject: 'emma',
  issuer: 'https://id.example.com',
  clientId: 'web',
  tokenId: 'one',
  audience: ['https://api.example.com'],
  scopes: ['read', 'write'],
  roles: ['editor'],
  expiresAt: 4_000_000_000,
  claims: { plan: 'pro' },
}

const gateOf = (settings: object = {}): Gate =>
  createGate({
    verifier: {
      verify(token: string) {
        if (token === 'unclear') throw new UnavailableError('down', { retryAfter: 3 })
        return token === 'good' ? { active: true, identity } : { active: false, reason: 'unknown_token' }
      },
    },
    ...settings,
  }) as Gate

/** Makes the event of one kind of a request. */
type Make = (request: {
  headers?: readonly (readonly [string, string])[]
  method?: string
  path?: string
  query?: string
  body?: string
  cookie?: string
}) => Record<string, unknown>

const lists = (pairs: readonly (readonly [string, string])[]) => {
  const all: Record<string, string[]> = {}
  for (const [name, value] of pairs) all[name] = [...(all[name] ?? []), value]
  return all
}
const pairsOf = (query: string) => [...new URLSearchParams(query)] as [string, string][]

const SHAPES: readonly (readonly [string, Make])[] = [
  [
    'API Gateway REST (1.0)',
    ({ headers = [], method = 'GET', path = '/', query = '', body, cookie }) => {
      const all = [...headers, ...(cookie === undefined ? [] : [['Cookie', cookie] as const])]
      return {
        resource: '/{proxy+}',
        path,
        httpMethod: method,
        headers: Object.fromEntries(all),
        multiValueHeaders: lists(all),
        queryStringParameters: query === '' ? null : Object.fromEntries(pairsOf(query)),
        multiValueQueryStringParameters: query === '' ? null : lists(pairsOf(query)),
        requestContext: { stage: 'prod', path: `/prod${path}`, httpMethod: method },
        body: body ?? null,
        isBase64Encoded: false,
      }
    },
  ],
  [
    'API Gateway HTTP and function URLs (2.0)',
    ({ headers = [], method = 'GET', path = '/', query = '', body, cookie }) => ({
      version: '2.0',
      routeKey: '$default',
      rawPath: path,
      rawQueryString: query,
      headers: Object.fromEntries(
        Object.entries(lists(headers.map(([name, value]) => [name.toLowerCase(), value] as const))).map(
          ([name, values]) => [name, values.join(',')],
        ),
      ),
      ...(cookie === undefined ? {} : { cookies: cookie.split('; ') }),
      requestContext: { http: { method, path }, stage: '$default' },
      ...(body === undefined ? {} : { body: btoa(body) }),
      isBase64Encoded: body !== undefined,
    }),
  ],
  [
    'a load balancer',
    ({ headers = [], method = 'GET', path = '/', query = '', body = '', cookie }) => ({
      requestContext: { elb: { targetGroupArn: 'arn:aws:elasticloadbalancing:a:1:targetgroup/b/c' } },
      httpMethod: method,
      path,
      queryStringParameters: Object.fromEntries(
        query === '' ? [] : query.split('&').map((pair) => pair.split('=')),
      ),
      headers: Object.fromEntries([
        ['x-forwarded-proto', 'https'],
        ...headers.map(([name, value]) => [name.toLowerCase(), value]),
        ...(cookie === undefined ? [] : [['cookie', cookie]]),
      ]),
      body,
      isBase64Encoded: false,
    }),
  ],
  [
    'a load balancer with lists of values',
    ({ headers = [], method = 'GET', path = '/', query = '', body = '', cookie }) => ({
      requestContext: { elb: {} },
      httpMethod: method,
      path,
      multiValueQueryStringParameters: lists(
        (query === '' ? [] : query.split('&')).map((pair) => pair.split('=') as [string, string]),
      ),
      multiValueHeaders: lists([
        ['x-forwarded-proto', 'https'],
        ...headers.map(([name, value]) => [name.toLowerCase(), value] as const),
        ...(cookie === undefined ? [] : [['cookie', cookie] as const]),
      ]),
      body,
      isBase64Encoded: false,
    }),
  ],
]

const GOOD = [['Authorization', 'Bearer good']] as const
const hello = (_event: unknown, who: Identity | undefined) => ({
  statusCode: 200,
  headers: { 'cache-control': 'public' },
  body: JSON.stringify({ hello: who?.subject ?? null }),
})

async function ask(gate: Gate, event: unknown) {
  const result = await lambda(gate, hello)(event as never)
  const fields = { ...result.headers } as Record<string, string>
  return { ...result, challenge: fields['WWW-Authenticate'], fields }
}

describe.each(SHAPES)('an event of %s', (name, make) => {
  it('calls the handler with the event, the identity and the context if the token is valid', async () => {
    const handler = vi.fn((_event: unknown, _identity: unknown, _context: object) => 'mine')
    const event = make({ headers: GOOD })
    const context = { awsRequestId: 'a' }
    expect(await lambda(gateOf(), handler)(event as never, context)).toBe('mine')
    expect(handler).toHaveBeenCalledWith(event, expect.objectContaining(identity), context)
  })

  it.each([
    ['no credentials', [], 401, 'Bearer realm="api"'],
    ['another scheme', [['Authorization', 'Basic abc']], 401, 'Bearer realm="api"'],
    ['an invalid token', [['Authorization', 'Bearer bad']], 401, 'error="invalid_token"'],
    ['a scheme without a token', [['Authorization', 'Bearer']], 400, 'error="invalid_request"'],
    ['a malformed token', [['Authorization', 'Bearer a b']], 400, 'error="invalid_request"'],
  ] as const)(
    'with %s is answered with a challenge (A10, A11, A12)',
    async (_, headers, status, challenge) => {
      const answer = await ask(gateOf(), make({ headers }))
      expect(answer.statusCode).toBe(status)
      expect(answer.challenge).toContain(challenge)
      expect(answer.fields['Content-Type']).toBe('application/json')
      expect(() => JSON.parse(answer.body)).not.toThrow()
    },
  )

  it('answers 503 with Retry-After if the token cannot be checked (B15)', async () => {
    const answer = await ask(gateOf(), make({ headers: [['Authorization', 'Bearer unclear']] }))
    expect([answer.statusCode, answer.fields['Retry-After']]).toEqual([503, '3'])
  })

  it('reads the header in any case of its name (B01)', async () => {
    for (const field of ['authorization', 'AUTHORIZATION', 'aUtHoRiZaTiOn'])
      expect((await ask(gateOf(), make({ headers: [[field, 'bearer good']] }))).statusCode).toBe(200)
  })

  it('serves the metadata of the resource (RFC 9728, J02)', async () => {
    const gate = gateOf({ resource: 'https://api.example.com/v1' })
    const path = '/.well-known/oauth-protected-resource/v1'
    const answer = await ask(gate, make({ path }))
    expect(answer.statusCode).toBe(200)
    expect(JSON.parse(answer.body)).toMatchObject({ resource: 'https://api.example.com/v1' })
    expect((await ask(gate, make({ path, method: 'POST' }))).statusCode).toBe(405)
  })

  it('accepts a token in the form, the query or a cookie only if configured (A04, A05)', async () => {
    const form = [['Content-Type', 'application/x-www-form-urlencoded']] as const
    const gate = gateOf({ tokenFrom: { form: true, query: true, cookie: 'session' } })
    const sent = [
      make({ headers: form, method: 'POST', body: 'a=b&access_token=good' }),
      make({ cookie: 'a=b; session=good' }),
      make({ query: 'a=%20b&access_token=good' }),
    ]
    for (const event of sent) expect((await ask(gate, event)).statusCode).toBe(200)
    for (const event of sent) expect((await ask(gateOf(), event)).statusCode).toBe(401)
    const answer = await ask(gate, sent[2])
    expect(answer.fields).toMatchObject({
      'Cache-Control': 'private, no-store',
      'Referrer-Policy': 'no-referrer',
    })
    expect(answer.fields['cache-control']).toBeUndefined()
    const twice = make({ headers: GOOD, query: 'access_token=good' })
    expect((await ask(gate, twice)).statusCode).toBe(400)
  })

  it('counts as TLS unless a load balancer says otherwise (A15)', async () => {
    const gate = gateOf({ requireTls: true })
    expect((await ask(gate, make({ headers: GOOD }))).statusCode).toBe(200)
    const plain = make({ headers: [...GOOD, ['x-forwarded-proto', 'http']] })
    expect((await ask(gate, plain)).statusCode).toBe(name.startsWith('a load') ? 400 : 200)
  })
})

it.each([
  ['VPC Lattice', { requestContext: { serviceArn: 'arn:aws:vpc-lattice:a:1:service/b', region: 'a' } }],
  ['an unknown kind', {}],
])('an event of %s does not count as TLS, even if its headers say https (A15)', async (_, event) => {
  const lattice = {
    ...event,
    method: 'GET',
    headers: { authorization: 'Bearer good', 'x-forwarded-proto': 'https' },
  }
  expect((await ask(gateOf({ requireTls: true }), lattice)).statusCode).toBe(400)
  expect((await ask(gateOf({ requireTls: true, isSecure: () => true }), lattice)).statusCode).toBe(200)
})

describe('an event with two Authorization headers', () => {
  const twice = [...GOOD, ['Authorization', 'Bearer good']] as const
  it.each(SHAPES.filter(([name]) => name !== 'a load balancer'))(
    'is answered 400: %s (A03, B07, BI03)',
    async (_, make) => {
      expect((await ask(gateOf(), make({ headers: twice }))).statusCode).toBe(400)
    },
  )

  it('is answered 400 if their names differ in case (B07)', async () => {
    const headers = { Authorization: 'Bearer good', authorization: 'Bearer good' }
    expect((await ask(gateOf(), { httpMethod: 'GET', path: '/', headers })).statusCode).toBe(400)
  })
})

describe('a malformed event', () => {
  it.each([
    undefined,
    null,
    7,
    'event',
    [],
    {},
    { version: '3.0' },
    { headers: null },
    { headers: 'Authorization: Bearer good' },
    { headers: ['Bearer good'] },
    { headers: { authorization: null } },
    { multiValueHeaders: { authorization: [] } },
    { requestContext: null },
    { version: '2.0', requestContext: { http: 7 }, cookies: 'session=good' },
  ])('without credentials is answered 401: %j (BI02)', async (event) => {
    const gate = gateOf({ resource: 'https://api.example.com' })
    expect((await ask(gate, event)).statusCode).toBe(401)
    const policy = lambdaAuthorizer(gate, { response: 'policy' })
    await expect(policy(event as never)).rejects.toThrow(/^Unauthorized$/)
  })

  it.each([
    [{ headers: { authorization: 7 } }],
    [{ headers: { authorization: ['Bearer good', 'Bearer good'] } }],
    [{ headers: { authorization: {} } }],
    [{ multiValueHeaders: { authorization: [7] } }],
    [{ multiValueHeaders: { authorization: 'Bearer good'.split('') } }],
    [{ headers: { authorization: `Bearer ${'a'.repeat(1 << 20)}` } }],
  ])('with malformed credentials is answered 400: %# (BI02, BI10)', async (event) => {
    expect((await ask(gateOf(), event)).statusCode).toBe(400)
  })

  it.each([
    [{ body: '%%%', isBase64Encoded: true }],
    [{ path: 7, queryStringParameters: 'a=b' }],
    [{ rawPath: '/', rawQueryString: 7 }],
    [{ body: 7 }],
  ])('without credentials in header, form, query and cookie is answered 401: %j (BI02)', async (more) => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const event = { httpMethod: 'POST', headers: form, ...more }
    const gate = gateOf({ tokenFrom: { form: true, query: true, cookie: 'session' } })
    expect((await ask(gate, event)).statusCode).toBe(401)
  })

  it('throws at creation without a handler (BI20)', () => {
    expect(() => lambda(gateOf(), undefined as never)).toThrow('"handler" must be a function')
  })
})

describe('the result of a handler', () => {
  const gate = gateOf({ tokenFrom: { query: true } })
  const event = { version: '2.0', rawPath: '/', rawQueryString: 'access_token=good', headers: {} }
  it.each([
    ['a text', 'hello', 'hello'],
    ['an object', { hello: 1 }, '{"hello":1}'],
    ['nothing', undefined, 'null'],
  ])('that is %s gets the required headers', async (_, given, body) => {
    expect(await lambda(gate, () => given)(event)).toMatchObject({
      statusCode: 200,
      headers: { 'Cache-Control': 'private, no-store' },
      body,
    })
  })

  it('keeps its multi-value headers except the required ones', async () => {
    const given = {
      statusCode: 200,
      headers: { 'X-A': 'b' },
      multiValueHeaders: { 'Set-Cookie': ['a=1', 'b=2'], 'cache-control': ['public'] },
      body: '',
    }
    const rest = { httpMethod: 'GET', path: '/', queryStringParameters: { access_token: 'good' } }
    expect(await lambda(gate, () => given)(rest)).toEqual({
      ...given,
      headers: { 'X-A': 'b', 'Cache-Control': 'private, no-store', 'Referrer-Policy': 'no-referrer' },
      multiValueHeaders: { 'Set-Cookie': ['a=1', 'b=2'] },
    })
    const balancer = { ...rest, requestContext: { elb: {} }, multiValueHeaders: {} }
    expect(await lambda(gate, () => given)(balancer)).toMatchObject({
      multiValueHeaders: {
        'Set-Cookie': ['a=1', 'b=2'],
        'X-A': ['b'],
        'Cache-Control': ['private, no-store'],
        'Referrer-Policy': ['no-referrer'],
      },
    })
  })

  it('is unchanged if no header is required', async () => {
    expect(await lambda(gateOf(), () => 'hello')({ headers: { authorization: 'Bearer good' } })).toBe('hello')
  })

  it('rejects with the error that the handler threw', async () => {
    const handler = () => Promise.reject(new Error('mine'))
    const sent = { headers: { authorization: 'Bearer good' } }
    await expect(lambda(gateOf(), handler)(sent)).rejects.toThrow('mine')
  })
})

describe('fromLambdaEvent', () => {
  it('returns path and query as they were sent, encoded once', () => {
    const rest = { path: '/a', multiValueQueryStringParameters: { b: ['c d', '&'] }, httpMethod: 'GET' }
    expect(fromLambdaEvent(rest).url).toBe('/a?b=c+d&b=%26')
    const balancer = {
      ...rest,
      multiValueQueryStringParameters: { b: ['c%20d'] },
      requestContext: { elb: {} },
    }
    expect(fromLambdaEvent(balancer).url).toBe('/a?b=c%20d')
    expect(fromLambdaEvent({ rawPath: '/a', rawQueryString: 'b=c' }).url).toBe('/a?b=c')
  })
})

describe('lambdaAuthorizer', () => {
  const ARN = 'arn:aws:execute-api:eu-central-1:123456789012:abcdef/prod/GET/messages/1'
  const token = (text: string) => ({ type: 'TOKEN', authorizationToken: `Bearer ${text}`, methodArn: ARN })
  const request = (text: string) => ({
    type: 'REQUEST',
    methodArn: ARN,
    headers: { Authorization: `Bearer ${text}` },
    httpMethod: 'GET',
    path: '/messages/1',
  })
  const http = (text: string) => ({
    version: '2.0',
    type: 'REQUEST',
    routeArn: ARN,
    headers: { authorization: `Bearer ${text}` },
    rawPath: '/messages/1',
  })
  const CONTEXT = {
    subject: 'emma',
    issuer: 'https://id.example.com',
    clientId: 'web',
    tokenId: 'one',
    scopes: 'read write',
    roles: '["editor"]',
    expiresAt: '4000000000',
    claims: '{"plan":"pro"}',
  }

  it.each([
    ['TOKEN', token],
    ['REQUEST', request],
  ] as const)('returns a policy that allows the method of a %s event', async (_, of) => {
    expect(await lambdaAuthorizer(gateOf())(of('good'))).toEqual({
      principalId: 'emma',
      policyDocument: {
        Version: '2012-10-17',
        Statement: [{ Action: 'execute-api:Invoke', Effect: 'Allow', Resource: ARN }],
      },
      context: CONTEXT,
    })
  })

  it('allows the whole stage with allow: "stage"', async () => {
    expect(await lambdaAuthorizer(gateOf(), { policyScope: 'stage' })(token('good'))).toMatchObject({
      policyDocument: {
        Statement: [{ Resource: 'arn:aws:execute-api:eu-central-1:123456789012:abcdef/prod/*' }],
      },
    })
  })

  it.each(['bad', '', 'a b'])(
    'throws Unauthorized, which API Gateway answers 401, for the token %j',
    async (text) => {
      for (const of of [token, request])
        await expect(lambdaAuthorizer(gateOf())(of(text))).rejects.toThrow(/^Unauthorized$/)
    },
  )

  it('returns a policy that denies, which API Gateway answers 403, if the scope is insufficient', async () => {
    const gate = gateOf({ requirement: scope('admin') })
    expect(await lambdaAuthorizer(gate)(token('good'))).toMatchObject({
      policyDocument: { Statement: [{ Effect: 'Deny' }] },
      context: {},
    })
  })

  it('throws an error without the token if it cannot be checked (B15)', async () => {
    for (const of of [token, request, http])
      await expect(lambdaAuthorizer(gateOf())(of('unclear'))).rejects.toThrow('could not be checked')
  })

  it('returns the simple response to an HTTP API', async () => {
    expect(await lambdaAuthorizer(gateOf())(http('good'))).toEqual({ isAuthorized: true, context: CONTEXT })
    expect(await lambdaAuthorizer(gateOf())(http('bad'))).toEqual({ isAuthorized: false, context: {} })
    expect(await lambdaAuthorizer(gateOf(), { response: 'policy' })(http('good'))).toMatchObject({
      policyDocument: { Statement: [{ Resource: ARN }] },
    })
  })

  it('authorizes no preflight, since its answer is cached for the token that came with it (B13, ATK01)', async () => {
    const gate = gateOf({ allowPreflight: { methods: ['POST'] } })
    const preflight = { Origin: 'https://web.example.com', 'Access-Control-Request-Method': 'POST' }
    for (const of of [request, http]) {
      const event = of('bad')
      const asked = { ...event, httpMethod: 'OPTIONS', requestContext: { http: { method: 'OPTIONS' } } }
      const headers = { ...event.headers, ...preflight }
      const answer = lambdaAuthorizer(gate)({ ...asked, headers })
      if (of === request) await expect(answer).rejects.toThrow(/^Unauthorized$/)
      else expect(await answer).toEqual({ isAuthorized: false, context: {} })
    }
  })

  it('encodes roles and scopes so that none of them becomes two', async () => {
    const odd = { ...identity, scopes: ['read', 'a b'], roles: ['Billing admin'] }
    const gate = createGate({ verifier: { verify: () => ({ active: true, identity: odd }) } })
    expect(await lambdaAuthorizer(gate)(http('good'))).toMatchObject({
      context: { scopes: 'read', roles: '["Billing admin"]' },
    })
  })

  it('throws at creation for impossible options (BI20)', () => {
    for (const options of [{ response: 'both' }, { allow: 'all' }, { ttl: 5 }, null, []])
      expect(() => lambdaAuthorizer(gateOf(), options as never)).toThrow(TypeError)
  })
})

describe('background work', () => {
  const handlers = [
    ['lambda', (gate: Gate) => lambda(gate, hello)],
    ['lambdaAuthorizer', (gate: Gate) => lambdaAuthorizer(gate, { response: 'simple' })],
  ] as const
  const EVENT = { version: '2.0', headers: { authorization: 'Bearer good' } }

  it.each(handlers)('of %s is done before the answer', async (_, handle) => {
    const key = await createKey('ES256')
    let saved = () => {}
    const save = vi.fn(
      () =>
        new Promise<void>((resolve) => {
          saved = resolve
        }),
    )
    const gate = createGate({
      issuer: ISSUER,
      audience: AUDIENCE,
      jwksUri: `${ISSUER}/jwks`,
      fetch: async () => Response.json({ keys: [key.jwk] }),
      jwksStore: { get: () => undefined, set: save },
    })
    const answer = handle(gate)({ ...EVENT, headers: { authorization: `Bearer ${await key.sign()}` } })
    await eventually(() => save.mock.calls.length === 1)
    expect(await isPending(answer)).toBe(true)
    saved()
    expect(await answer).toMatchObject(
      handle === handlers[0][1] ? { statusCode: 200 } : { isAuthorized: true },
    )
  })

  it.each(handlers)(
    'of %s delays one answer in 30 s, by 1 s at most, if it does not end',
    async (_, handle) => {
      const verify = () => ({ active: true, identity }) as const
      const underWay = new Promise<never>(() => {})
      const invoke = handle(createGate({ verifier: { verify, backgroundWork: underWay } }))
      const delayed = async () => {
        const answer = invoke(EVENT)
        await isPending(answer)
        pass(0.75)
        expect(await isPending(answer)).toBe(true)
        pass(0.25)
        await answer
      }
      await delayed()
      await invoke(EVENT)
      pass(29.75)
      await invoke(EVENT)
      pass(0.25)
      await delayed()
      await invoke(EVENT)
    },
  )

  it('that rejects delays no answer', async () => {
    const verify = () => ({ active: true, identity }) as const
    const underWay = Promise.reject(new Error('no'))
    const gate = createGate({ verifier: { verify, backgroundWork: underWay } })
    expect(await lambda(gate, hello)(EVENT)).toMatchObject({ statusCode: 200 })
  })
})

it('serves the metadata of the resource behind a named stage of an HTTP API (RFC 9728, J02)', async () => {
  const gate = gateOf({ resource: 'https://api.example.com/v1' })
  const at = (rawPath: string, stage: string) =>
    ask(gate, { version: '2.0', rawPath, requestContext: { stage, http: { method: 'GET', path: rawPath } } })
  const path = '/.well-known/oauth-protected-resource/v1'
  for (const [rawPath, stage] of [
    [`/prod${path}`, 'prod'],
    [path, 'prod'],
    [path, '$default'],
  ] as const)
    expect((await at(rawPath, stage)).statusCode).toBe(200)
  for (const [rawPath, stage] of [
    [`/production${path}`, 'prod'],
    [`/prod${path}`, '$default'],
    ['/prod', 'prod'],
  ] as const)
    expect((await at(rawPath, stage)).statusCode).toBe(401)
})

it('an authorizer leaves out claims that JSON cannot represent (FX56)', async () => {
  const odd = { ...identity, claims: { rows: 1n } }
  const gate = createGate({ verifier: { verify: () => ({ active: true, identity: odd }) as const } })
  const answer = await lambdaAuthorizer(gate, { response: 'simple' })({
    headers: { authorization: 'Bearer good' },
  })
  expect(answer).toMatchObject({ isAuthorized: true, context: { subject: 'emma' } })
  expect(answer.context).not.toHaveProperty('claims')
})

it('escapes IAM wildcards in the path that a client asked for', async () => {
  const event = (path: string) => ({
    type: 'REQUEST',
    methodArn: `arn:aws:execute-api:eu-central-1:1:abc/prod/GET/items/${path}`,
    headers: { authorization: 'Bearer good' },
  })
  const authorizer = lambdaAuthorizer(gateOf(), { response: 'policy' })
  for (const [path, literal] of [
    ['*', '$' + '{*}'],
    ['a?', 'a$' + '{?}'],
    ['$' + '{aws:username}', '$' + '{$}{aws:username}'],
  ] as const) {
    const { policyDocument } = await authorizer(event(path))
    expect(policyDocument.Statement[0]?.Resource).toBe(
      `arn:aws:execute-api:eu-central-1:1:abc/prod/GET/items/${literal}`,
    )
  }
})

it('keeps the stage and the method of an ARN unchanged', async () => {
  const routeArn = 'arn:aws:execute-api:eu-central-1:1:abc/$default/GET/items/$1'
  const answer = await lambdaAuthorizer(gateOf(), { response: 'policy' })({
    version: '2.0',
    routeArn,
    headers: { authorization: 'Bearer good' },
  })
  expect(answer.policyDocument.Statement[0]?.Resource).toBe(routeArn)
})

it('a TOKEN authorizer shows the token in the field of the gate only (BI19)', async () => {
  const seen: unknown[] = []
  const gate = gateOf({
    tokenFrom: { header: ['Authorization', 'X-Api-Token'] },
    requirement: (_identity: unknown, request: RequestLike) => {
      seen.push(['x-request-id', 'user-agent', 'x-api-token', 'cookie'].map((name) => request.header(name)))
      return true
    },
  })
  const event = {
    type: 'TOKEN',
    authorizationToken: 'Bearer good',
    methodArn: 'arn:aws:execute-api:a:1:b/prod/GET/',
  }
  expect(await lambdaAuthorizer(gate)(event)).toMatchObject({ principalId: 'emma' })
  expect(seen).toEqual([[undefined, undefined, undefined, undefined]])
})

it('a TOKEN authorizer counts as secure, because API Gateway accepts only TLS (A15)', async () => {
  const event = {
    type: 'TOKEN',
    authorizationToken: 'Bearer good',
    methodArn: 'arn:aws:execute-api:a:1:b/prod/GET/',
  }
  expect(await lambdaAuthorizer(gateOf({ requireTls: true }))(event)).toMatchObject({ principalId: 'emma' })
})

it('a TOKEN authorizer reads the header of the gate, and never allows an invalid token as anonymous', async () => {
  const authorizer = lambdaAuthorizer(gateOf({ tokenFrom: { header: 'x-api-token' }, optional: true }), {
    response: 'policy',
  })
  const event = (authorizationToken: string) => ({
    type: 'TOKEN',
    authorizationToken,
    methodArn: 'arn:aws:execute-api:eu-central-1:1:abc/prod/GET/',
  })
  expect(await authorizer(event('good'))).toMatchObject({ principalId: 'emma' })
  await expect(authorizer(event('bad'))).rejects.toThrow('Unauthorized')
  for (const tokenFrom of [{ header: true }, { header: false, cookie: 'session' }]) {
    const other = lambdaAuthorizer(gateOf({ tokenFrom, optional: true }), { response: 'policy' })
    await expect(other(event('bad'))).rejects.toThrow('Unauthorized')
  }
})
