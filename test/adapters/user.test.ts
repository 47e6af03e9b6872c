/** `loadUser`: the application's user of a request, the same on every host. */

import {
  cached,
  createGate,
  type DecisionEvent,
  type Gate,
  type GateSettings,
  type Identity,
  type RequestLike,
} from '@bearergate/core'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { eventually, pass, stopClock } from '../support/clock.ts'
import { identity } from '../support/identity.ts'
import { type Route, routeHosts, type Tell } from '../support/routes.ts'

stopClock()

const verifier = { verify: () => ({ active: true, identity }) as const }
const gateOf = (settings: object = {}) => createGate({ verifier, ...settings }) as Gate<Identity | undefined>

const tellUser: Tell = ({ user }) => ({ user: user() ?? null })
const HEADERS = ['Authorization', 'Bearer a']

it('is not shown to a gate that did not decide about the request', async () => {
  const staff = createGate({ verifier, loadUser: () => ({ of: 'staff' }) })
  const customers = createGate({ verifier, loadUser: () => ({ of: 'customers' }) })
  const decision = await customers.authenticate({ header: () => 'Bearer a' })
  expect(customers.userOf(decision)).toEqual({ of: 'customers' })
  for (const gate of [staff, gateOf()]) expect(() => gate.userOf(decision)).toThrow(TypeError)
})

describe.each(routeHosts)('$name', (host) => {
  let route: Route | undefined
  afterEach(async () => {
    await route?.close()
    route = undefined
  })

  async function ask(
    gate: Gate<Identity | undefined>,
    headers: readonly string[] = HEADERS,
    tell = tellUser,
  ) {
    await route?.close()
    route = await host.start(gate, tell)
    return route.send('/mine', { headers })
  }

  it('gives a handler the user, which was loaded once by the identity and the request', async () => {
    const loadUser = vi.fn(async (caller: Identity, request: RequestLike) => ({
      name: caller.subject,
      agent: request.header('x-agent'),
    }))
    const tell: Tell = ({ user }) => ({ users: [user(), user()] })
    const { status, text } = await ask(gateOf({ loadUser }), [...HEADERS, 'X-Agent', 'test'], tell)
    expect([status, text]).toEqual([
      200,
      '{"users":[{"name":"emma","agent":"test"},{"name":"emma","agent":"test"}]}',
    ])
    expect(loadUser).toHaveBeenCalledOnce()
  })

  it.each([
    ['null', () => null],
    ['undefined', () => undefined],
    ['a promise of null', async () => null],
  ])('answers 401 invalid_token if it returns %s, or 403 as configured', async (_, loadUser) => {
    const answer = await ask(gateOf({ loadUser }))
    expect(answer.status).toBe(401)
    expect(answer.challenges[0]).toContain('error="invalid_token"')
    expect(JSON.parse(answer.text).error_description).toBe('The user of the access token is not known')
    const forbidden = await ask(gateOf({ loadUser, unknownUserStatus: 403 }))
    expect(forbidden.status).toBe(403)
    expect(forbidden.challenges[0]).toContain('error="insufficient_scope"')
  })

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('down')
      },
    ],
    ['rejects', () => Promise.reject(new Error('down'))],
    ['returns false', () => false],
    ['returns an empty list of rows', () => []],
    ['returns a promise of a string', async () => 'emma'],
  ])('answers 503 if it %s', async (_, loadUser) => {
    const answer = await ask(gateOf({ loadUser }))
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1'])
  })

  it('answers 503 if it reads the request while users are kept, because other requests would get the same user', async () => {
    for (const loadUser of [
      (_identity: Identity, request: RequestLike) => ({ tenant: request.header('x-tenant') }),
      (_identity: Identity, { url }: RequestLike) => ({ url }),
      (_identity: Identity, { method }: RequestLike) => ({ method }),
    ]) {
      const causes: unknown[] = []
      const onDecision = ({ cause }: DecisionEvent) => causes.push(cause)
      expect((await ask(gateOf({ loadUser, userTtl: 60, onDecision }))).status).toBe(503)
      expect(String(causes[0])).toContain('"loadUser" must not read the request if "userTtl" is set')
      expect((await ask(gateOf({ loadUser }))).status).toBe(200)
    }
  })

  it('answers 503 at the deadline if it never settles', async () => {
    const loadUser = vi.fn(() => new Promise(() => {}))
    let status: number | undefined
    void ask(gateOf({ loadUser, deadline: 5 })).then((answer) => {
      status = answer.status
    })
    await eventually(() => loadUser.mock.calls.length === 1)
    // Lambda waits another second for background work.
    await eventually(() => {
      pass(1)
      return status !== undefined
    })
    expect(status).toBe(503)
  })

  it('loads no user for an anonymous caller, a bad token, or one that is not enough', async () => {
    const loadUser = vi.fn(() => ({}))
    const anonymous = await ask(gateOf({ loadUser, optional: true }), [])
    expect([anonymous.status, anonymous.text]).toEqual([200, '{"user":null}'])
    const bad = { verify: () => ({ active: false, reason: 'revoked' }) as const }
    expect((await ask(gateOf({ loadUser, verifier: bad }))).status).toBe(401)
    expect((await ask(gateOf({ loadUser, requirement: () => false }))).status).toBe(403)
    expect((await ask(gateOf({ loadUser, isRevoked: () => true }))).status).toBe(401)
    expect(loadUser).not.toHaveBeenCalled()
  })

  it('throws a TypeError in the handler if the gate has no loadUser', async () => {
    const tell: Tell = ({ user }) => {
      try {
        return { user: user() }
      } catch (error) {
        return { error: String(error) }
      }
    }
    expect((await ask(gateOf(), HEADERS, tell)).text).toContain('this gate loads no user')
  })
})

