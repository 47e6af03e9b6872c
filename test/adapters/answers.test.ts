/** The option `answer`: bodies and header fields of the application, the same on every host. */

import {
  type AnswerFunction,
  BearerAuthError,
  createGate,
  type DecisionEvent,
  type Denied,
  type Gate,
  type Identity,
  problemDetails,
  scope,
  UnavailableError,
} from '@bearergate/core'
import { afterEach, describe, expect, it } from 'vitest'
import { identity } from '../support/identity.ts'
import { type Route, routeHosts } from '../support/routes.ts'

const verifier = {
  verify(token: string) {
    if (token === 'down') throw new UnavailableError('down', { retryAfter: 7 })
    if (token === 'bad') return { active: false, reason: 'expired' } as const
    return { active: true, identity } as const
  },
}
const gateOf = (answer?: AnswerFunction, settings: object = {}) =>
  createGate({ verifier, ...(answer && { answer }), ...settings }) as Gate<Identity | undefined>
const bearing = (token: string) => ['Authorization', `Bearer ${token}`]

describe.each(routeHosts)('$name', (host) => {
  let route: Route | undefined
  afterEach(async () => {
    await route?.close()
    route = undefined
  })

  async function ask(
    gate: Gate<Identity | undefined>,
    headers: readonly string[],
    requirement = scope('read'),
  ) {
    await route?.close()
    route = await host.start(gate, () => ({}), requirement)
    return route.send('/', { headers })
  }

  it('says in the body what to send, and nothing in the challenge, if no credentials were sent', async () => {
    const answer = await ask(gateOf(), [])
    expect(JSON.parse(answer.text)).toEqual({
      error_description: 'An access token is required. Send the header Authorization: Bearer <token>',
    })
    expect(answer.challenges).toEqual(['Bearer realm="api"'])
  })

  it.each<[string, readonly string[], number, object]>([
    ['no token', [], 401, { title: 'Unauthorized', detail: expect.stringContaining('is required') }],
    ['a bad token', bearing('bad'), 401, { title: 'Unauthorized', error: 'invalid_token' }],
    ['a malformed one', ['Authorization', 'Bearer'], 400, { title: 'Bad Request', error: 'invalid_request' }],
    ['an outage', bearing('down'), 503, { title: 'Service Unavailable', error: 'temporarily_unavailable' }],
  ])('writes problem details for %s', async (_, headers, status, expected) => {
    const [plain, problem] = [await ask(gateOf(), headers), await ask(gateOf(problemDetails), headers)]
    expect(problem.headers['content-type']).toMatch(/^application\/problem\+json/)
    expect(JSON.parse(problem.text)).toMatchObject({ status, ...expected })
    expect(JSON.parse(problem.text).detail).toBe(JSON.parse(plain.text).error_description)
    expect([problem.status, problem.challenges]).toEqual([status, plain.challenges])
    for (const name of ['cache-control', 'retry-after'])
      expect(problem.headers[name]).toBe(plain.headers[name])
  })

  it('writes the answer of a requirement of a route as well', async () => {
    const answer = await ask(gateOf(problemDetails), bearing('good'), scope('write'))
    expect(answer.status).toBe(403)
    expect(JSON.parse(answer.text)).toMatchObject({ title: 'Forbidden', error: 'insufficient_scope' })
    expect(answer.challenges[0]).toContain('scope="write"')
  })

  it('passes the denial and the request, also for the requirement of a route', async () => {
    const answer: AnswerFunction = ({ reason, status }, request) => ({
      body: `<p>${reason} ${status} für ${request?.header('x-name')}</p>`,
      headers: { 'content-type': 'text/html; charset=utf-8', 'X-Request-Id': '7' },
    })
    const named = ['X-Name', 'emma']
    const missing = await ask(gateOf(answer), named)
    expect(missing.text).toBe('<p>no_credentials 401 für emma</p>')
    expect(missing.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(missing.headers['x-request-id']).toBe('7')
    const forbidden = await ask(gateOf(answer), [...named, ...bearing('good')], scope('write'))
    expect(forbidden.text).toBe('<p>insufficient_scope 403 für emma</p>')
  })

  it('cannot change the status, the challenge, Retry-After, Cache-Control or the length', async () => {
    const headers = {
      'www-authenticate': 'Basic',
      'Retry-After': '0',
      'cache-control': 'public',
      'CDN-Cache-Control': 'public',
      'Surrogate-Control': 'max-age=60',
      'Content-Length': '1',
      'X-Mine': 'yes',
    }
    const answer = (() => ({ status: 200, body: { fine: true }, headers })) as unknown as AnswerFunction
    for (const sent of [[], bearing('bad'), bearing('down')]) {
      const [plain, custom] = [await ask(gateOf(), sent), await ask(gateOf(answer), sent)]
      expect([custom.status, custom.challenges]).toEqual([plain.status, plain.challenges])
      expect(custom.text).toBe('{"fine":true}')
      expect(custom.headers['x-mine']).toBe('yes')
      for (const name of ['cache-control', 'retry-after', 'cdn-cache-control', 'surrogate-control'])
        expect(custom.headers[name]).toBe(plain.headers[name])
    }
  })

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('broken')
      },
    ],
    ['returns a promise', async () => ({ body: 'late' })],
    ['returns a promise that rejects', () => Promise.reject(new Error('broken'))],
    ['returns nothing', () => undefined],
    ['returns a string', () => 'no'],
    ['returns null', () => null],
    ['returns a body that is no JSON', () => ({ body: { big: 1n } })],
    ['returns a body that is a number', () => ({ body: 7 })],
    ['returns a header with a line break', () => ({ body: 'a', headers: { 'X-A': 'a\r\nSet-Cookie: b=c' } })],
    ['returns a header that is no string', () => ({ body: 'a', headers: { 'X-A': 7 } })],
    ['returns a header with an impossible name', () => ({ body: 'a', headers: { 'X A': 'a' } })],
    ['returns a header outside of Latin-1', () => ({ body: 'a', headers: { 'X-A': '😀' } })],
  ])('sends the default body if the function %s', async (_, answer) => {
    const [plain, custom] = [
      await ask(gateOf(), bearing('bad')),
      await ask(gateOf(answer as AnswerFunction), bearing('bad')),
    ]
    expect(custom.text).toBe(plain.text)
    expect([custom.status, custom.challenges]).toEqual([plain.status, plain.challenges])
    expect(custom.headers['content-type']).toBe(plain.headers['content-type'])
    expect(custom.headers['x-a']).toBeUndefined()
  })

  it('leaves preflights and allowed requests alone', async () => {
    const gate = gateOf(problemDetails, { allowPreflight: { methods: ['GET'] } })
    route = await host.start(gate, () => ({ hello: 'emma' }))
    const headers = ['Origin', 'https://app.example.com', 'Access-Control-Request-Method', 'GET']
    const preflight = await route.send('/', { method: 'OPTIONS', headers })
    expect([preflight.status, preflight.text]).toEqual([204, ''])
    expect((await route.send('/', { headers: bearing('good') })).text).toBe('{"hello":"emma"}')
  })
})

