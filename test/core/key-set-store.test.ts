/** Key sets that outlive a process, and what a runtime that freezes between requests has to wait for. */

import { createGate, type KeySetEvent, type KeySetStore, type StoredKeySet } from '@bearergate/core'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { AUDIENCE, createKey, ISSUER, type TestKey } from '../support/issuer.ts'

let key: TestKey
let other: TestKey
beforeAll(async () => {
  key = await createKey('ES256')
  other = await createKey('ES256', 'other')
})
let events: KeySetEvent[] = []
/** What was told, without what goes with it. */
const told = () =>
  events.map((event) => [event.type, event.type === 'refreshed' ? event.source : undefined].join(' ').trim())
beforeEach(() => {
  events = []
  vi.useFakeTimers({ toFake: ['performance', 'Date'] })
  vi.advanceTimersByTime(1000)
})
afterEach(() => {
  vi.useRealTimers()
})
const PLACE = `${ISSUER}/keys`
const pass = (seconds: number) => vi.advanceTimersByTime(seconds * 1000)

/** An issuer that counts, and may be down or never answer. */
function issuer(keys: () => readonly TestKey[] = () => [key]) {
  const state = { fetches: 0, mode: 'up' as 'up' | 'down' | 'silent' | 'slow', release: () => {} }
  const fetch = async () => {
    state.fetches += 1
    if (state.mode === 'silent') return new Promise<Response>(() => {})
    if (state.mode === 'slow')
      await new Promise<void>((resolve) => {
        state.release = resolve
      })
    if (state.mode === 'down') return new Response('', { status: 500 })
    return Response.json({ keys: keys().map(({ jwk }) => jwk) })
  }
  return Object.assign(state, { fetch })
}

function storeOf(kept?: StoredKeySet) {
  const sets = new Map(kept === undefined ? [] : [[PLACE, kept]])
  const store: KeySetStore = {
    get: async (name) => sets.get(name),
    set: async (name, set) => void sets.set(name, set),
  }
  return { store, sets }
}

function gateFor(server: ReturnType<typeof issuer>, keySetStore?: KeySetStore) {
  // Those of this test, however late they come.
  const heard = events
  return createGate({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwksUri: PLACE,
    fetch: server.fetch,
    cache: false,
    keySetStore,
    onKeySet: (event) => void heard.push(event),
  })
}

async function outcome(
  gate: ReturnType<typeof gateFor>,
  by = key,
  background?: { waitUntil(p: Promise<unknown>): void },
) {
  const now = Math.floor(Date.now() / 1000)
  const token = await by.sign({ iat: now, exp: now + 600 })
  const view = { header: (name: string) => (name === 'authorization' ? `Bearer ${token}` : undefined) }
  const decision = await gate.authenticate(view, background)
  return decision.ok ? 'ok' : `${decision.status} ${decision.reason}`
}

