/** Callbacks of the user that throw, reject, never settle, give nonsense or call back: 503, and nothing unhandled. */

import {
  cached,
  createGate,
  type Decision,
  type Gate,
  type GateSettings,
  opaque,
  type TokenVerifier,
} from '@bearergate/core'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { AUDIENCE, createKey, type TestKey } from '../support/issuer.ts'
import { AuthorizationServer } from './authorization-server.ts'
import { observe, tokenOf } from './client.ts'

const request = (token = 'a') =>
  new Request('https://api.example.com', { headers: { authorization: `Bearer ${token}` } })
const outcomeOf = (decision: Decision) => (decision.ok ? 'ok' : decision.reason)
const ask = async (gate: Gate, token?: string) => outcomeOf(await gate.authenticate(request(token)))

const unhandled = vi.fn()
beforeEach(() => {
  unhandled.mockClear()
  for (const event of ['unhandledRejection', 'uncaughtException', 'warning']) process.on(event, unhandled)
})
afterEach(async () => {
  await new Promise((resolve) => setTimeout(resolve, 5))
  for (const event of ['unhandledRejection', 'uncaughtException', 'warning']) process.off(event, unhandled)
  expect(unhandled).not.toHaveBeenCalled()
})

/** What a function may do instead of what it should. */
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
  'gives undefined': () => undefined,
  'gives true': () => true,
  'gives a number': () => 7,
  'gives a string': () => 'active',
  'gives a symbol': () => Symbol('active'),
  'gives a function': () => () => true,
  'gives an empty object': () => ({ active: true }),
  'gives a list': () => [{ active: true }],
  'gives a thenable that throws': () => ({
    // biome-ignore lint/suspicious/noThenProperty: this is the fault
    get then() {
      throw new Error('broken')
    },
  }),
  'gives a thenable that never calls back': () => ({
    // biome-ignore lint/suspicious/noThenProperty: this is the fault
    then() {},
  }),
  'gives a promise of a promise that never settles': async () => ({ active: new Promise(() => {}) }),
}
const faults = Object.entries(FAULTS)

const settings: GateSettings = { deadline: 0.1 }

describe.each(faults)('a callback that %s', (name, fault) => {
  it('FX56 as a lookup is answered 503', async () => {
    for (const cache of [undefined, { ttl: 60 }])
      expect(
        await ask(
          createGate({
            verifier: opaque({ lookup: fault as never, ...(cache && { cache }) }),
            ...settings,
          }),
        ),
      ).toBe('unavailable')
  })

  it('FX56 as a verifier is answered 503', async () => {
    const verifier = { verify: fault } as TokenVerifier
    for (const one of [verifier, cached(verifier, { ttl: 60 })])
      expect(await ask(createGate({ verifier: one, ...settings }))).toBe('unavailable')
  })

  it('FX56 as a requirement lets nobody pass', async () => {
    const requirement = fault as () => boolean
    const gate = createGate({ verifier: good, requirement, ...settings })
    expect(await ask(gate)).toBe(name === 'gives true' ? 'ok' : 'unavailable')
  })

  it('FX56 as onDecision changes nothing', async () => {
    const gate = createGate({ verifier: good, onDecision: fault as () => void, ...settings })
    expect(await ask(gate)).toBe('ok')
  })

  it('FX56 as the clock is answered 503, unless it gives a number', async () => {
    const expiring: TokenVerifier = {
      verify: () => ({ active: true, identity, expiresAt: 4_000_000_000 }),
    }
    const gate = createGate({ verifier: expiring, now: fault as () => number, ...settings })
    expect(await ask(gate)).toBe(name === 'gives a number' ? 'ok' : 'unavailable')
  })
})

const identity = { kind: 'opaque', audience: [], scopes: [], roles: [], claims: {} } as const
const good: TokenVerifier = { verify: () => ({ active: true, identity }) }

describe('around an issuer', () => {
  let key: TestKey
  let server: AuthorizationServer
  beforeAll(async () => {
    key = await createKey('ES256', 'one')
    server = await AuthorizationServer.start(key)
    return () => server.down()
  })

  it.each(faults)('FX56 a fetch that %s is answered 503', async (_, fault) => {
    const { ask, events } = observe(server, { fetch: fault as typeof fetch, timeout: 0.1 })
    expect(await ask(key)).toBe('unavailable')
    expect(events).toMatchObject([{ type: 'failed' }])
  })

  it.each(faults)('FX56 an onKeySet that %s changes nothing', async (_, fault) => {
    const { ask } = observe(server, { onKeySet: fault as () => void })
    expect(await ask(key)).toBe('ok')
  })

  it('FX56 an onDecision and an onKeySet that call the gate again do not stop it', async () => {
    let calls = 0
    const token = await tokenOf(key, server.origin)
    const again = () => {
      calls += 1
      if (calls < 50) void gate.authenticate(request(token))
    }
    const gate: Gate = createGate({
      issuer: server.origin,
      audience: AUDIENCE,
      jwksUri: server.jwksUri,
      onDecision: again,
      onKeySet: again,
    })
    expect(await ask(gate, token)).toBe('ok')
    expect(calls).toBeGreaterThan(1)
  })
})

describe('re-entry', () => {
  it('FX56 of a lookup that asks the gate about the same token ends at the deadline', async () => {
    for (const cache of [undefined, { ttl: 60 }]) {
      let calls = 0
      const gate: Gate<never> = createGate({
        verifier: opaque({
          lookup: async () => {
            calls += 1
            if (calls < 100) await gate.authenticate(request())
            return null
          },
          ...(cache && { cache }),
        }),
        ...settings,
      }) as never
      const outcome = await ask(gate as Gate)
      expect(['unavailable', 'unknown_token']).toContain(outcome)
    }
  })

  it('FX56 of a token whose lookup never ended is looked up anew after a while', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    vi.advanceTimersByTime(1)
    try {
      const lookup = vi.fn(() => new Promise<null>(() => {}))
      const gate = createGate({ verifier: opaque({ lookup, cache: { ttl: 60 } }), deadline: 0.05 })
      expect(await ask(gate as Gate)).toBe('unavailable')
      expect(await ask(gate as Gate)).toBe('unavailable')
      expect(lookup).toHaveBeenCalledTimes(1)
      vi.advanceTimersByTime(5001)
      lookup.mockResolvedValue(null)
      expect(await ask(gate as Gate)).toBe('unknown_token')
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('the deadline', () => {
  it('is that of each request, though requests share timers', async () => {
    const gate = createGate({ verifier: { verify: () => new Promise<never>(() => {}) }, deadline: 0.3 })
    const elapsed = async (after: number) => {
      await new Promise((resolve) => setTimeout(resolve, after))
      const start = performance.now()
      expect(await ask(gate)).toBe('unavailable')
      return performance.now() - start
    }
    for (const time of await Promise.all([0, 10, 25, 60, 150].map(elapsed))) {
      expect(time).toBeGreaterThan(0.85 * 300)
      expect(time).toBeLessThan(300 + 300)
    }
  })

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 121, '5'])('BI20 is refused as %s', (deadline) => {
    expect(() => createGate({ verifier: good, deadline: deadline as number })).toThrow(/"deadline"/)
  })
})
