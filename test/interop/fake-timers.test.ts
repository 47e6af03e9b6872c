/** Applications whose tests fake timers, with the fake timers of Vitest. Jest's are in `test/packaging/commonjs.test.ts`. */

import { createGate, type Gate, introspection } from '@bearergate/core'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { AuthorizationServer } from '../faults/authorization-server.ts'
import { tokenOf } from '../faults/client.ts'
import { json, startIntrospector } from '../support/introspector.ts'
import { AUDIENCE, createKey, type TestKey } from '../support/issuer.ts'

let key: TestKey
let issuer: AuthorizationServer
beforeEach(async () => {
  key = await createKey()
  issuer = await AuthorizationServer.start(key)
})
afterEach(async () => {
  vi.useRealTimers()
  await issuer.down()
})

const newGate = () => createGate({ issuer: issuer.origin, audience: AUDIENCE }) as Gate

async function ask(gate: Gate, token: string): Promise<string> {
  const headers = { authorization: `Bearer ${token}` }
  const decision = await gate.authenticate(new Request(AUDIENCE, { headers }))
  return decision.ok ? 'ok' : `${decision.status} ${decision.reason}`
}

/** Sends a token twice, a new one, and one that another key signed. */
async function askAll(gate: Gate): Promise<readonly string[]> {
  const token = await tokenOf(key, issuer.origin)
  const forged = await tokenOf(await createKey(), issuer.origin)
  const outcomes: string[] = []
  for (const sent of [token, token, await tokenOf(key, issuer.origin), forged])
    outcomes.push(await ask(gate, sent))
  return outcomes
}
const ANSWERED = ['ok', 'ok', 'ok', '401 invalid_signature']

it.each([
  ['before the gate is created', undefined],
  ['after the gate is created', newGate],
] as const)(
  'answers good, bad and new tokens while timers are faked %s (FIELD-HELD-17)',
  async (_, early) => {
    const before = early?.()
    vi.useFakeTimers()
    const gate = before ?? newGate()
    expect(await askAll(gate)).toEqual(ANSWERED)
  },
)

it('answers good, bad and new tokens while timers are faked after keys were fetched, and afterwards (FIELD-HELD-17)', async () => {
  const gate = newGate()
  expect(await askAll(gate)).toEqual(ANSWERED)
  vi.useFakeTimers()
  expect(await askAll(gate)).toEqual(ANSWERED)
  vi.useRealTimers()
  expect(await askAll(gate)).toEqual(ANSWERED)
})

it('lets a token expire by the faked clock, and accepts one of that time (FIELD-HELD-17)', async () => {
  const gate = newGate()
  vi.useFakeTimers()
  const token = await tokenOf(key, issuer.origin)
  expect(await ask(gate, token)).toBe('ok')
  vi.advanceTimersByTime(3_600_000)
  expect(await ask(gate, token)).toBe('401 expired')
  expect(await ask(gate, await tokenOf(key, issuer.origin))).toBe('ok')
})

it('introspects tokens while timers are faked (FIELD-HELD-17)', async () => {
  const introspector = await startIntrospector(({ form }, response) =>
    json(form.get('token') === 'good' ? { active: true, sub: 'emma' } : { active: false })(
      {} as never,
      response,
    ),
  )
  const client = { endpoint: introspector.endpoint, clientId: 'api', clientSecret: 'secret', audience: null }
  vi.useFakeTimers()
  const gate = createGate({ verifier: introspection(client) }) as Gate
  expect([await ask(gate, 'good'), await ask(gate, 'bad'), await ask(gate, 'good')]).toEqual([
    'ok',
    '401 unknown_token',
    'ok',
  ])
  vi.useRealTimers()
  await introspector.close()
})