const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('a key set store', () => {
  it('spares a new process the fetch, and is asked once', async () => {
    const server = issuer()
    const { store, sets } = storeOf()
    expect(await outcome(gateFor(server, store))).toBe('ok')
    await settle()
    expect(sets.get(PLACE)).toEqual({ keys: [key.jwk], fetchedAt: Date.now(), maxAge: undefined })
    const get = vi.spyOn(store, 'get')
    const second = gateFor(server, store)
    for (let turn = 0; turn < 3; turn += 1) expect(await outcome(second)).toBe('ok')
    expect([server.fetches, get.mock.calls.length]).toEqual([1, 1])
    expect(told()).toEqual(['refreshed issuer', 'refreshed store'])
  })

  it('keeps no key set longer than staleFor since it was fetched, by whomever', async () => {
    const server = issuer()
    server.mode = 'down'
    const { store } = storeOf({ keys: [key.jwk], fetchedAt: Date.now() - 3_000_000 })
    const gate = gateFor(server, store)
    expect(await outcome(gate)).toBe('ok')
    pass(500)
    expect(await outcome(gate)).toBe('ok')
    pass(101)
    expect(await outcome(gate)).toBe('503 unavailable')
  })

  it('FX30 is not believed where it is not fresh any more, unless the issuer cannot be asked', async () => {
    const server = issuer(() => [other])
    const kept = { keys: [key.jwk], fetchedAt: Date.now() - 3_000_000 }
    expect(await outcome(gateFor(server, storeOf(kept).store))).toBe('401 unknown_key')
    server.mode = 'down'
    expect(await outcome(gateFor(server, storeOf(kept).store))).toBe('ok')
  })

  it('keeps a key set as long as the issuer said, where that is longer than staleFor', async () => {
    const server = issuer()
    server.mode = 'down'
    const { store } = storeOf({ keys: [key.jwk], fetchedAt: Date.now() - 7_200_000, maxAge: 86_400 })
    expect(await outcome(gateFor(server, store))).toBe('ok')
    expect([server.fetches, told()]).toEqual([0, ['refreshed store']])
  })

  it('has kept what was fetched when ready() ends', async () => {
    const { store, sets } = storeOf()
    const slow: KeySetStore = {
      get: store.get,
      set: async (name, set) => {
        await new Promise((resolve) => setTimeout(resolve, 20))
        await store.set(name, set)
      },
    }
    await gateFor(issuer(), slow).ready()
    expect(sets.size).toBe(1)
  })

  it('serves within two seconds with what is not fresh any more, where the issuer is silent', async () => {
    const server = issuer()
    server.mode = 'silent'
    const { store } = storeOf({ keys: [key.jwk], fetchedAt: Date.now() - 700_000 })
    vi.useRealTimers()
    const began = performance.now()
    expect(await outcome(gateFor(server, store))).toBe('ok')
    expect(performance.now() - began).toBeLessThan(2_000)
    expect(told()).toEqual(['refreshed store', 'failed'])
  })

  it('is not believed for a key that it does not have: the issuer is asked', async () => {
    const server = issuer(() => [key, other])
    const { store } = storeOf({ keys: [key.jwk], fetchedAt: Date.now() })
    expect(await outcome(gateFor(server, store), other)).toBe('ok')
    expect(server.fetches).toBe(1)
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['too old a set', { keys: [], fetchedAt: 0 }],
    ['a set of the future', { fetchedAt: 4e12 }],
    ['a set without a date', { fetchedAt: undefined }],
    ['a set without a usable key', { keys: [{ kty: 'oct', k: 'AAAA' }] }],
    ['no list', { keys: 'keys' }],
    ['a text', 'keys'],
  ])('FX56 that gives %s costs a fetch', async (what, given) => {
    const server = issuer()
    const full =
      typeof given === 'object' && given !== null
        ? { keys: [key.jwk], fetchedAt: Date.now(), ...given }
        : given
    expect(await outcome(gateFor(server, { get: () => full as never, set: () => {} }))).toBe('ok')
    expect(server.fetches).toBe(1)
    // What is merely not there, or too old, is no failure.
    const isFailure = !/^(?:nothing|null|too old a set|a set of the future)$/.test(what)
    expect(told()).toEqual([...(isFailure ? ['store_failed'] : []), 'refreshed issuer'])
  })

  it.each<[string, () => never]>([
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no')) as never],
  ])('FX56 that %s costs a fetch', async (_, fail) => {
    const server = issuer()
    expect(await outcome(gateFor(server, { get: fail, set: fail }))).toBe('ok')
    await settle()
    expect(server.fetches).toBe(1)
    const cause = new Error('no')
    expect(events).toMatchObject([
      { type: 'store_failed', issuer: ISSUER, operation: 'get', cause },
      { type: 'refreshed', source: 'issuer' },
      { type: 'store_failed', issuer: ISSUER, operation: 'set', cause },
    ])
  })

  it('keeps apart what stands in different places: a set that moved is fetched', async () => {
    const server = issuer(() => [other])
    const { store } = storeOf({ keys: [key.jwk], fetchedAt: Date.now() })
    const moved = createGate({
      issuer: ISSUER,
      audience: AUDIENCE,
      jwksUri: `${ISSUER}/moved`,
      fetch: server.fetch,
      keySetStore: store,
    })
    expect(await outcome(moved)).toBe('401 unknown_key')
    expect(await outcome(moved, other)).toBe('ok')
  })

  it('FX56 that never answers leaves the issuer its part of a short timeout', async () => {
    const gate = createGate({
      issuer: ISSUER,
      audience: AUDIENCE,
      jwksUri: PLACE,
      fetch: issuer().fetch,
      timeout: 0.4,
      keySetStore: { get: () => new Promise<undefined>(() => {}), set: () => {} },
    })
    expect(await outcome(gate)).toBe('ok')
  })

  it('FX56 that never answers is waited for one second, and no longer', async () => {
    vi.useRealTimers()
    const server = issuer()
    const never = () => new Promise<never>(() => {})
    expect(await outcome(gateFor(server, { get: never, set: never }))).toBe('ok')
    expect(server.fetches).toBe(1)
  })

  it('BI20 must have its methods', () => {
    for (const keySetStore of [null, {}, { get() {} }, 'kv', new Map()])
      if (keySetStore instanceof Map) expect(() => gateFor(issuer(), keySetStore as never)).not.toThrow()
      else expect(() => gateFor(issuer(), (keySetStore ?? 7) as never)).toThrow(/"keySetStore"/)
  })
})

