/** Results on a real Redis: one process asks for all, nothing forged is used, and a Redis that fails costs no request. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createGate, introspection } from '@bearergate/core'
import { type RedisResultsOptions, type ResultsEvent, redisResults } from '@bearergate/redis'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { statusOf } from '../support/forge.ts'
import { type Introspector, json, type Reply, startIntrospector } from '../support/introspector.ts'
import { type Client, connect, hasRedis, type RedisServer, startRedis } from '../support/redis.ts'
import type { Counts } from './results.child.ts'

const SECRET = 'a secret with at least 32 bytes: 12345'
/** Longer than any answer of a Redis that works, also on a machine that is busy. */
const PATIENT = 5

describe.skipIf(!hasRedis)('redisResults', () => {
  let redis: RedisServer
  let server: Introspector
  let client: Client
  const closing: (() => unknown)[] = []
  beforeEach(async () => {
    redis = await startRedis()
    server = await startIntrospector(json({ active: true, sub: 'emma' }))
    client = await connect(redis.url)
    closing.push(
      () => redis.close(),
      server.close,
      () => client.destroy(),
    )
  })
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })

  /** Notes the calls of a command from now on. */
  function spied(command: 'del' | 'getRange' | 'set'): unknown[] {
    return vi.spyOn(client, command).mock.calls
  }

  /** The gate of one more process. */
  function gate(options: Partial<RedisResultsOptions> = {}, cache: object = {}, others: object = {}) {
    const store = redisResults(client, {
      name: 'introspection',
      secret: SECRET,
      timeout: PATIENT,
      ...options,
    })
    const { endpoint } = server
    const credentials = { clientId: 'api', clientSecret: 'secret', audience: null }
    return createGate({
      verifier: introspection({ endpoint, ...credentials, cache: { ttl: 60, store, ...cache }, ...others }),
    })
  }

  /** Waits until Redis has so many keys of results. They are stored in the background. */
  async function keys(count: number): Promise<string[]> {
    for (;;) {
      const found = (await client.keys('bearergate:results:*')).filter((key) => !key.endsWith(':asking'))
      if (found.length === count) return found
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }

  it('are asked for once, also by processes that need them at the same time', async () => {
    const gates = Array.from({ length: 8 }, () => gate())
    expect(await Promise.all(gates.map((one) => statusOf(one, 'token-1')))).toEqual(Array(8).fill(200))
    expect(server.asked).toHaveLength(1)
    await keys(1)
    expect(await statusOf(gate(), 'token-1')).toBe(200)
    expect(server.asked).toHaveLength(1)
  })

  it('contain no token, and are kept until ttl or until the token expires', async () => {
    const token = 'a-token-of-more-than-8-characters'
    server.reply = json({ active: true, sub: 'emma', token })
    await statusOf(gate(), token)
    const [key = ''] = await keys(1)
    const text = `${key} ${await client.get(key)}`
    expect(text).toContain('emma')
    expect(text).not.toContain(token)
    expect(await client.pTTL(key)).toBeGreaterThan(30_000)
    server.reply = json({ active: true, exp: Math.ceil(Date.now() / 1000) + 20 })
    await statusOf(gate(), 'token-2')
    const second = (await keys(2)).find((one) => one !== key) ?? ''
    expect(await client.pTTL(second)).toBeLessThanOrEqual(21_000)
  })

  it.each<[string, (key: string, text: string, other: string) => string]>([
    ['written by somebody else', () => JSON.stringify({ answer: { active: true }, askedAt: Date.now() })],
    ['changed', (_key, text) => text.replace('"active":false', '"active":true ')],
    ['those of another token', (_key, _text, other) => other],
    ['cut off', (_key, text) => text.slice(0, 20)],
    ['made so long that they would fill the memory', (_key, text) => text + ' '.repeat(2 ** 21)],
  ])('are not used if they were %s', async (_, forge) => {
    server.reply = json({ active: true })
    await statusOf(gate(), 'good')
    const [good = ''] = await keys(1)
    server.reply = json({ active: false })
    await statusOf(gate({}, { negativeTtl: 60 }), 'bad')
    const bad = (await keys(2)).find((key) => key !== good) ?? ''
    const [text, other] = [(await client.get(bad)) ?? '', (await client.get(good)) ?? '']
    await client.set(bad, forge(bad, text, other))
    const events: ResultsEvent[] = []
    expect(
      await statusOf(gate({ onResults: (event) => events.push(event) }, { negativeTtl: 60 }), 'bad'),
    ).toBe(401)
    expect(events).toContainEqual({ type: 'invalid_entry' })
  })

  it('are not shared with another secret or another name', async () => {
    await statusOf(gate(), 'token-1')
    await keys(1)
    await statusOf(gate({ secret: new Uint8Array(32) }), 'token-1')
    await statusOf(gate({ name: 'other' }), 'token-1')
    expect(server.asked).toHaveLength(3)
  })

  it('are not used if the clock of the other process is ahead, because they would look too new', async () => {
    const now = Date.now
    Date.now = () => now() + 5000
    try {
      await statusOf(gate(), 'token-1')
      await keys(1)
    } finally {
      Date.now = now
    }
    await statusOf(gate(), 'token-1')
    expect(server.asked).toHaveLength(2)
  })

  it.each<[string, Reply, number]>([
    ['there is none', json({}, 500), 503],
    ['it is not kept', json({ active: false }), 401],
  ])('are asked for at once by another process if %s', async (_, reply, status) => {
    server.reply = reply
    await client.configSet('notify-keyspace-events', 'KEA')
    const listener = await connect(redis.url)
    closing.push(() => listener.destroy())
    const ended = new Promise<string>((resolve) => {
      const end = (key: string, channel: string) => key.endsWith(':asking') && resolve(channel)
      void listener.subscribe(['__keyevent@0__:del', '__keyevent@0__:expired'], end)
    })
    await client.ping()
    expect(await statusOf(gate(), 'token-1')).toBe(status)
    // Without this, the next process would wait until the reservation expires.
    expect(await ended).toBe('__keyevent@0__:del')
    server.reply = json({ active: true })
    expect(await statusOf(gate(), 'token-1')).toBe(200)
  })

  it('are waited for while the process that asks gets no answer, for at most half of timeout', async () => {
    const held: (() => void)[] = []
    const active = json({ active: true })
    server.reply = (asked, response) =>
      held.length === 0 ? held.push(() => active(asked, response)) : active(asked, response)
    const first = statusOf(gate({}, {}, { timeout: 60 }), 'token-1')
    while (held.length === 0) await new Promise((resolve) => setTimeout(resolve, 2))
    expect(await statusOf(gate({}, {}, { timeout: 0.6 }), 'token-1')).toBe(200)
    expect(server.asked).toHaveLength(2)
    // Longer than a reservation lasts: the first process has renewed it.
    const [key = ''] = await client.keys('*:asking')
    await new Promise((resolve) => setTimeout(resolve, 1100))
    expect(await client.get(key)).toBe('1')
    held[0]?.()
    expect(await first).toBe(200)
  })

  it('are not used for longer than ttl if the clock of a process is behind', async () => {
    await statusOf(gate({}, { ttl: 2 }), 'token-1')
    const [key = ''] = await keys(1)
    const now = Date.now
    Date.now = () => now() - 1500
    try {
      const late = gate({}, { ttl: 2 })
      while ((await client.pTTL(key)) > 500) await new Promise((resolve) => setTimeout(resolve, 10))
      await statusOf(late, 'token-1')
      server.reply = json({ active: false })
      while ((await client.exists(key)) === 1) await new Promise((resolve) => setTimeout(resolve, 10))
      expect(await statusOf(late, 'token-1')).toBe(401)
    } finally {
      Date.now = now
    }
  })

  it('are asked for by each process while Redis is stopped, killed or full, and shared again after that', async () => {
    const events: string[] = []
    const onResults = ({ type }: ResultsEvent) => events.push(type)
    const one = gate({ timeout: 0.05, onResults })
    expect(await statusOf(one, 'before')).toBe(200)
    redis.pause()
    expect(await statusOf(one, 'stopped')).toBe(200)
    // Redis is left alone for a second, so that not every request waits for it.
    expect(await statusOf(one, 'stopped-2')).toBe(200)
    expect(events).toEqual(['failed'])
    redis.resume()
    await redis.kill()
    expect(await statusOf(one, 'killed')).toBe(200)
    await redis.start()
    for (let number = 0; !events.includes('recovered'); number += 1) {
      expect(await statusOf(one, `again-${number}`)).toBe(200)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await client.configSet('maxmemory', '1')
    expect(await statusOf(one, 'full')).toBe(200)
    await client.configSet('maxmemory', '0')
    const asked = server.asked.length
    await statusOf(one, 'shared')
    while (!(await isShared('shared'))) await new Promise((resolve) => setTimeout(resolve, 20))
    expect(server.asked.length).toBeGreaterThan(asked)
  })

  it('are asked for at once if ttl is shorter than the time for which another process may ask', async () => {
    // The first entry ends at once, and so must its reservation.
    const [one, two] = [gate({}, { ttl: 0.001 }), gate({}, { ttl: 0.001 })]
    const commands = spied('del')
    expect(await statusOf(one, 'token-1')).toBe(200)
    expect(commands).toHaveLength(1)
    expect(await statusOf(two, 'token-1')).toBe(200)
  })

  it('are asked for at once after an outage, though a reservation is left that no process removes', async () => {
    await statusOf(gate(), 'token-1')
    const [key = ''] = await keys(1)
    const events: string[] = []
    const onResults = ({ type }: ResultsEvent) => {
      events.push(type)
      // No time passes after the outage, so that this does not depend on the speed of the machine.
      if (type === 'recovered') vi.spyOn(performance, 'now').mockReturnValue(performance.now())
    }
    closing.push(() => vi.restoreAllMocks())
    const one = gate({ timeout: 0.05, onResults })
    redis.pause()
    expect(await statusOf(one, 'stopped')).toBe(200)
    redis.resume()
    while (!events.includes('recovered')) {
      await statusOf(one, `again-${events.length}-${server.asked.length}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await client.set(`${key}:asking`, '1')
    await client.del(key)
    const looks = spied('getRange')
    expect(await statusOf(one, 'token-1')).toBe(200)
    expect(looks).toHaveLength(1)
  })

  it('make at most 100 requests of a process wait for others, however many tokens a client makes up', async () => {
    const tokens = Array.from({ length: 150 }, (_, index) => `made-up-${index}`)
    const held: (() => void)[] = []
    server.reply = (asked, response) => held.push(() => json({ active: false })(asked, response))
    const options = { timeout: 60, concurrency: 1000 }
    const commands = spied('set') as [key: string][]
    const first = tokens.map((token) => statusOf(gate({}, {}, options), token))
    while (held.length < 150) await new Promise((resolve) => setTimeout(resolve, 2))
    // Reservations that do not end, so that this does not depend on the speed of the machine.
    for (const [key] of [...commands]) await client.set(key, '1')
    const looks = spied('getRange') as [key: string][]
    const second = gate({}, {}, { ...options, timeout: 6 })
    const waiting = tokens.map((token) => statusOf(second, token))
    while (held.length < 300) await new Promise((resolve) => setTimeout(resolve, 2))
    for (const answer of held) answer()
    expect(new Set(await Promise.all([...first, ...waiting]))).toEqual(new Set([401]))
    // Those that did not wait have looked for an answer only once.
    const keys = looks.map(([key]) => key)
    expect(keys.filter((key) => keys.indexOf(key) === keys.lastIndexOf(key))).toHaveLength(50)
  })

  it('are asked for at once by another process if Redis became full before it could store the answer', async () => {
    server.reply = async (asked, response) => {
      await client.configSet('maxmemory', '1')
      json({ active: true })(asked, response)
    }
    const commands = spied('del')
    expect(await statusOf(gate(), 'token-1')).toBe(200)
    while (commands.length === 0) await new Promise((resolve) => setTimeout(resolve, 2))
    while ((await client.keys('*:asking')).length > 0) await new Promise((resolve) => setTimeout(resolve, 2))
  })

  it('report one failure while Redis is full, though it still answers other commands', async () => {
    const events: string[] = []
    const one = gate({ onResults: ({ type }) => events.push(type) })
    await client.configSet('maxmemory', '1')
    for (let number = 0; number < 10; number += 1) expect(await statusOf(one, `full-${number}`)).toBe(200)
    expect(events).toEqual(['failed'])
    await client.configSet('maxmemory', '0')
    expect(await statusOf(one, 'again')).toBe(200)
    expect(events).toEqual(['failed', 'recovered'])
  })

  it('are asked for even if a reservation never ends', async () => {
    await statusOf(gate(), 'token-1')
    const [key = ''] = await keys(1)
    await client.set(`${key}:asking`, '1')
    await client.del(key)
    expect(await statusOf(gate(), 'token-1')).toBe(200)
    expect(server.asked).toHaveLength(2)
  })

  async function isShared(token: string): Promise<boolean> {
    const before = server.asked.length
    await statusOf(gate(), token)
    return server.asked.length === before
  }

  it('are 503 while Redis fails, if ifUnavailable is "reject", except those in the cache of the process', async () => {
    const one = gate({ timeout: 0.05, ifUnavailable: 'reject' })
    const patient = gate({ ifUnavailable: 'reject' })
    expect(await statusOf(patient, 'before')).toBe(200)
    await redis.kill()
    expect(await statusOf(one, 'token-1')).toBe(503)
    expect(await statusOf(patient, 'before')).toBe(200)
    expect(one.describe()).toMatchObject({ verifier: { results: { kind: 'redis', isAvailable: false } } })
  })

  it('are asked for if the key holds something else', async () => {
    await statusOf(gate(), 'token-1')
    const [key = ''] = await keys(1)
    await client.del(key)
    await client.lPush(key, 'one')
    const events: string[] = []
    expect(await statusOf(gate({ onResults: ({ type }) => events.push(type) }), 'token-1')).toBe(200)
    expect(events).toContain('failed')
  })

  it('survive a listener that throws', async () => {
    const onResults = () => {
      throw new Error('no')
    }
    await redis.kill()
    expect(await statusOf(gate({ timeout: 0.05, onResults }), 'token-1')).toBe(200)
  })

  it('cost four processes little more than one introspection per token', async () => {
    const tokens = Array.from({ length: 10_000 }, (_, index) => `token-${index}`)
    const source = process.env.BEARERGATE_TARGET === 'dist' ? [] : ['--conditions=@bearergate/source']
    const execArgv = [...source, '--import', 'tsx']
    const children = Array.from({ length: 4 }, () =>
      fork(new URL('results.child.ts', import.meta.url), { execArgv }),
    )
    closing.push(() => children.map((child) => child.kill()))
    const messageOf = async (child: ChildProcess) => (await once(child, 'message'))[0]
    await Promise.all(
      children.map((child) => {
        child.send({ redis: redis.url, endpoint: server.endpoint })
        return messageOf(child)
      }),
    )
    // All processes get the same tokens in the same order, so they need most answers at the same time.
    const counts = await Promise.all(
      children.map((child) => {
        child.send({ tokens, parallel: 24 })
        return messageOf(child) as Promise<Counts>
      }),
    )
    expect(counts).toEqual(Array(4).fill({ 200: tokens.length }))
    expect(server.asked.length).toBeGreaterThanOrEqual(tokens.length)
    expect(server.asked.length).toBeLessThanOrEqual(10_100)
  })

  it.each<[string, unknown, RegExp]>([
    [
      'no secret',
      { name: 'a' },
      /"secret" must be a text or a Uint8Array with at least 32 bytes, but is undefined/,
    ],
    [
      'a short secret',
      { name: 'a', secret: 'short' },
      /but has 5\. Create one with: openssl rand -base64 32/,
    ],
    ['no name', { secret: SECRET }, /"name" must be a text that is not empty, but is undefined/],
    [
      'a timeout of 0',
      { name: 'a', secret: SECRET, timeout: 0 },
      /"timeout" must be a number of seconds from 0.01 to 5/,
    ],
    [
      'another behaviour',
      { name: 'a', secret: SECRET, ifUnavailable: 'continue' },
      /must be "ask" or "reject"/,
    ],
    ['no listener', { name: 'a', secret: SECRET, onResults: 'log' }, /"onResults" must be a function/],
    ['an unknown option', { name: 'a', secret: SECRET, ttl: 5 }, /"redisResults" has no option "ttl"/],
    ['no options', undefined, /"redisResults" needs an object with options/],
  ])('cannot be created with %s', (_, options, message) => {
    expect(() => redisResults(client, options as never)).toThrow(message)
  })
})
