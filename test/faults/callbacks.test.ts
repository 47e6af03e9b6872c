/** Callbacks of the application that throw, reject, never settle, return nonsense or re-enter: 503, and nothing is left unhandled. */

import {
  cached,
  createGate,
  type Decision,
  type Gate,
  type GateSettings,
  opaque,
  type TokenVerifier,
} from '@bearergate/core'
import { securityEvents } from '@bearergate/core/signals'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { eventually, pass, stopClock, time } from '../support/clock.ts'
import { signEvent } from '../support/event-token.ts'
import { AUDIENCE, createKey, ISSUER, NOW, type TestKey } from '../support/issuer.ts'
import { isPending } from '../support/pending.ts'
import { AuthorizationServer } from './authorization-server.ts'
import { observe, tokenOf } from './client.ts'

const request = (token = 'a') =>
  new Request('https://api.example.com', { headers: { authorization: `Bearer ${token}` } })
const outcomeOf = (decision: Decision) => (decision.ok ? 'ok' : decision.reason)
const ask = async (gate: Gate, token?: string) => outcomeOf(await gate.authenticate(request(token)))

stopClock()
const unhandled = vi.fn()
/** A mistake of the application is warned about, which is not a fault of the gate. */
const onWarning = (warning: Error & { code?: string }) => {
  if (warning.code !== 'BEARERGATE_MISTAKE') unhandled(warning)
}
beforeEach(() => {
  unhandled.mockClear()
  for (const event of ['unhandledRejection', 'uncaughtException']) process.on(event, unhandled)
  process.on('warning', onWarning)
})
afterEach(async () => {
  // Node reports an unhandled rejection before the next turn of its event loop.
  await new Promise((resolve) => setImmediate(resolve))
  for (const event of ['unhandledRejection', 'uncaughtException']) process.off(event, unhandled)
  process.off('warning', onWarning)
  expect(unhandled).not.toHaveBeenCalled()
})

/** What a callback may do instead of what it should. */
const FAULTS: Record<string, () => unknown> = {
  throws: () => {
    throw new Error('broken')
  },
  'throws undefined': () => {
    throw undefined
  },
  rejects: async () => {
    throw new Error('broken')
  },
  'rejects with a token': () => Promise.reject('eyJhbGciOiJub25lIn0.e30.'),
  'never settles': () => new Promise(() => {}),
  'returns undefined': () => undefined,
  'returns true': () => true,
  'returns a number': () => 7,
  'returns a string': () => 'active',
  'returns a symbol': () => Symbol('active'),
  'returns a function': () => () => true,
  'returns an object without an identity': () => ({ active: true }),
  'returns an array': () => [{ active: true }],
  'returns a thenable that throws': () => ({
    // biome-ignore lint/suspicious/noThenProperty: this is the fault
    get then() {
      throw new Error('broken')
    },
  }),
  'returns a thenable that never calls back': () => ({
    // biome-ignore lint/suspicious/noThenProperty: this is the fault
    then() {},
  }),
  'resolves with a promise that never settles in it': async () => ({ active: new Promise(() => {}) }),
}
const faults = Object.entries(FAULTS)

const settings: GateSettings = { deadline: 0.5 }

/** Returns the outcome of a request. If the callback never settles, that is the one of the deadline. */
async function outcomeWith(name: string, gate: Gate): Promise<string> {
  const pending = ask(gate)
  if (!NEVER_SETTLES.includes(name)) return pending
  pass(0.25)
  expect(await isPending(pending)).toBe(true)
  pass(0.25)
  return pending
}
const NEVER_SETTLES = ['never settles', 'returns a thenable that never calls back']

describe.each(faults)('a callback that %s', (name, fault) => {
  it.each([
    ['without a cache', undefined],
    ['with a cache', { ttl: 60 }],
  ])('answers 503 as "lookup" %s, but 401 if it returns undefined (FX56)', async (_, cache) => {
    const verifier = opaque({ lookup: fault as never, ...(cache && { cache }) })
    const expected = name === 'returns undefined' ? 'unknown_token' : 'unavailable'
    expect(await outcomeWith(name, createGate({ verifier, ...settings }))).toBe(expected)
  })

  it('answers 503 as a verifier, cached or not (FX56)', async () => {
    const verifier = { verify: fault } as TokenVerifier
    for (const one of [verifier, cached(verifier, { ttl: 60 })])
      expect(await outcomeWith(name, createGate({ verifier: one, ...settings }))).toBe('unavailable')
  })

  it(`answers ${name === 'returns true' ? 200 : 503} as a requirement (FX56)`, async () => {
    const requirement = fault as () => boolean
    const gate = createGate({ verifier: good, requirement, ...settings })
    expect(await outcomeWith(name, gate)).toBe(name === 'returns true' ? 'ok' : 'unavailable')
  })

  it('changes nothing as "onDecision" (FX56)', async () => {
    const gate = createGate({ verifier: good, onDecision: fault as () => void, ...settings })
    expect(await ask(gate)).toBe('ok')
  })

  it(`answers ${name === 'returns a number' ? 200 : 503} as "now" (FX56)`, async () => {
    const expiring: TokenVerifier = {
      verify: () => ({ active: true, identity, expiresAt: 4_000_000_000 }),
    }
    const gate = createGate({ verifier: expiring, now: fault as () => number, ...settings })
    expect(await ask(gate)).toBe(name === 'returns a number' ? 'ok' : 'unavailable')
  })
})

const identity = { kind: 'opaque', audience: [], scopes: [], roles: [], claims: {} } as const
const good: TokenVerifier = { verify: () => ({ active: true, identity }) }