describe('a denial with a custom answer', () => {
  const gate = gateOf(() => ({ body: 'sorry', headers: { 'X-Mine': 'yes' } }))

  it('keeps the default in "body", and has the text in "content" and in the Response', async () => {
    const denied = (await gate.authenticate({ header: () => 'Bearer bad' })) as Denied
    expect(denied.body).toEqual({ error: 'invalid_token', error_description: 'The access token expired' })
    expect(denied.content).toBe('sorry')
    const response = denied.toResponse()
    expect(await response.text()).toBe('sorry')
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(new BearerAuthError(denied).content).toBe('sorry')
    expect(Object.isFrozen(denied) && Object.isFrozen(denied.headers)).toBe(true)
  })

  it('is the decision that onDecision gets', async () => {
    const events: DecisionEvent[] = []
    const told = gateOf(problemDetails, { onDecision: (event: DecisionEvent) => void events.push(event) })
    const decision = await told.authenticate({ header: () => 'Bearer bad' })
    expect(events.map((event) => event.decision)).toEqual([decision])
  })
})

describe('the text for the client', () => {
  const textOf = async (settings: object, header: (name: string) => string | undefined = () => undefined) => {
    const decision = await gateOf(undefined, settings).authenticate({ header })
    return decision.ok ? 'ok' : decision.body.error_description
  }
  const good = () => 'Bearer good'

  it.each<[string, object, string]>([
    ['the name of another field', { tokenFrom: { header: 'X-API-Key' } }, 'Send it in the header X-API-Key'],
    ['no name of a cookie', { tokenFrom: { header: false, cookie: 'sid' } }, 'An access token is required'],
  ])('without credentials has %s', async (_, settings, expected) => {
    expect(await textOf(settings)).toMatch(new RegExp(`${expected}$`))
  })

  it('says role or claim if one is missing, and names a scope only in the challenge', async () => {
    const { allOf, claim, role } = await import('@bearergate/core')
    const scopeText = 'The access token does not allow this operation'
    const roleText = 'The access token lacks a role that this operation needs'
    const claimText = 'The access token lacks a claim that this operation needs'
    expect(await textOf({ requirement: scope('write') }, good)).toBe(scopeText)
    expect(await textOf({ requirement: role('admin') }, good)).toBe(roleText)
    expect(await textOf({ requirement: claim('plan', 'pro') }, good)).toBe(claimText)
    expect(await textOf({ requirement: allOf(scope('read'), claim('plan', 'pro')) }, good)).toBe(claimText)
    expect(await textOf({ requirement: allOf(role('admin'), scope('write')) }, good)).toBe(scopeText)
  })
})
