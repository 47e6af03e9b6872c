/** Events and errors that say why a request was denied: which request, how long, by which requirement. */

import {
  allOf,
  BearerAuthError,
  cached,
  chain,
  claim,
  createGate,
  type DecisionEvent,
  type Gate,
  type Identity,
  maxAge,
  type Requirement,
  role,
  scope,
  UnavailableError,
} from '@bearergate/core'
import * as bearerExpress from '@bearergate/express'
import * as bearerKoa from '@bearergate/koa'
import express from 'express'
import Koa from 'koa'
import { afterEach, describe, expect, it } from 'vitest'
import { pass, stopClock } from '../support/clock.ts'
import { identity } from '../support/identity.ts'
import { type Route, routeHosts } from '../support/routes.ts'
import { listen, send } from '../support/server.ts'

stopClock()

const verifier = { verify: () => ({ active: true, identity }) as const }
type Told = DecisionEvent<Identity | undefined>

function watched(settings: object = {}) {
  const events: Told[] = []
  const onDecision = (event: Told) => void events.push(event)
  return { events, gate: createGate({ verifier, onDecision, ...settings }) as Gate<Identity | undefined> }
}

describe.each(routeHosts)('$name', (host) => {
  let route: Route | undefined
  afterEach(() => route?.close())

  it('tells the request of both stages, and the requirement that was not met', async () => {
    const { events, gate } = watched()
    route = await host.start(gate, () => ({}), allOf(scope('read'), role('admin')))
    await route.send('/mine', { headers: ['Authorization', 'Bearer a', 'X-Request-Id', '7'] })
    expect(
      events.map(({ stage, request, requirement }) => [
        stage,
        request?.header('x-request-id'),
        request?.method,
        String(request?.url).endsWith('/mine'),
        requirement,
      ]),
    ).toEqual([
      ['authenticate', '7', 'GET', true, undefined],
      ['authorize', '7', 'GET', true, 'role(admin)'],
    ])
  })
})

describe('onDecision', () => {
  const request = { header: () => 'Bearer a' }

  it('tells the duration in seconds, the time of loadUser included', async () => {
    const loadUser = async () => {
      pass(2)
      return {}
    }
    const { events, gate } = watched({ loadUser })
    await gate.authenticate(request)
    expect(events.map(({ duration }) => duration)).toEqual([2])
  })

  it('tells the duration of a requirement, and of a failure', async () => {
    const { events, gate } = watched()
    const slow = async () => {
      pass(3)
      throw new Error('down')
    }
    await gate.authorize(identity, slow)
    expect(events[0]).toMatchObject({ stage: 'authorize', duration: 3, cached: false, request: undefined })
    expect(events[0]?.cause).toEqual(new Error('down'))
  })

  it.each<[string, object]>([
    ['the Authorization field', {}],
    ['a cookie', { tokenFrom: { header: false, cookie: 'sid' } }],
  ])('tells whether the result came from the cache, with a token in %s', async (_, settings) => {
    const { events, gate } = watched({ verifier: cached(verifier, { ttl: 60 }), ...settings })
    const both = { header: (name: string) => (name === 'cookie' ? 'sid=a' : 'Bearer a') }
    for (let time = 0; time < 2; time += 1) await gate.authenticate(both)
    expect(events.map((event) => event.cached)).toEqual([false, true])
  })

  it('tells that a rejection came from the cache', async () => {
    const unknown = { verify: () => ({ active: false, reason: 'unknown_token' }) as const }
    const one = watched({ verifier: cached(unknown, { ttl: 60, negativeTtl: 60 }) })
    const other = watched({ verifier: chain(cached(unknown, { ttl: 60, negativeTtl: 60 }), verifier) })
    for (let time = 0; time < 2; time += 1) {
      await one.gate.authenticate(request)
      await other.gate.authenticate(request)
    }
    expect(one.events.map((event) => event.cached)).toEqual([false, true])
    // The second verifier of the chain accepted the token, and has no cache.
    expect(other.events.map((event) => [event.decision.ok, event.cached])).toEqual([
      [true, false],
      [true, false],
    ])
  })

  // Named by the member, because bundlers rename declarations.
  const { isOwner } = { isOwner: () => false }
  it.each<[Requirement<Identity>, string]>([
    [scope('write'), 'scope(write)'],
    [role('admin'), 'role(admin)'],
    [claim('plan', 'pro'), 'claim(plan)'],
    [maxAge(60), 'maxAge(60)'],
    [isOwner, 'isOwner'],
    [allOf(scope('read'), isOwner), 'isOwner'],
    [Object.defineProperty(() => false, 'name', { value: '' }), 'function'],
  ])('names the requirement that was not met: %#', async (requirement, name) => {
    const { events, gate } = watched({ requirement })
    await gate.authenticate(request)
    expect(events.map((event) => event.requirement)).toEqual([name])
  })

  it('tells of a request that cannot be read', async () => {
    const { events, gate } = watched()
    await gate.authenticate(null as never)
    expect(events).toMatchObject([{ stage: 'authenticate', request: undefined, decision: { status: 503 } }])
  })
})

describe('the error of onDenied: "next"', () => {
  const down = new UnavailableError('the database is down')
  const failing = (settings: object) =>
    createGate({
      verifier: {
        verify(token) {
          if (token === 'down') throw down
          return { active: false, reason: 'invalid_claim', detail: 'the claim plan' } as never
        },
      },
      onDenied: 'next',
      ...settings,
    })
  const hosts = {
    Express(gate: Gate, errors: unknown[]) {
      const app = express()
      app.use(bearerExpress.bearer(gate))
      app.use((error: unknown, _request: unknown, response: express.Response, _next: unknown) => {
        errors.push(error)
        response.end()
      })
      return app
    },
    Koa(gate: Gate, errors: unknown[]) {
      const app = new Koa()
      app.use(async (context, next) => {
        try {
          await next()
        } catch (error) {
          errors.push(error)
          context.body = ''
        }
      })
      app.use(bearerKoa.bearer(gate))
      return app.callback()
    },
  }

  it.each(Object.entries(hosts))('has detail and cause on %s, but not enumerable', async (_, host) => {
    const errors: unknown[] = []
    const { origin, close } = await listen(host(failing({}) as Gate, errors))
    for (const token of ['bad', 'down']) await send(origin, { headers: ['Authorization', `Bearer ${token}`] })
    await close()
    const [rejected, unavailable] = errors as BearerAuthError[]
    expect(rejected).toBeInstanceOf(BearerAuthError)
    expect([rejected?.detail, rejected?.cause]).toEqual(['the claim plan', undefined])
    expect([unavailable?.detail, unavailable?.cause]).toEqual([undefined, down])
    for (const error of [rejected, unavailable]) {
      expect(JSON.stringify(error)).not.toMatch(/the claim plan|database/)
      expect(Object.keys(error ?? {})).not.toContain('detail')
      expect(Object.keys(error ?? {})).not.toContain('cause')
      expect(String(error?.stack)).not.toMatch(/the claim plan|database/)
    }
  })

  it('says nothing of the detail to a client, although denials share their members', async () => {
    const decision = await failing({}).authenticate({ header: () => 'Bearer bad' })
    expect(JSON.stringify(decision)).not.toContain('plan')
    expect(!decision.ok && decision.content).not.toContain('plan')
  })
})
