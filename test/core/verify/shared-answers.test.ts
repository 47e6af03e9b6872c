/** Results that processes share: one asks, the others use its answer, and no limit is exceeded on the way. */

import {
  createGate,
  generateToken,
  introspection,
  type NewAnswer,
  opaque,
  privateKeyJwt,
  type ResultQuestion,
  type ResultStore,
} from '@bearergate/core'
import { generateKeyPair } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { pass, stopClock, time } from '../../support/clock.ts'
import { requestWith, statusOf } from '../../support/forge.ts'
import { type Introspector, json, startIntrospector } from '../../support/introspector.ts'

const AUDIENCE = 'https://api.example.com'

/** A store of this process, with the clock of the test. It keeps what it is given, by name. */
class TestStore implements ResultStore {
  readonly entries = new Map<string, NewAnswer & { readonly at: number }>()

  async find(name: string, { ask, accepts }: ResultQuestion) {
    const entry = this.entries.get(name)
    if (entry !== undefined && time() - entry.at < entry.lifetime) {
      const stored = { answer: entry.answer, age: time() - entry.at }
      if (accepts(stored)) return stored
    }
    const asked = await ask()
    if (asked.lifetime > 0) this.entries.set(name, { ...asked, at: time() })
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

  it('lead to 503 if a store returns them although they are too old', async () => {
    const answer = { active: true, aud: AUDIENCE }
    expect(await statusOf(gate({ store: { find: async () => ({ answer, age: 29 }) } }), 'token-1')).toBe(200)
    expect(await statusOf(gate({ store: { find: async () => ({ answer, age: 30 }) } }), 'token-1')).toBe(503)
  })

  it('are asked for once if a process has a shorter ttl than the one that stored them', async () => {
    await statusOf(gate({ ttl: 3600 }), 'token-1')
    pass(10)
    for (let process = 0; process < 3; process += 1) await statusOf(gate({ ttl: 2 }), 'token-1')
    expect(server.asked).toHaveLength(2)
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

  it.each<[string, object, number]>([
    ['scope', { scope: 'TOKEN', scp: ['admin'] }, 200],
    ['sub', { sub: 'user:TOKEN' }, 200],
    ['iss', { iss: 'https://evil.example/TOKEN' }, 401],
    ['exp', { exp: 'TOKEN' }, 401],
    ['aud', { aud: [AUDIENCE, 'TOKEN'] }, 200],
    ['nonce', { nonce: 'TOKEN' }, 401],
    ['cnf', { cnf: { jkt: 'TOKEN' } }, 401],
    ['token_type', { token_type: 'TOKEN' }, 401],
  ])(
    'are the same as without a store, and not shared, if "%s" shows the token',
    async (_, claims, status) => {
      const token = 'a-token-of-more-than-8-characters'
      const text = JSON.stringify({ active: true, aud: AUDIENCE, ...claims }).replace('TOKEN', token)
      server.reply = json(text)
      const issuer = { issuer: 'https://id.example.com' }
      const alone = gate({ store: undefined, negativeTtl: 10 }, issuer)
      expect(await statusOf(alone, token)).toBe(status)
      for (const one of [gate({ negativeTtl: 10 }, issuer), gate({ negativeTtl: 10 }, issuer)]) {
        const decision = await one.authenticate(requestWith(token))
        expect(decision.ok ? 200 : decision.status).toBe(status)
        if (decision.ok) expect(decision.identity?.scopes).toEqual([])
      }
      expect(store.entries.size).toBe(0)
    },
  )

  it.each(['exp', 'nbf', 'iat', 'cnf', 'level'])(
    'are not shared if "%s" is a number that JSON does not keep',
    async (name) => {
      server.reply = json(`{"active":true,"aud":"${AUDIENCE}","${name}":1e999}`)
      const statuses = [await statusOf(gate(), 'token-1'), await statusOf(gate(), 'token-1')]
      expect(statuses).toEqual(name === 'level' ? [200, 200] : [401, 401])
      expect(store.entries.size).toBe(0)
    },
  )

  it.each<[string, string]>([
    ['has no "active"', '{}'],
    ['is nested too deeply', `{"active":true,"deep":${'['.repeat(40)}${']'.repeat(40)}}`],
    [
      'is nested so deeply that it exhausts the stack',
      `{"active":true,"deep":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    ],
  ])('are not shared if the response %s', async (_, text) => {
    server.reply = json(text)
    expect(await statusOf(gate({ negativeTtl: 10 }), 'token-1')).toBe(503)
    server.reply = json({ active: true, aud: AUDIENCE })
    expect(await statusOf(gate({ negativeTtl: 10 }), 'token-1')).toBe(200)
  })

  it('are not shared between the clients of privateKeyJwt', async () => {
    const { privateKey } = await generateKeyPair('ES256')
    const client = (clientId: string) => ({
      clientId: undefined,
      clientSecret: undefined,
      authenticate: privateKeyJwt({ clientId, privateKey, algorithm: 'ES256' }),
    })
    for (const id of ['public', 'public', 'billing']) await statusOf(gate({}, client(id)), 'token-1')
    expect(server.asked).toHaveLength(2)
  })

  it('are waited for no longer than timeout, also if the store never answers', async () => {
    const silent: ResultStore = { find: () => new Promise(() => {}) }
    const decision = statusOf(gate({ store: silent }, { timeout: 2 }), 'token-1')
    await new Promise((resolve) => setImmediate(resolve))
    pass(2)
    expect(await decision).toBe(503)
  })

  it('lead to 503 if the store fails before it asks, and are used if it fails later', async () => {
    const failing: ResultStore = { find: () => Promise.reject(new Error('down')) }
    expect(await statusOf(gate({ store: failing }), 'token-1')).toBe(503)
    const late: ResultStore = {
      async find(_name, { ask }) {
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
      async find(_name, { ask }) {
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

  it('need a store of their own', () => {
    Object.defineProperty(Object.prototype, 'store', { value: { find: () => {} }, configurable: true })
    try {
      expect(gate({ store: undefined }).describe()).not.toHaveProperty('verifier.results')
    } finally {
      delete (Object.prototype as { store?: unknown }).store
    }
    expect(() => gate({ store: [] })).toThrow(TypeError)
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

  it('are right again as soon as a wrong record is repaired', async () => {
    expect(await gate({ subject: 7 })).toMatchObject({ ok: false, status: 503 })
    expect(await gate({ subject: 'emma' })).toMatchObject({ ok: true })
  })

  it('are 503 if the record contains the part of the token after its prefix', async () => {
    const token = generateToken('acme')
    const claims = { row: token.slice('acme_'.length) }
    const lookup = () => ({ subject: 'emma', claims })
    const verifier = opaque({ prefix: 'acme', lookup, cache: { ttl: 30, store } })
    expect(await statusOf(createGate({ verifier }), token)).toBe(503)
    expect(store.entries.size).toBe(0)
  })

  it('are 503 if the record contains the token, and then not stored', async () => {
    const token = 'a-token-of-more-than-8-characters'
    const claims = { row: [`Bearer ${token}`] }
    expect(await gate({ subject: 'emma', claims }, token)).toMatchObject({ ok: false, status: 503 })
    expect(store.entries.size).toBe(0)
  })
})
