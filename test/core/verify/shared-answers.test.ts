/** Results that processes share: one asks, the others use its answer, and no limit is exceeded on the way. */

import { createGate, introspection, type NewAnswer, opaque, type ResultStore } from '@bearergate/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { pass, stopClock, time } from '../../support/clock.ts'
import { requestWith, statusOf } from '../../support/forge.ts'
import { type Introspector, json, startIntrospector } from '../../support/introspector.ts'

const AUDIENCE = 'https://api.example.com'

/** A store of this process, with the clock of the test. It keeps what it is given, by name. */
class TestStore implements ResultStore {
  readonly entries = new Map<string, NewAnswer & { readonly at: number }>()

  async find(name: string, ask: () => Promise<NewAnswer>) {
    const stored = this.entries.get(name)
    if (stored !== undefined && time() - stored.at < stored.lifetime)
      return { answer: stored.answer, age: time() - stored.at }
    const asked = await ask()
    this.entries.set(name, { ...asked, at: time() })
    return { answer: asked.answer, age: 0 }
  }

  describe() {
    return { kind: 'test', entries: this.entries.size }
  }
}

describe('results of introspection in a shared store', () => {
  stopClock()
  let server: Introspector
  let store: TestStore
  beforeEach(async () => {
    server = await startIntrospector(json({ active: true, sub: 'emma', aud: AUDIENCE }))
    store = new TestStore()
  })
  afterEach(() => server.close())

  /** The gate of one more process. */
  function gate(cache: object = {}, options: object = {}) {
    return createGate({
      verifier: introspection({
        endpoint: server.endpoint,
        clientId: 'api',
        clientSecret: 'secret',
        audience: AUDIENCE,
        cache: { ttl: 30, store, ...cache },
        ...options,
      } as never),
    })
  }

  it('are asked for once for all processes', async () => {
    expect(await statusOf(gate(), 'token-1')).toBe(200)
    expect(await statusOf(gate(), 'token-1')).toBe(200)
    expect(await statusOf(gate(), 'token-2')).toBe(200)
    expect(server.asked).toHaveLength(2)
  })

  it('have the same identity as those that were not shared', async () => {
    server.reply = json({
      active: true,
      sub: 42,
      scope: 'read',
      aud: [AUDIENCE],
      jti: 'a',
      extra: { a: [1] },
    })
    const [first, second] = [
      await gate().authenticate(requestWith('token-1')),
      await gate().authenticate(requestWith('token-1')),
    ]
    expect(second).toEqual(first)
    expect(second).toMatchObject({ ok: true, identity: { scopes: ['read'], claims: { sub: 42 } } })
    expect(server.asked).toHaveLength(1)
  })

  it('are not used for longer than ttl after they were asked for, in the cache of any process', async () => {
    const [first, second] = [gate(), gate()]
    await statusOf(first, 'token-1')
    pass(20)
    await statusOf(second, 'token-1')
    expect(server.asked).toHaveLength(1)
    server.reply = json({ active: false })
    pass(9)
    expect(await statusOf(second, 'token-1')).toBe(200)
    pass(1)
    expect(await statusOf(second, 'token-1')).toBe(401)
    expect(await statusOf(first, 'token-1')).toBe(401)
  })

  it('end with their token', async () => {
    const exp = Date.now() / 1000 + 5
    server.reply = json({ active: true, aud: AUDIENCE, exp })
    await statusOf(gate(), 'token-1')
    expect([...store.entries.values()][0]?.lifetime).toBe(5)
  })

  it('are not used if the store returns them for too long', async () => {
    await statusOf(gate(), 'token-1')
    const [name, entry] = [...store.entries][0] ?? []
    store.entries.set(name ?? '', { ...(entry as NonNullable<typeof entry>), lifetime: 1000 })
    pass(31)
    server.reply = json({ active: false })
    expect(await statusOf(gate(), 'token-1')).toBe(401)
  })

  it('are decided by the rules of each process', async () => {
    expect(await statusOf(gate(), 'token-1')).toBe(200)
    expect(await statusOf(gate({}, { audience: 'https://other.example.com' }), 'token-1')).toBe(401)
    expect(await statusOf(gate({}, { requiredClaims: { plan: 'pro' } }), 'token-1')).toBe(401)
    expect(server.asked).toHaveLength(1)
  })

  it('are not shared between clients and endpoints, whose answers can differ', async () => {
    await statusOf(gate(), 'token-1')
    await statusOf(gate({}, { clientId: 'other' }), 'token-1')
    await statusOf(gate({}, { endpoint: `${server.origin}/other` }), 'token-1')
    expect(server.asked).toHaveLength(3)
  })

  it('contain no rejection, unless negativeTtl is set', async () => {
    server.reply = json({ active: false })
    await statusOf(gate(), 'token-1')
    await statusOf(gate(), 'token-1')
    expect(server.asked).toHaveLength(2)
    const negative = { negativeTtl: 10 }
    await statusOf(gate(negative), 'token-2')
    expect(await statusOf(gate(negative), 'token-2')).toBe(401)
    expect(server.asked).toHaveLength(3)
    expect(await statusOf(gate(), 'token-2')).toBe(401)
    expect(server.asked).toHaveLength(4) // This one must not use rejections.
    pass(10)
    await statusOf(gate(negative), 'token-2')
    expect(server.asked).toHaveLength(5)
  })

  it('contain at most a tenth of "max" rejections of a process, however many tokens a client makes up', async () => {
    server.reply = json({ active: false })
    const one = gate({ negativeTtl: 10, max: 200 })
    const live = () => [...store.entries.values()].filter(({ at, lifetime }) => at + lifetime > time()).length
    let most = 0
    for (let number = 0; number < 120; number += 1) {
      expect(await statusOf(one, `made-up-${number}`)).toBe(401)
      most = Math.max(most, live())
      pass(0.25)
    }
    expect(most).toBeLessThanOrEqual(20)
    expect(most).toBeGreaterThan(15)
    server.reply = json({ active: true, aud: AUDIENCE })
    await statusOf(one, 'good')
    const asked = server.asked.length
    expect(await statusOf(gate(), 'good')).toBe(200)
    expect(server.asked).toHaveLength(asked)
  })

  it('contain no token, also if the server repeats it', async () => {
    const token = 'a-token-of-more-than-8-characters'
    server.reply = json({
      active: true,
      aud: AUDIENCE,
      token,
      [token]: 1,
      nested: { note: `it is ${token}` },
    })
    await statusOf(gate(), token)
    expect(JSON.stringify([...store.entries])).not.toContain(token)
    expect(store.entries.size).toBe(1)
  })

  it('grant no scope of another claim if "scope" shows the token', async () => {
    const token = 'a-token-of-more-than-8-characters'
    server.reply = json({ active: true, aud: AUDIENCE, scope: token, scp: ['admin'] })
    for (const one of [gate(), gate()])
      expect(await one.authenticate(requestWith(token))).toMatchObject({ ok: true, identity: { scopes: [] } })
  })

  it('lead to 503 if the store fails before it asks, and are used if it fails later', async () => {
    const failing: ResultStore = { find: () => Promise.reject(new Error('down')) }
    expect(await statusOf(gate({ store: failing }), 'token-1')).toBe(503)
    const late: ResultStore = {
      async find(_name, ask) {
        await ask()
        throw new Error('full')
      },
    }
    expect(await statusOf(gate({ store: late }), 'token-2')).toBe(200)
    server.reply = json({}, 500)
    expect(await statusOf(gate({ store: late }), 'token-3')).toBe(503)
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['a text', 'active'],
    ['an answer that is an array', { answer: [], age: 0 }],
    ['an answer without an age', { answer: { active: true } }],
    ['an answer of the future', { answer: { active: true }, age: -1 }],
    ['an age that is no number', { answer: { active: true }, age: Number.NaN }],
  ])('lead to 503 if the store returns %s', async (_, found) => {
    const store: ResultStore = { find: async () => found as never }
    expect(await statusOf(gate({ store }), 'token-1')).toBe(503)
  })

  it('cannot be replaced by what a store returns after it asked', async () => {
    server.reply = json({ active: false })
    const forging: ResultStore = {
      async find(_name, ask) {
        await ask()
        return { answer: { active: true, aud: AUDIENCE }, age: 0 }
      },
    }
    expect(await statusOf(gate({ store: forging }), 'token-1')).toBe(401)
  })

  it('are shown by describe()', async () => {
    await statusOf(gate(), 'token-1')
    expect(gate().describe()).toMatchObject({ verifier: { results: { kind: 'test', entries: 1 } } })
  })

  it('need a store', () => {
    expect(() => gate({ store: {} })).toThrow(
      /"cache.store" must be a store of results, such as redisResults/,
    )
    expect(() => gate({ store: null })).toThrow(TypeError)
  })
})

