/** Requirements of a route that are functions: they get the request of the host, may be asynchronous, and never end in 500. */

import { allOf, anyOf, createGate, type Gate, type Identity, type Requirement, scope } from '@bearergate/core'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { eventually, pass, stopClock } from '../support/clock.ts'
import { identity } from '../support/identity.ts'
import { type Route, routeHosts } from '../support/routes.ts'

stopClock()

const gateOf = (settings: object = {}) =>
  createGate({
    verifier: { verify: () => ({ active: true, identity }) },
    ...settings,
  }) as Gate<Identity | undefined>

const unchecked = (answer: () => unknown) => answer as () => boolean

describe.each(routeHosts)('$name', (host) => {
  let route: Route | undefined
  afterEach(async () => {
    await route?.close()
    route = undefined
  })

  async function ask(
    requirement: Requirement<Identity>,
    gate = gateOf(),
    headers = ['Authorization', 'Bearer a'],
  ) {
    route = await host.start(gate, ({ identity: caller }) => ({ hello: caller?.subject }), requirement)
    return route.send('/', { headers })
  }

  it('passes the identity and the request of the host', async () => {
    const seen: unknown[] = []
    const answer = await ask((caller, request) => {
      seen.push(caller.subject, host.isRequest(request))
      return true
    })
    expect(seen).toEqual(['emma', true])
    expect([answer.status, answer.text]).toEqual([200, '{"hello":"emma"}'])
  })

  it.each<[string, () => unknown, number]>([
    ['true', () => true, 200],
    ['false', () => false, 403],
    ['a promise of true', async () => true, 200],
    ['a promise of false', async () => false, 403],
    // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
    ['a thenable of false', () => ({ then: (done: (answer: boolean) => void) => done(false) }), 403],
    ['nothing', () => undefined, 503],
    ['a string', () => 'yes', 503],
    ['a promise of nothing', async () => undefined, 503],
    ['a promise of a number', async () => 1, 503],
    [
      'an error that it throws',
      () => {
        throw new Error('broken')
      },
      503,
    ],
    ['a rejection', () => Promise.reject(new Error('down')), 503],
    ['a rejection with undefined', () => Promise.reject(undefined), 503],
  ])('answers a function that returns %s', async (_, answerOf, expected) => {
    const answer = await ask(unchecked(answerOf))
    expect(answer.status).toBe(expected)
    if (expected === 503) expect(answer.headers['retry-after']).toBe('1')
    if (expected !== 200) expect(answer.headers['cache-control']).toBe('no-store')
    expect(answer.challenges).toHaveLength(expected === 403 ? 1 : 0)
  })

  it('answers 503 at the deadline of the gate if the function never settles', async () => {
    const called = vi.fn(() => new Promise<boolean>(() => {}))
    const answer = ask(called, gateOf({ deadline: 5 }))
    await eventually(() => called.mock.calls.length === 1)
    await pass(5)
    expect((await answer).status).toBe(503)
  })

  it('calls no function for an anonymous caller, a preflight, or a token that is not enough', async () => {
    const called = vi.fn(async () => true)
    expect((await ask(called, gateOf({ optional: true }), [])).status).toBe(401)
    const cors = gateOf({ optional: true, allowPreflight: { methods: ['GET'] } })
    await route?.close()
    route = await host.start(cors, () => ({}), called)
    const headers = ['Origin', 'https://app.example.com', 'Access-Control-Request-Method', 'GET']
    expect((await route.send('/', { method: 'OPTIONS', headers })).status).toBe(204)
    await route.close()
    const answer = await ask(allOf(called, scope('write')))
    expect(answer.status).toBe(403)
    expect(answer.challenges[0]).toContain('scope="write"')
    expect(called).not.toHaveBeenCalled()
  })

  it('combines asynchronous functions with scopes', async () => {
    expect((await ask(allOf(scope('read'), async () => true))).status).toBe(200)
    await route?.close()
    expect((await ask(allOf(scope('read'), async () => false))).status).toBe(403)
    await route?.close()
    expect((await ask(anyOf(scope('write'), async () => true))).status).toBe(200)
    await route?.close()
    const answer = await ask(anyOf(scope('write'), async () => false))
    expect(answer.challenges[0]).toContain('scope="write"')
  })
})

describe('gate.authorize', () => {
  it('answers at once for synchronous requirements, and with a promise for others', async () => {
    const gate = gateOf()
    expect(
      gate.authorize(
        identity,
        allOf(scope('read'), () => true),
      ),
    ).toMatchObject({ ok: true })
    const later = gate.authorize(identity, async (_, request) => request === 7, 7)
    expect(later).toBeInstanceOf(Promise)
    expect(await later).toMatchObject({ ok: true })
  })

  it('rejects an unknown option of a handler at start-up', () => {
    const options = { require: scope('a') } as object
    expect(() => gateOf().protect(() => new Response(), options)).toThrow(/"protect" has no option "require"/)
    const wrong = { requirement: 'read' } as object
    expect(() => gateOf().protect(() => new Response(), wrong)).toThrow(/"requirement" must be a requirement/)
  })
})

describe('the option "requirement" of a gate', () => {
  it('gets the request on every host, and may be asynchronous', async () => {
    const paths: unknown[] = []
    const gate = gateOf({
      requirement: async (caller: Identity, request: { url?: string }) => {
        paths.push(request.url)
        return caller.subject === 'emma' && request.url === '/mine'
      },
    })
    const statusOf = async (url: string) => {
      const decision = await gate.authenticate({ url, header: () => 'Bearer a' })
      return decision.ok ? 200 : decision.status
    }
    expect([await statusOf('/mine'), await statusOf('/other')]).toEqual([200, 403])
    expect(paths).toEqual(['/mine', '/other'])
  })
})