describe('waitUntil', () => {
  it('is given the verification, for which others may wait, and a refresh in the background', async () => {
    const server = issuer()
    const gate = gateFor(server)
    const waited: Promise<unknown>[] = []
    const background = { waitUntil: (promise: Promise<unknown>) => void waited.push(promise) }
    await gate.ready()
    expect(await outcome(gate, key, background)).toBe('ok')
    expect(waited).toHaveLength(1)
    server.mode = 'slow'
    pass(550)
    expect(await outcome(gate, key, background)).toBe('ok')
    expect(waited).toHaveLength(3)
    server.release()
    await Promise.all(waited)
    expect(server.fetches).toBe(2)
    expect(gate.describe().verifier).toMatchObject({ keySet: { age: 0 } })
  })

  it('is given the time that a store takes', async () => {
    let stored = () => {}
    const store: KeySetStore = {
      get: () => undefined,
      set: () =>
        new Promise<void>((resolve) => {
          stored = resolve
        }),
    }
    const waited: Promise<unknown>[] = []
    const background = { waitUntil: (promise: Promise<unknown>) => void waited.push(promise) }
    expect(await outcome(gateFor(issuer(), store), key, background)).toBe('ok')
    expect(waited).toHaveLength(2)
    stored()
    await Promise.all(waited)
  })

  it('FX56 may throw, and is never given what rejects', async () => {
    const server = issuer()
    const gate = gateFor(server)
    await gate.ready()
    server.mode = 'slow'
    pass(550)
    const waited: Promise<unknown>[] = []
    const fail = () => {
      throw new Error('no')
    }
    expect(await outcome(gate, key, { waitUntil: fail })).toBe('ok')
    expect(await outcome(gate, key, { waitUntil: async () => fail() })).toBe('ok')
    expect(await outcome(gate, key, { waitUntil: (promise) => void waited.push(promise) })).toBe('ok')
    server.mode = 'down'
    server.release()
    expect(waited).toHaveLength(2)
    await expect(Promise.all(waited)).resolves.toBeDefined()
  })

  it('FX42 a refresh that the runtime let go of is begun anew, and no request waits for it', async () => {
    const server = issuer()
    const gate = gateFor(server)
    await gate.ready()
    server.mode = 'silent'
    pass(550)
    expect(await outcome(gate)).toBe('ok')
    expect(await outcome(gate)).toBe('ok')
    expect(server.fetches).toBe(2)
    server.mode = 'up'
    pass(7)
    expect(await outcome(gate)).toBe('ok')
    await settle()
    expect(server.fetches).toBe(3)
    pass(2_000)
    expect(await outcome(gate)).toBe('ok')
  })

  it('FX42 who waited for a fetch of before waits for the one that took its place', async () => {
    const server = issuer()
    server.mode = 'silent'
    const gate = gateFor(server)
    const before = outcome(gate)
    while (server.fetches === 0) await settle()
    server.mode = 'up'
    pass(7)
    expect(await Promise.all([outcome(gate), before])).toEqual(['ok', 'ok'])
    expect([server.fetches, told()]).toEqual([2, ['refreshed issuer']])
  })
})
