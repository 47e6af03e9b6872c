/** Stores that share key sets between processes, and the work that is passed to `waitUntil` on runtimes that freeze between requests. */

import { createGate, type JwksEvent, type JwksStore, type StoredJwks } from '@bearergate/core'
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { dropDeadlines, eventually, pass, stopClock } from '../../support/clock.ts'
import { AUDIENCE, createKey, ISSUER, type TestKey } from '../../support/issuer.ts'
import { isPending } from '../../support/pending.ts'

stopClock()
let key: TestKey
let other: TestKey
beforeAll(async () => {
  key = await createKey('ES256')
  other = await createKey('ES256', 'other')
})
let events: JwksEvent[] = []
/** The types of the events, and where the keys came from. */
const told = () =>
  events.map((event) => [event.type, event.type === 'refreshed' ? event.source : undefined].join(' ').trim())
beforeEach(() => {
  events = []
})
const PLACE = `${ISSUER}/keys`
const never = () => new Promise<never>(() => {})

/** An issuer that counts its fetches, and may be down, slow or silent. */
function issuer(keys: () => readonly TestKey[] = () => [key]) {
  const state = { fetches: 0, mode: 'up' as 'up' | 'down' | 'silent' | 'slow', release: () => {} }
  const fetch = async () => {
    state.fetches += 1
    if (state.mode === 'silent') return never()
    if (state.mode === 'slow')
      await new Promise<void>((resolve) => {
        state.release = resolve
      })
    if (state.mode === 'down') return new Response('', { status: 500 })
    return Response.json({ keys: keys().map(({ jwk }) => jwk) })
  }
  return Object.assign(state, { fetch })
}

function storeOf(kept?: StoredJwks) {
  const sets = new Map(kept === undefined ? [] : [[PLACE, kept]])
  const store: JwksStore = {
    get: async (name) => sets.get(name),
    set: async (name, set) => void sets.set(name, set),
  }
  return { store, sets }
}