describe('for an issuer', () => {
  let key: TestKey
  let server: AuthorizationServer
  beforeAll(async () => {
    key = await createKey('ES256', 'one')
    server = await AuthorizationServer.start(key)
    return () => server.down()
  })

  it.each(faults)('a "fetch" that %s is answered 503 (FX56)', async (name, fault) => {
    const fetch = vi.fn(fault) as unknown as typeof globalThis.fetch
    const { ask, events } = observe(server, { fetch, timeout: 0.5 })
    const pending = ask(key)
    await eventually(() => vi.mocked(fetch).mock.calls.length === 1)
    if (name === 'never settles') {
      expect(await isPending(pending)).toBe(true)
      pass(0.5)
    }
    expect(await pending).toBe('unavailable')
    expect(events).toMatchObject([{ type: 'failed' }])
  })

  it.each(faults)('an "onJwks" that %s changes nothing (FX56)', async (_, fault) => {
    const { ask } = observe(server, { onJwks: fault as () => void })
    expect(await ask(key)).toBe('ok')
  })

  it('an "onDecision" and an "onJwks" may call the gate again (FX56)', async () => {
    let calls = 0
    const token = await tokenOf(key, server.origin)
    const decided: unknown[] = []
    const again = () => {
      calls += 1
      if (calls < 50) decided.push(gate.authenticate(request(token)))
    }
    const gate: Gate = createGate({
      issuer: server.origin,
      audience: AUDIENCE,
      jwksUri: server.jwksUri,
      onDecision: again,
      onJwks: again,
    })
    expect(await ask(gate, token)).toBe('ok')
    await eventually(() => calls >= 50)
    for (const decision of await Promise.all(decided)) expect(decision).toMatchObject({ ok: true })
  })
})

describe('a "lookup" that authenticates the same token again', () => {
  function reentrant(cache: { ttl: number } | undefined, when: 'at once' | 'later') {
    const lookup = vi.fn(async () => {
      if (when === 'later') await Promise.resolve()
      if (lookup.mock.calls.length < 100) await gate.authenticate(request())
      return null
    })
    const verifier = opaque({ lookup, ...(cache && { cache }) })
    const gate = createGate({ verifier, ...settings }) as Gate
    return { lookup, gate }
  }

  it.each([
    ['at once, without a cache', undefined, 'at once'],
    ['later, without a cache', undefined, 'later'],
    ['at once, with a cache', { ttl: 60 }, 'at once'],
  ] as const)('%s, gets the answer of the innermost lookup (FX56)', async (_, cache, when) => {
    const { lookup, gate } = reentrant(cache, when)
    expect(await ask(gate)).toBe('unknown_token')
    expect(lookup).toHaveBeenCalledTimes(100)
  })

  it('later, with a cache, waits for itself and is answered 503 at the deadline (FX56)', async () => {
    const { lookup, gate } = reentrant({ ttl: 60 }, 'later')
    const pending = ask(gate)
    expect(await isPending(pending)).toBe(true)
    pass(0.5)
    expect(await pending).toBe('unavailable')
    expect(lookup).toHaveBeenCalledTimes(1)
  })
})

it('a lookup that never settles is shared for 5 s, then the token is looked up again (FX56)', async () => {
  const lookup = vi.fn(() => new Promise<null>(() => {}))
  const gate = createGate({ verifier: opaque({ lookup, cache: { ttl: 60 } }), deadline: 1 }) as Gate
  const first = ask(gate)
  pass(1)
  expect(await first).toBe('unavailable')
  pass(3.75)
  const joined = ask(gate)
  expect(await isPending(joined)).toBe(true)
  expect(lookup).toHaveBeenCalledTimes(1)
  pass(0.25)
  lookup.mockResolvedValue(null)
  expect(await ask(gate)).toBe('unknown_token')
  expect(lookup).toHaveBeenCalledTimes(2)
  pass(0.75)
  expect(await joined).toBe('unavailable')
})

describe('the deadline', () => {
  it('ends each request after 0.9 to 1 times its length, though requests share timers', async () => {
    const gate = createGate({ verifier: { verify: () => new Promise<never>(() => {}) }, deadline: 10 })
    const startedAt = [0, 0.25, 0.75, 1, 1.75, 2]
    const endedAt: number[] = []
    const requests: Promise<unknown>[] = []
    for (const start of startedAt) {
      pass(start - time())
      const index = requests.length
      requests.push(
        ask(gate).then((outcome) => {
          endedAt[index] = time()
          expect(outcome).toBe('unavailable')
        }),
      )
    }
    while (time() < 15) {
      pass(0.25)
      await isPending(Promise.all(requests))
    }
    await Promise.all(requests)
    // Those that begin within a second of the first share its timer.
    expect(endedAt).toEqual([10, 10, 10, 11, 11, 12])
  })

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 121, '5'])(
    'throws at creation if it is %s (BI20)',
    (deadline) => {
      expect(() => createGate({ verifier: good, deadline: deadline as number })).toThrow(/"deadline"/)
    },
  )
})

describe('a listener of a receiver of events', () => {
  it.each(Object.entries(FAULTS))('has no effect on the answers if it %s', async (_, fault) => {
    const revoked: unknown[] = []
    const key = await createKey('ES256')
    const receiver = securityEvents({
      issuer: ISSUER,
      audience: AUDIENCE,
      keys: { keys: [key.jwk] } as never,
      now: () => NOW * 1000,
      gate: { revoke: async (revocation) => void revoked.push(revocation) },
      onSignal: fault,
      onRejected: fault,
    })
    const post = async (body: string) =>
      (await receiver.receive({ contentType: 'application/secevent+jwt', body })).status
    expect([await post(await signEvent(key)), await post('x')]).toEqual([202, 400])
    expect(revoked).toHaveLength(1)
  })
})