describe('a gate with loadUser', () => {
  const request = { header: () => 'Bearer a' }
  const outcomeOf = async (gate: Gate) => {
    const decision = await gate.authenticate(request)
    return decision.ok ? gate.userOf(decision) : decision.reason
  }
  const counted = () => {
    let calls = 0
    return () => {
      calls += 1
      return { calls }
    }
  }
  const settled = { verifier: cached(verifier, { ttl: 600 }) }

  it('loads the user for each request by default, also of a cached token', async () => {
    const gate = createGate({ ...settled, loadUser: counted() })
    expect([await outcomeOf(gate), await outcomeOf(gate)]).toEqual([{ calls: 1 }, { calls: 2 }])
  })

  it('with userTtl uses the user of a cached token again for that time', async () => {
    const gate = createGate({ ...settled, loadUser: counted(), userTtl: 60 })
    expect([await outcomeOf(gate), await outcomeOf(gate)]).toEqual([{ calls: 1 }, { calls: 1 }])
    pass(59)
    expect(await outcomeOf(gate)).toEqual({ calls: 1 })
    pass(1)
    expect(await outcomeOf(gate)).toEqual({ calls: 2 })
  })

  it('with userTtl keeps no user longer than the cached verification', async () => {
    const gate = createGate({ verifier: cached(verifier, { ttl: 10 }), loadUser: counted(), userTtl: 60 })
    await outcomeOf(gate)
    pass(10)
    expect(await outcomeOf(gate)).toEqual({ calls: 2 })
    const uncached = createGate({ verifier, loadUser: counted(), userTtl: 60 })
    await outcomeOf(uncached)
    expect(await outcomeOf(uncached)).toEqual({ calls: 2 })
  })

  it('with userTtl rejects a revoked token at once', async () => {
    const gate = createGate({ ...settled, loadUser: counted(), userTtl: 60 })
    await outcomeOf(gate)
    await gate.revoke({ token: 'a' })
    expect(await outcomeOf(gate)).toBe('revoked')
  })

  it('with userTtl asks again after it found no user, or failed', async () => {
    const answers: unknown[] = [null, new Error('down'), { name: 'emma' }, null]
    const loadUser = async () => {
      const answer = answers.shift()
      if (answer instanceof Error) throw answer
      return answer as object | null
    }
    const gate = createGate({ ...settled, loadUser, userTtl: 60 })
    const outcomes = [
      await outcomeOf(gate),
      await outcomeOf(gate),
      await outcomeOf(gate),
      await outcomeOf(gate),
    ]
    expect(outcomes).toEqual(['unknown_user', 'unavailable', { name: 'emma' }, { name: 'emma' }])
  })

  it('decides at once if loadUser does', () => {
    const decision = createGate({ verifier, loadUser: () => ({}) }).authenticate(request)
    expect(decision).not.toBeInstanceOf(Promise)
  })

  it('reports an unknown user and a failure to load it, and shows no user', async () => {
    const events: DecisionEvent[] = []
    const settings = { verifier, onDecision: (event: DecisionEvent) => void events.push(event) }
    const down = new Error('down')
    await outcomeOf(createGate({ ...settings, loadUser: () => null }))
    await outcomeOf(createGate({ ...settings, loadUser: () => Promise.reject(down) }))
    await outcomeOf(createGate({ ...settings, loadUser: () => ({ email: 'emma@example.com' }) }))
    expect(events.map(({ decision }) => (decision.ok ? 'ok' : decision.reason))).toEqual([
      'unknown_user',
      'unavailable',
      'ok',
    ])
    expect(events[1]?.cause).toBe(down)
    expect(JSON.stringify(events)).not.toContain('example.com')
  })

  it.each<[string, GateSettings<Identity, false, object>, RegExp]>([
    ['userTtl alone', { userTtl: 5 }, /"userTtl" has no effect without "loadUser"/],
    ['unknownUserStatus alone', { unknownUserStatus: 403 }, /"unknownUserStatus" has no effect/],
    [
      'a userTtl of a day',
      { loadUser: () => null, userTtl: 86_400 },
      /"userTtl" must be a number of seconds from 0 to 3600/,
    ],
    [
      'a status of 404',
      { loadUser: () => null, unknownUserStatus: 404 as 403 },
      /"unknownUserStatus" must be/,
    ],
    ['a loadUser that is no function', { loadUser: {} as never }, /"loadUser" must be a function/],
  ])('throws a TypeError at creation for %s', (_, settings, message) => {
    expect(() => createGate({ verifier, ...settings })).toThrow(message)
  })
})
