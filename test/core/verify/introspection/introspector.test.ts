/** Servers that answer with an error status for a token that they do not know (RFC 7662 §2.2, §2.3). */

import {
  createGate,
  type Gate,
  type IntrospectionEvent,
  introspection,
  privateKeyJwt,
} from '@bearergate/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually, pass, stopClock } from '../../../support/clock.ts'
import { type Introspector, json, startIntrospector } from '../../../support/introspector.ts'
import { AUDIENCE } from '../../../support/issuer.ts'
import { isPending } from '../../../support/pending.ts'

const GOOD = { active: true, aud: AUDIENCE, sub: 'emma' }
const CLIENT = { clientId: 'api', clientSecret: 'api-secret' }
const UNAVAILABLE = '503 unavailable'
const INACTIVE = '401 unknown_token'

let server: Introspector
let events: IntrospectionEvent[]

stopClock()
beforeEach(async () => {
  server = await startIntrospector(json(GOOD))
  events = []
})
afterEach(() => server.close())

function gateFor(options: object): Gate {
  const verifier = introspection({
    endpoint: server.endpoint,
    ...CLIENT,
    audience: AUDIENCE,
    onIntrospection: (event: IntrospectionEvent) => events.push(event),
    ...options,
  } as never)
  return createGate({ verifier })
}

let count = 0
async function outcome(gate: Gate, token = `token-${++count}`): Promise<string> {
  const decision = await gate.authenticate({ header: () => `Bearer ${token}` })
  return decision.ok ? 'ok' : `${decision.status} ${decision.reason}`
}

describe('an error status', () => {
  it('is answered 503 by default (FIELD23)', async () => {
    server.reply = json({ error: 'invalid_request' }, 400)
    expect(await outcome(gateFor({}))).toBe(UNAVAILABLE)
    expect(await outcome(gateFor({ inactiveStatus: [] }))).toBe(UNAVAILABLE)
  })

  it.each<[string, number, unknown]>([
    ['an error code', 400, { error: 'invalid_request' }],
    ['no JSON', 400, 'Bad Request'],
    ['no object', 400, '[]'],
    ['no body', 404, ''],
    ['300 KiB', 400, 'a'.repeat(300_000)],
    ['another error than that of the client', 401, { error: 'request_unauthorized' }],
    ['"active": false', 403, { active: false }],
  ])(
    'with %s is answered 401 invalid_token if "inactiveStatus" has it (FIELD23)',
    async (_, status, body) => {
      server.reply = json(body, status)
      const gate = gateFor({ inactiveStatus: [status] })
      expect(await outcome(gate)).toBe(INACTIVE)
      expect(events).toEqual([])
      server.reply = json(GOOD)
      expect(await outcome(gate)).toBe('ok')
    },
  )

  it.each<[number, object]>([
    [400, { error: 'invalid_client' }],
    [401, { error: 'invalid_client' }],
    [401, { error: 'unauthorized_client' }],
    [401, {}],
    [403, { message: 'Forbidden' }],
  ])('%d is answered 503 and reported if it blames the client secret: %j (FIELD23)', async (status, body) => {
    server.reply = json(body, status)
    expect(await outcome(gateFor({ inactiveStatus: [400, 401, 403] }))).toBe(UNAVAILABLE)
    expect(events).toMatchObject([{ type: 'failed', unauthorized: true }])
  })

  it('that "inactiveStatus" does not have is answered 503 (FIELD23)', async () => {
    const gate = gateFor({ inactiveStatus: [400] })
    for (const status of [401, 403, 404, 422, 429, 500, 302]) {
      server.reply = json({ error: 'invalid_request' }, status)
      expect(await outcome(gate)).toBe(UNAVAILABLE)
    }
  })

  it('never makes a token active (FIELD23)', async () => {
    const gate = gateFor({ inactiveStatus: [400, 401] })
    server.reply = json(GOOD, 400)
    expect(await outcome(gate)).toBe(INACTIVE)
    server.reply = json(GOOD, 401)
    expect(await outcome(gate)).toBe(UNAVAILABLE)
  })

  it('whose body stops is answered 503 after the timeout (FIELD23)', async () => {
    server.reply = (_asked, response) => void response.writeHead(400).write('{')
    const pending = outcome(gateFor({ inactiveStatus: [400] }))
    await eventually(() => server.asked.length === 1)
    pass(2.75)
    expect(await isPending(pending)).toBe(true)
    pass(0.25)
    expect(await pending).toBe(UNAVAILABLE)
  })

  it('is cached for "negativeTtl", and a known token becomes unknown again (FIELD23)', async () => {
    const gate = gateFor({ inactiveStatus: [400], cache: { ttl: 1, negativeTtl: 5 } })
    expect(await outcome(gate, 'one')).toBe('ok')
    pass(1)
    server.reply = json({}, 400)
    expect(await outcome(gate, 'one')).toBe(INACTIVE)
    pass(4.75)
    expect(await outcome(gate, 'one')).toBe(INACTIVE)
    expect(server.asked).toHaveLength(2)
    pass(0.25)
    expect(await outcome(gate, 'one')).toBe(INACTIVE)
    expect(server.asked).toHaveLength(3)
  })

  it('of a probe closes the circuit of unknown tokens, because the server is up (FIELD23)', async () => {
    const gate = gateFor({ inactiveStatus: [401] })
    server.reply = json({}, 500)
    for (let call = 0; call < 5; call += 1) await outcome(gate)
    expect(gate.describe().verifier).toMatchObject({ circuit: 'open' })
    server.reply = json({ error: 'access_denied' }, 401)
    pass(5)
    expect(await outcome(gate)).toBe(INACTIVE)
    expect(gate.describe().verifier).toMatchObject({ circuit: 'closed' })
    expect(events.at(-1)).toMatchObject({ type: 'recovered' })
  })

  it('is shown by describe() (FIELD23)', () => {
    const statusesOf = (options: object) => gateFor(options).describe().verifier
    expect(statusesOf({})).toMatchObject({ inactiveStatus: [] })
    expect(statusesOf({ inactiveStatus: [400, 404] })).toMatchObject({ inactiveStatus: [400, 404] })
  })
})

