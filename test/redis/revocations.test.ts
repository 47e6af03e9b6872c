/** Revocations on a real Redis: they reach every process, survive what happens to Redis, and never fail open by default. */

import { createGate, memoryRevocations } from '@bearergate/core'
import { setDecision } from '@bearergate/core/adapter'
import { type RedisRevocationsOptions, redisJwksStore, redisRevocations } from '@bearergate/redis'
import { createClient, createClientPool, createCluster, createSentinel } from 'redis'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { requestWith } from '../support/forge.ts'
import { AUDIENCE, createKey, ISSUER, type TestKey } from '../support/issuer.ts'
import { type Client, connect, hasRedis, type RedisServer, startRedis } from '../support/redis.ts'
import { clientWith } from '../support/redis-client.ts'
import {
  answers,
  ask,
  createProcess,
  exitCodeWithOpenFeed,
  type Process,
  rejects,
  validToken,
} from '../support/revocation-process.ts'

describe.skipIf(!hasRedis)('redisRevocations', () => {
  let key: TestKey
  const closing: (() => unknown)[] = []
  beforeAll(async () => {
    key = await createKey()
  })
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })

  async function redis(...options: string[]): Promise<RedisServer> {
    const server = await startRedis(...options)
    closing.push(() => server.close())
    return server
  }

  /** @param before called before the store is created */
  async function process(
    { url }: RedisServer,
    options: RedisRevocationsOptions = {},
    before: () => void = () => {},
  ): Promise<Process<Client>> {
    const client = await connect(url)
    before()
    const created = createProcess(client, key, options)
    closing.push(() => created.close())
    return created
  }

  const token = (claims: Record<string, unknown> = {}) => validToken(key, claims)

  it('takes effect in every process, in hot caches as well, for tokens, token ids and subjects', async () => {
    const server = await redis()
    const [one, two] = [await process(server), await process(server)]
    const sent = [
      await token(),
      await token({ jti: 'by-id' }),
      await token({ sub: 'mallory' }),
      await token({ sub: 'emma' }),
    ]
    for (const at of [one, two]) for (const text of sent) expect(await ask(at, text)).toBe('200')
    await one.gate.revoke(sent[0] as string)
    await two.gate.revoke({ tokenId: 'by-id' })
    await two.gate.revoke({ subject: 'mallory' })
    for (const text of sent.slice(0, 3)) {
      await rejects(one, text)
      await rejects(two, text)
    }
    for (const at of [one, two]) expect(await ask(at, sent[3] as string)).toBe('200')
  })

  /** Opens a stream of this token, and returns its signal. */
  async function signalOf({ gate }: Process<Client>, sent: string): Promise<AbortSignal> {
    const request = new Request('https://api.example.com/', { headers: { authorization: `Bearer ${sent}` } })
    const decision = await gate.authenticate(request)
    if (!decision.ok) throw new Error('refused')
    setDecision(request, gate, decision, request)
    return gate.signal(request)
  }

  const codeOfEnd = (signal: AbortSignal) =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason.code)))

  it('ends the streams of every process', async () => {
    const server = await redis()
    const [one, two] = [await process(server), await process(server)]
    const aborted = codeOfEnd(await signalOf(two, await token({ sub: 'mallory' })))
    await one.gate.revoke({ subject: 'mallory' })
    expect(await aborted).toBe('ERR_TOKEN_REVOKED')
  })

  it('keeps streams open during an outage, and ends those that another process revoked meanwhile', async () => {
    const server = await redis()
    const one = await process(server, { maxLag: 2 })
    const other = await connect(server.url)
    closing.push(() => other.destroy())
    // After an entry, the feed counts as current only when it has checked that Redis still has that entry.
    await one.gate.revoke({ tokenId: 'first' })
    const signal = await signalOf(one, await token({ sub: 'mallory' }))
    const ended = codeOfEnd(signal)
    const failed = one.next('failed')
    server.pause()
    const added = other.xAdd('bearergate:revocations', '*', { entry: '{"subject":"mallory"}' })
    await failed
    await answers(one, await token({ sub: 'emma' }), '503 unavailable')
    expect(signal.aborted).toBe(false)
    server.resume()
    await added
    expect(await ended).toBe('ERR_TOKEN_REVOKED')
  })

  it('is known to a process that starts later, before its first answer', async () => {
    const server = await redis()
    const one = await process(server)
    const sent = await token()
    await one.gate.revoke(sent)
    expect(await ask(await process(server), sent)).toBe('401 revoked')
  })

  it('reads more entries than one answer of Redis has', async () => {
    const server = await redis()
    const one = await process(server)
    await Promise.all(Array.from({ length: 2500 }, (_, index) => one.gate.revoke({ tokenId: `id-${index}` })))
    const two = await process(server)
    await two.store.ready()
    expect(two.store.size).toBe(2500)
  })

  it('misses nothing while a process is disconnected, and reads on from its last entry', async () => {
    const server = await redis()
    const [one, two] = [await process(server), await process(server)]
    await Promise.all([one.store.ready(), two.store.ready()])
    const sent = await token()
    expect(await ask(two, sent)).toBe('200')
    const again = [one.next('current'), two.next('current')]
    await server.kill()
    await server.start()
    await again[0]
    await one.gate.revoke(sent)
    await again[1]
    await rejects(two, sent)
    expect(two.events.map(({ type }) => type)).toContain('failed')
  })

  it('answers 503 while Redis is unavailable for longer than maxLag, and 200 again after that', async () => {
    const server = await redis()
    const one = await process(server, { maxLag: 2 })
    const sent = await token()
    expect(await ask(one, sent)).toBe('200')
    server.pause()
    while ((await ask(one, sent)) === '200') await new Promise((resolve) => setTimeout(resolve, 20))
    expect(await ask(one, sent)).toBe('503 unavailable')
    server.resume()
    while ((await ask(one, sent)) !== '200') await new Promise((resolve) => setTimeout(resolve, 20))
  })

  it('goes on with the revocations that it knows, if ifUnavailable is "continue"', async () => {
    const server = await redis()
    const one = await process(server, { maxLag: 2, ifUnavailable: 'continue' })
    const [good, bad] = [await token(), await token()]
    await one.gate.revoke(bad)
    const failed = one.next('failed')
    await server.kill()
    await failed
    expect([await ask(one, good), await ask(one, bad)]).toEqual(['200', '401 revoked'])
    expect(one.events.filter(({ type }) => type === 'failed')).toHaveLength(1)
  })

  it('answers 503 if Redis was never there, and starts as soon as it is', async () => {
    const server = await redis()
    const other = await process(server)
    const sent = await token()
    await other.gate.revoke(sent)
    const one = await process(server, { maxLag: 2 }, () => server.pause())
    expect(await ask(one, sent)).toBe('503 unavailable')
    await expect(one.store.ready()).rejects.toThrow('could not be read')
    const current = one.next('current')
    server.resume()
    await current
    expect(await ask(one, sent)).toBe('401 revoked')
  })

  it('throws from gate.revoke if Redis is full, and sends the revocation when it is not', async () => {
    const server = await redis()
    const [one, two] = [await process(server), await process(server)]
    await Promise.all([one.store.ready(), two.store.ready()])
    const sent = await token()
    expect([await ask(one, sent), await ask(two, sent)]).toEqual(['200', '200'])
    await one.client.configSet('maxmemory', '1')
    await expect(one.gate.revoke(sent)).rejects.toThrow('did not store the revocation')
    expect([await ask(one, sent), await ask(two, sent)]).toEqual(['401 revoked', '200'])
    expect(one.gate.describe().revocationStore).toMatchObject({ isCurrent: true, unsent: 1 })
    await one.client.configSet('maxmemory', '0')
    await rejects(two, sent)
    while (!JSON.stringify(one.store.describe?.()).includes('"unsent":0'))
      await new Promise((resolve) => setTimeout(resolve, 2))
    expect(one.gate.describe().revocationStore).toEqual({
      kind: 'redis',
      isCurrent: true,
      isFull: false,
      unsent: 0,
    })
  })

  it('throws from gate.revoke after maxLag if Redis has stopped, and sends the revocation when it answers', async () => {
    const server = await redis()
    const [one, two] = [await process(server, { maxLag: 2 }), await process(server)]
    await Promise.all([one.store.ready(), two.store.ready()])
    const sent = await token()
    server.pause()
    await expect(one.gate.revoke(sent)).rejects.toThrow('did not store the revocation')
    expect(one.store.describe?.()).toMatchObject({ unsent: 1 })
    server.resume()
    await rejects(two, sent)
  })

  it('opens fewer and fewer connections while those that it gave up do not close', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    closing.push(() => vi.useRealTimers())
    let opened = 0
    const never = () => new Promise<never>(() => {})
    const stuck = { connect: never, destroy: never, on() {} }
    const duplicate = () => {
      opened += 1
      return stuck
    }
    const store = redisRevocations(clientWith({ duplicate }, never))
    await vi.advanceTimersByTimeAsync(60_000)
    expect(opened).toBeGreaterThan(5)
    const inAMinute = opened
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(opened).toBeLessThan(inAMinute + 20)
    expect(opened).toBeGreaterThan(inAMinute + 5)
    store.close()
  })

  it('answers 503 if the key holds something else, and recovers when it is removed', async () => {
    const server = await redis()
    const client = await connect(server.url)
    closing.push(() => client.destroy())
    await client.set('other', 'text')
    const one = await process(server, { key: 'other', maxLag: 2 })
    const sent = await token()
    expect(await ask(one, sent)).toBe('503 unavailable')
    expect(one.events.find(({ type }) => type === 'failed')).toMatchObject({
      cause: { message: expect.stringContaining('WRONGTYPE') },
    })
    const current = one.next('current')
    await client.del('other')
    await current
    expect(await ask(one, sent)).toBe('200')
  })

  it('ignores entries that are no revocation, and reports them', async () => {
    const server = await redis()
    const one = await process(server)
    const bad = [
      '',
      '{',
      'null',
      '{}',
      '{"subject":7}',
      '{"subject":"a","tokenId":"b"}',
      '{"tokenId":"a","expiresAt":"x"}',
    ]
    for (const entry of bad) await one.client.xAdd('bearergate:revocations', '*', { entry })
    const sent = await token()
    await one.gate.revoke(sent)
    const two = await process(server)
    await two.store.ready()
    expect(two.events.filter(({ type }) => type === 'invalid_entry')).toHaveLength(bad.length)
    expect(two.store.size).toBe(1)
  })

  it('answers 503 if the memory of the process cannot take a revocation', async () => {
    const server = await redis()
    const one = await process(server)
    const two = await process(server, { max: 1 })
    await Promise.all([one.store.ready(), two.store.ready()])
    const full = two.next('full')
    await one.gate.revoke({ tokenId: 'a' })
    await one.gate.revoke({ tokenId: 'b' })
    await full
    expect(await ask(two, await token())).toBe('503 unavailable')
    expect(await ask(one, await token())).toBe('200')
  })

  it('stores no token, and removes entries some time after their tokens have expired', async () => {
    const server = await redis()
    const one = await process(server, { maxTokenLifetime: 3600 })
    const now = Math.floor(Date.now() / 1000)
    for (const [id, expiresAt] of [
      ['a', now - 7200],
      ['b', now - 60],
      ['c', now + 999_999],
    ] as const)
      await one.client.xAdd('bearergate:revocations', '*', {
        entry: JSON.stringify({ tokenId: id, expiresAt }),
      })
    const sent = await token()
    await one.gate.revoke(sent)
    await one.gate.revoke({ tokenId: 'd' })
    const entries = ((await one.client.xRange('bearergate:revocations', '-', '+')) ?? []).map(({ message }) =>
      JSON.parse(message.entry ?? ''),
    )
    expect(JSON.stringify(entries)).not.toContain(sent.slice(-20))
    expect(entries.map(({ tokenId }) => tokenId)).toEqual(['b', 'c', undefined, 'd'])
    expect(Object.keys(entries[2]).sort()).toEqual(['expiresAt', 'tokenHash'])
    expect(entries[3].expiresAt).toBeGreaterThanOrEqual(now + 3600)
    expect(await one.client.ttl('bearergate:revocations')).toBe(-1)
  })

  it('answers 503 until all entries are known, also if that takes longer than maxLag', async () => {
    const server = await redis()
    const one = await process(server)
    const sent = await token()
    await one.gate.revoke(sent)
    // A client whose answers are late: the stream never ends, page by page.
    const late = await connect(server.url)
    closing.push(() => late.destroy())
    const page = {
      messages: Array.from({ length: 1000 }, (_, id) => ({
        id: `1-${id}`,
        message: { entry: '{"tokenId":"x"}' },
      })),
    }
    const slow = Object.assign(Object.create(late), {
      xAdd: () => Promise.resolve(),
      duplicate: () => ({
        on() {},
        connect: async () => {},
        destroy() {},
        xRead: () => new Promise((resolve) => setTimeout(() => resolve([page]), 20)),
      }),
    })
    const store = redisRevocations(slow, { maxLag: 2 })
    closing.push(() => store.close())
    const gate = createGate({
      issuer: ISSUER,
      audience: AUDIENCE,
      keys: { keys: [key.jwk] },
      revocations: store,
    } as never)
    expect(await ask({ gate }, sent)).toBe('503 unavailable')
    expect(await ask({ gate }, sent)).toBe('503 unavailable')
    await expect(store.ready()).rejects.toThrow()
  })

  it('counts maxLag from what an answer of Redis proves, also if the answer comes late', async () => {
    let time = 0
    vi.spyOn(performance, 'now').mockImplementation(() => time)
    closing.push(() => vi.restoreAllMocks())
    const asked: { readonly BLOCK?: number; answer(reply: unknown): void }[] = []
    const next = async (count: number) => {
      while (asked.length < count) await new Promise((resolve) => setImmediate(resolve))
      return asked.at(-1) as (typeof asked)[number]
    }
    const client = clientWith({
      duplicate: () => ({
        on() {},
        connect: async () => {},
        destroy() {},
        xRead: (_stream: object, options: { BLOCK?: number }) =>
          new Promise((answer) => asked.push({ ...options, answer })),
        xRange: async (_key: string, id: string) => [{ id, message: { entry: '{"tokenId":"x"}' } }],
      }),
    })
    const store = redisRevocations(client, { maxLag: 2 })
    closing.push(() => store.close())
    const status = async (at: number) => {
      time = at
      return ask({ gate: createGate({ ...base, revocations: store } as never) }, sent)
    }
    const base = { issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk] } }
    const sent = await token()
    ;(await next(1)).answer(null)
    const second = await next(2)
    // Empty after a second: it proves that there was no revocation in this second, and no more.
    time = 2900
    second.answer(null)
    const third = await next(3)
    expect([await status(3000), await status(3001)]).toEqual(['200', '503 unavailable'])
    // With an entry: it proves only what was there when it was asked for.
    time = 3400
    third.answer([{ messages: [{ id: '1-1', message: { entry: '{"tokenId":"x"}' } }] }])
    const fourth = await next(4)
    expect([await status(4900), await status(4901)]).toEqual(['200', '503 unavailable'])
    expect([second, third, fourth].map(({ BLOCK }) => BLOCK)).toEqual([1000, 1000, undefined])
  })

  it('reads the stream again if Redis lost it, and reports when it knows all revocations again', async () => {
    const server = await redis()
    const [one, two] = [await process(server), await process(server)]
    await Promise.all([one.store.ready(), two.store.ready()])
    await one.gate.revoke({ tokenId: 'before' })
    while (two.store.size < 1) await new Promise((resolve) => setTimeout(resolve, 2))
    const current = two.next('current')
    // The ids of a server whose clock is behind. In one step, because an empty stream alone is no reset.
    const stream = 'bearergate:revocations'
    await one.client.multi().del(stream).xAdd(stream, '1000-0', { entry: '{"tokenId":"after"}' }).exec()
    await current
    expect(two.events.slice(-2)).toEqual([{ type: 'reset' }, { type: 'current' }])
    const sent = await token({ jti: 'after' })
    expect(await ask(two, sent)).toBe('401 revoked')
  })

  it('reads the stream again if Redis lost its last entry, although newer entries have higher ids', async () => {
    const server = await redis()
    const one = await process(server)
    await one.store.ready()
    await one.gate.revoke({ tokenId: 'before' })
    const current = one.next('current')
    const stream = 'bearergate:revocations'
    // A replica that did not have the last entry was promoted, its clock is behind, and others revoked tokens on it.
    const missed = { entry: '{"tokenId":"missed"}' }
    const newer = { entry: '{"tokenId":"newer"}' }
    await one.client.multi().del(stream).xAdd(stream, '1000-0', missed).xAdd(stream, '*', newer).exec()
    await current
    expect(one.events.map(({ type }) => type)).toEqual(['current', 'reset', 'current'])
    for (const jti of ['before', 'missed', 'newer'])
      expect(await ask(one, await token({ jti }))).toBe('401 revoked')
  })

  it('adds a revocation again that Redis stored and lost before any process read it', async () => {
    const server = await redis()
    const [one, two] = [await process(server), await process(server)]
    await Promise.all([one.store.ready(), two.store.ready()])
    const sent = await token()
    const client = one.client as { xAdd: unknown }
    const { xAdd } = client
    // As in a failover: the primary answered, and the replica does not have the entry.
    client.xAdd = async (key: string, _id: string, message: Record<string, string>) => {
      client.xAdd = xAdd
      const [, id] = await one.client
        .multi()
        .xTrim(key, 'MAXLEN', 0)
        .xAdd(key, '*', message)
        .xTrim(key, 'MAXLEN', 0)
        .exec()
      return id
    }
    await one.gate.revoke(sent)
    await rejects(two, sent)
  })

  it('adds its own revocations again after Redis lost all data, so that new processes know them', async () => {
    const server = await redis()
    const [one, two] = [await process(server), await process(server)]
    await Promise.all([one.store.ready(), two.store.ready()])
    const [first, second] = [await token(), await token({ sub: 'noah' })]
    await one.gate.revoke(first)
    await two.store.revoke({ subject: 'noah' })
    await rejects(two, first)
    await rejects(one, second)
    const entries = async () => {
      const found = (await one.client.xRange('bearergate:revocations', '-', '+')) ?? []
      return found
        .map(({ message }) => JSON.parse(message.entry ?? ''))
        .sort((a) => ('subject' in a ? 1 : -1))
    }
    const before = await entries()
    await one.client.flushAll()
    while ((await entries()).length < 2) await new Promise((resolve) => setTimeout(resolve, 10))
    // With the same dates: otherwise tokens of a login since then would be rejected.
    expect(await entries()).toEqual(before)
    expect(before[1].issuedBefore).toBeTypeOf('number')
    const three = await process(server)
    for (const sent of [first, second]) expect(await ask(three, sent)).toBe('401 revoked')
  })

  it('are stored by a Redis that is full of results, with the policy volatile-ttl', async () => {
    const server = await redis('--maxmemory-policy', 'volatile-ttl')
    const one = await process(server)
    await one.store.ready()
    const used = Number(/used_memory:(\d+)/.exec(await one.client.info('memory'))?.[1])
    await one.client.configSet('maxmemory', String(used + 1_000_000))
    const fill = (number: number) =>
      one.client.set(`bearergate:results:${number}`, 'x'.repeat(1000), {
        expiration: { type: 'PX', value: 60_000 },
      })
    await Promise.all(Array.from({ length: 3_000 }, (_, number) => fill(number)))
    expect(await one.client.dbSize()).toBeLessThan(3_000)
    await Promise.all(
      Array.from({ length: 200 }, (_, number) => one.gate.revoke({ tokenId: `id-${number}` })),
    )
    expect(await one.client.xLen('bearergate:revocations')).toBe(200)
  })

  it('adds no revocation twice while Redis keeps them', async () => {
    const server = await redis()
    const [one, two] = [await process(server), await process(server)]
    await Promise.all([one.store.ready(), two.store.ready()])
    for (let number = 1; number <= 20; number += 1) {
      const sent = await token()
      await one.gate.revoke(sent)
      await rejects(two, sent)
    }
    expect(await one.client.xLen('bearergate:revocations')).toBe(20)
  })

  it('does not keep the process alive if its client is closed, and the feed is not', async () => {
    expect(await exitCodeWithOpenFeed('single', [await redis()])).toBe(0)
  })

  it('leaves no connection if it is closed while it connects', async () => {
    const server = await redis()
    const client = await connect(server.url)
    closing.push(() => client.destroy())
    for (let time = 0; time < 10; time += 1) redisRevocations(client).close()
    while ((await client.clientList()).length > 1) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(await client.clientList()).toHaveLength(1)
  })

  it('does not keep the process alive after close', async () => {
    const server = await redis()
    const one = await process(server)
    await one.store.ready()
    one.store.close()
    const names = () => one.client.clientList()
    while ((await names()).length > 1) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(await names()).toHaveLength(1)
  })

  it('costs no promise for a request with a cached token, as the store in memory', async () => {
    const server = await redis()
    const one = await process(server)
    const sent = await token()
    expect(await ask(one, sent)).toBe('200')
    expect(one.gate.authenticate(requestWith(sent))).not.toBeInstanceOf(Promise)
    const keys = { keys: [key.jwk] }
    const memory = createGate({
      issuer: ISSUER,
      audience: AUDIENCE,
      keys,
      revocations: memoryRevocations(),
    } as never)
    expect(await ask({ gate: memory }, sent)).toBe('200')
    expect(memory.authenticate(requestWith(sent))).not.toBeInstanceOf(Promise)
  })

  it.each([
    [
      'undefined',
      undefined,
      /needs a client of the package "redis" as its first argument, but received undefined/,
    ],
    ['null', null, /but received null/],
    ['a URL', 'redis://127.0.0.1', /but received string/],
    ['an object', {}, /but received an object without the method "get"/],
    ['a pool', createClientPool(), /but received an object without the method "duplicate"/],
    ['a transaction', createClient().multi(), /but received an object without the method "duplicate"/],
  ])('throws a TypeError if the client is %s', (_name, client, message) => {
    for (const create of [redisRevocations, redisJwksStore])
      expect(() => create(client as never)).toThrow(
        expect.objectContaining({ name: 'TypeError', message: expect.stringMatching(message) }),
      )
  })

  it.each([
    [{ maxlag: 5 }, /has no option "maxlag"/],
    [{ maxLag: 1 }, /"maxLag" must be a whole number of seconds from 2 to 300, but is 1/],
    [{ key: '' }, /"key" must be a text that is not empty/],
    [{ ifUnavailable: 'open' }, /"ifUnavailable" must be "reject" or "continue", but is "open"/],
    [{ onFeed: 1 }, /"onFeed" must be a function/],
  ])('throws a TypeError for the options %o', (options, message) => {
    for (const client of [
      createClient(),
      createCluster({ rootNodes: [] }),
      createSentinel({ name: 'main', sentinelRootNodes: [] }),
    ])
      expect(() => redisRevocations(client, options as never)).toThrow(message)
  })
})