function gateFor(
  server: ReturnType<typeof issuer>,
  jwksStore?: JwksStore,
  options: { timeout?: number | undefined } = {},
) {
  // The events of this test: what a gate does in the background may end after its test.
  const heard = events
  return createGate({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwksUri: PLACE,
    fetch: server.fetch,
    cache: false,
    jwksStore,
    ...options,
    onJwks: (event) => void heard.push(event),
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

describe('a key set store', () => {
  it('saves a new process the fetch, and is read once', async () => {
    const server = issuer()
    const { store, sets } = storeOf()
    expect(await outcome(gateFor(server, store))).toBe('ok')
    await eventually(() => sets.size === 1)
    expect(sets.get(PLACE)).toEqual({ keys: [key.jwk], fetchedAt: Date.now(), maxAge: undefined })
    const get = vi.spyOn(store, 'get')
    const second = gateFor(server, store)
    for (let turn = 0; turn < 3; turn += 1) expect(await outcome(second)).toBe('ok')
    expect([server.fetches, get.mock.calls.length]).toEqual([1, 1])
    expect(told()).toEqual(['refreshed issuer', 'refreshed store'])
  })

  it('keeps no key set longer than "staleIfError" after it was fetched, by whichever process', async () => {
    const server = issuer()
    server.mode = 'down'
    const { store } = storeOf({ keys: [key.jwk], fetchedAt: Date.now() - 3_000_000 })
    const gate = gateFor(server, store)
    expect(await outcome(gate)).toBe('ok')
    pass(599.75)
    expect(await outcome(gate)).toBe('ok')
    pass(0.25)
    expect(await outcome(gate)).toBe('503 unavailable')
  })

  it('uses a stale stored set only while the issuer is unreachable (FX30)', async () => {
    const server = issuer(() => [other])
    const kept = { keys: [key.jwk], fetchedAt: Date.now() - 3_000_000 }
    expect(await outcome(gateFor(server, storeOf(kept).store))).toBe('401 unknown_key')
    server.mode = 'down'
    expect(await outcome(gateFor(server, storeOf(kept).store))).toBe('ok')
  })

  it('uses a set as long as its "max-age", if that is longer than "staleIfError"', async () => {
    const server = issuer()
    server.mode = 'down'
    const { store } = storeOf({ keys: [key.jwk], fetchedAt: Date.now() - 7_200_000, maxAge: 86_400 })
    expect(await outcome(gateFor(server, store))).toBe('ok')
    expect([server.fetches, told()]).toEqual([0, ['refreshed store']])
  })

  it('has saved the fetched set when ready() resolves', async () => {
    const { store, sets } = storeOf()
    let save = () => {}
    const slow: JwksStore = {
      get: store.get,
      set: (name, set) =>
        new Promise<void>((resolve) => {
          save = () => resolve(store.set(name, set) as Promise<void>)
        }),
    }
    const server = issuer()
    const ready = gateFor(server, slow).ready()
    await eventually(() => told().length === 1)
    expect(await isPending(ready)).toBe(true)
    save()
    await ready
    expect(sets.size).toBe(1)
  })

  it('is given up after "timeout" if it does not save, and this is reported', async () => {
    const gate = gateFor(issuer(), { get: () => undefined, set: never })
    const ready = gate.ready()
    await eventually(() => told().length === 1)
    pass(4.75)
    expect(await isPending(ready)).toBe(true)
    pass(0.25)
    await ready
    expect(told()).toEqual(['refreshed issuer', 'store_failed'])
  })

  it('serves with a stale set after 1.5 s if the issuer is silent', async () => {
    const server = issuer()
    server.mode = 'silent'
    const { store } = storeOf({ keys: [key.jwk], fetchedAt: Date.now() - 700_000 })
    const pending = outcome(gateFor(server, store))
    await eventually(() => server.fetches === 1)
    pass(1.25)
    expect(await isPending(pending)).toBe(true)
    pass(0.25)
    expect(await pending).toBe('ok')
    expect(told()).toEqual(['refreshed store', 'failed'])
  })

  it('asks the issuer for a key that the stored set lacks', async () => {
    const server = issuer(() => [key, other])
    const { store } = storeOf({ keys: [key.jwk], fetchedAt: Date.now() })
    expect(await outcome(gateFor(server, store), other)).toBe('ok')
    expect(server.fetches).toBe(1)
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a set that is too old', { keys: [], fetchedAt: 0 }],
    ['a set of the future', { fetchedAt: 4e12 }],
    ['a set without a date', { fetchedAt: undefined }],
    ['a set without a usable key', { keys: [{ kty: 'oct', k: 'AAAA' }] }],
    ['a set whose keys are no array', { keys: 'keys' }],
    ['a string', 'keys'],
  ])('that returns %s costs one fetch (FX56)', async (what, given) => {
    const server = issuer()
    const full =
      typeof given === 'object' && given !== null
        ? { keys: [key.jwk], fetchedAt: Date.now(), ...given }
        : given
    expect(await outcome(gateFor(server, { get: () => full as never, set: () => {} }))).toBe('ok')
    expect(server.fetches).toBe(1)
    // A set that is missing or too old is no failure of the store.
    const isFailure = !/^(?:nothing|null|a set that is too old|a set of the future)$/.test(what)
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
  ])('that %s costs one fetch, and both failures are reported (FX56)', async (_, fail) => {
    const server = issuer()
    expect(await outcome(gateFor(server, { get: fail, set: fail }))).toBe('ok')
    await eventually(() => events.length === 3)
    expect(server.fetches).toBe(1)
    const cause = new Error('no')
    expect(events).toMatchObject([
      { type: 'store_failed', issuer: ISSUER, operation: 'get', cause },
      { type: 'refreshed', source: 'issuer' },
      { type: 'store_failed', issuer: ISSUER, operation: 'set', cause },
    ])
  })

  it('keeps sets of different URLs apart: a set that has moved is fetched', async () => {
    const server = issuer(() => [other])
    const { store } = storeOf({ keys: [key.jwk], fetchedAt: Date.now() })
    const moved = createGate({
      issuer: ISSUER,
      audience: AUDIENCE,
      jwksUri: `${ISSUER}/moved`,
      fetch: server.fetch,
      jwksStore: store,
    })
    expect(await outcome(moved)).toBe('401 unknown_key')
    expect(await outcome(moved, other)).toBe('ok')
  })

  it('keeps the set of an issuer under its URL if its metadata names the "jwks_uri"', async () => {
    const { store, sets } = storeOf()
    const gate = createGate({
      issuer: ISSUER,
      audience: AUDIENCE,
      fetch: async (url) =>
        Response.json(url === PLACE ? { keys: [key.jwk] } : { issuer: ISSUER, jwks_uri: PLACE }),
      jwksStore: store,
    })
    await gate.ready()
    expect([...sets.keys()]).toEqual([ISSUER])
  })

  it.each([
    ['1 s', undefined, 1],
    ['half a "timeout" that is shorter than 2 s', 0.5, 0.25],
  ])('waits %s for a store that never answers, then asks the issuer (FX56)', async (_, timeout, patience) => {
    const server = issuer()
    const get = vi.fn(never)
    const pending = outcome(gateFor(server, { get, set: never }, { timeout }))
    await eventually(() => get.mock.calls.length === 1)
    pass(patience - 0.125)
    expect(await isPending(pending)).toBe(true)
    expect(server.fetches).toBe(0)
    pass(0.125)
    expect(await pending).toBe('ok')
    expect(server.fetches).toBe(1)
    expect(told()).toEqual(['store_failed', 'refreshed issuer'])
  })

  it('must have the methods "get" and "set" (BI20)', () => {
    for (const jwksStore of [null, {}, { get() {} }, 'kv', new Map()])
      if (jwksStore instanceof Map) expect(() => gateFor(issuer(), jwksStore as never)).not.toThrow()
      else expect(() => gateFor(issuer(), (jwksStore ?? 7) as never)).toThrow(/"jwksStore"/)
  })
})

describe('waitUntil', () => {
  it('receives the verification, which other requests may share, and the background refresh', async () => {
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

  it('receives the saving of a fetched set', async () => {
    let stored = () => {}
    const store: JwksStore = {
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

  it('may throw or reject, and never receives a promise that rejects (FX56)', async () => {
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

  it('a refresh that the runtime dropped is started again, and no request waits for it (FX42)', async () => {
    const server = issuer()
    const gate = gateFor(server)
    await gate.ready()
    server.mode = 'silent'
    pass(550)
    expect(await outcome(gate)).toBe('ok')
    expect(await outcome(gate)).toBe('ok')
    expect(server.fetches).toBe(2)
    server.mode = 'up'
    dropDeadlines()
    pass(5.75)
    expect(await outcome(gate)).toBe('ok')
    expect(server.fetches).toBe(2)
    pass(0.25)
    expect(await outcome(gate)).toBe('ok')
    await eventually(() => told().at(-1) === 'refreshed issuer')
    expect(server.fetches).toBe(3)
    pass(2_000)
    expect(await outcome(gate)).toBe('ok')
  })

  it('a request that waited for a dropped fetch waits for the one that replaced it (FX42)', async () => {
    const server = issuer()
    server.mode = 'silent'
    const gate = gateFor(server)
    const before = outcome(gate)
    await eventually(() => server.fetches === 1)
    server.mode = 'up'
    dropDeadlines()
    pass(6)
    expect(await Promise.all([outcome(gate), before])).toEqual(['ok', 'ok'])
    expect([server.fetches, told()]).toEqual([2, ['refreshed issuer']])
  })
})