describe('"inactiveStatus"', () => {
  it.each<[unknown]>([
    [400],
    ['400'],
    [null],
    [{ 0: 400 }],
    [[399]],
    [[500]],
    [[200]],
    [[407]],
    [[408]],
    [[400, 429]],
    [['400']],
    [[400.5]],
    [[Number.NaN]],
    [[undefined]],
    [[[400]]],
  ])('throws a TypeError that names it for %j (FIELD23)', (inactiveStatus) => {
    expect(() => gateFor({ inactiveStatus })).toThrow(TypeError)
    expect(() => gateFor({ inactiveStatus })).toThrow(/"inactiveStatus" must be an array of statuses/)
  })

  it('may have 401 and 403 only together with "clientSecret" (FIELD23)', () => {
    const privateKey = { kty: 'EC', d: 'AA' }
    const authenticate = privateKeyJwt({ clientId: 'api', privateKey, algorithm: 'ES256' })
    const without = { clientId: undefined, clientSecret: undefined, authenticate }
    for (const status of [401, 403])
      expect(() => gateFor({ ...without, inactiveStatus: [400, status] })).toThrow(
        /"inactiveStatus" may contain 401 and 403 only together with "clientSecret"/,
      )
    expect(gateFor({ ...without, inactiveStatus: [400, 404, 499] }).describe().verifier).toMatchObject({
      inactiveStatus: [400, 404, 499],
    })
    const post = { authenticate: 'client_secret_post', inactiveStatus: [401] }
    expect(gateFor(post).describe().verifier).toMatchObject({ inactiveStatus: [401] })
  })

  it('is read once, at creation (FIELD23)', async () => {
    const inactiveStatus = [400]
    const gate = gateFor({ inactiveStatus })
    inactiveStatus.push(404)
    server.reply = json({}, 404)
    expect(await outcome(gate)).toBe(UNAVAILABLE)
  })
})