describe('results of lookups in a shared store', () => {
  stopClock()
  let store: TestStore
  let lookups: string[]
  beforeEach(() => {
    store = new TestStore()
    lookups = []
  })

  function gate(record: unknown, token = 'token-1') {
    const lookup = (_token: string, hash: string) => {
      lookups.push(hash)
      return record as never
    }
    const verifier = opaque({ lookup, cache: { ttl: 30, negativeTtl: 5, store } })
    return createGate({ verifier }).authenticate(requestWith(token))
  }

  it('are looked up once for all processes, with the same identity', async () => {
    const expiresAt = new Date(Date.now() + 10_000)
    const record = { subject: 'emma', expiresAt, scopes: ['read'], claims: { plan: 'pro', none: undefined } }
    const [first, second] = [await gate(record), await gate(record)]
    expect(first).toMatchObject({ ok: true, identity: { subject: 'emma', claims: { plan: 'pro' } } })
    expect(second).toEqual(first)
    expect(lookups).toHaveLength(1)
    expect([...store.entries.values()][0]?.lifetime).toBe(10)
  })

  it('are rejections for negativeTtl', async () => {
    expect(await gate(null)).toMatchObject({ ok: false, status: 401 })
    expect(await gate({ subject: 'emma' })).toMatchObject({ ok: false, status: 401 })
    pass(5)
    expect(await gate({ subject: 'emma' })).toMatchObject({ ok: true })
  })

  it.each<[string, object]>([
    ['a Date', { since: new Date(0) }],
    ['a number that is no JSON', { rate: Number.NaN }],
    ['a Map', { map: new Map() }],
    ['a bigint', { id: 1n }],
    ['an instance of a class', { user: new (class User {})() }],
  ])(
    'are 503 if the claims contain %s, which another process would get in another form',
    async (_, claims) => {
      expect(await gate({ subject: 'emma', claims })).toMatchObject({ ok: false, status: 503 })
      expect(store.entries.size).toBe(0)
    },
  )

  it('are 503 if the record contains the token, and then not stored', async () => {
    const token = 'a-token-of-more-than-8-characters'
    const claims = { row: [`Bearer ${token}`] }
    expect(await gate({ subject: 'emma', claims }, token)).toMatchObject({ ok: false, status: 503 })
    expect(store.entries.size).toBe(0)
  })
})
