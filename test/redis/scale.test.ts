/** The formulas of docs/scale.md, compared to the commands, connections and memory of a real Redis, and to real key fetches. */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createGate, introspection, memoryRevocations } from '@bearergate/core'
import { redisJwksStore, redisResults, redisRevocations } from '@bearergate/redis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { statusOf } from '../support/forge.ts'
import { json, startIntrospector } from '../support/introspector.ts'
import { AUDIENCE, createKey, ISSUER } from '../support/issuer.ts'
import { type Client, connect, hasRedis, type RedisServer, startRedis } from '../support/redis.ts'
import { BYTES, FORMULAS, type Load } from '../support/scale.ts'

/** How far a measured size may be from the one of the page: versions of Redis and of Node differ. */
const TOLERANCE = 0.2
const LOAD: Load = { N: 3, T: 40, R: 1, V: 0, E: 0, F: 600, L: 600 }

/** The claims of a usual access token. */
function claims(number: number) {
  const now = Math.floor(Date.now() / 1000)
  return {
    sub: crypto.randomUUID(),
    client_id: 'b2f7a0c4-web',
    scope: 'openid profile email read:messages write:messages',
    jti: crypto.randomUUID(),
    sid: `session-${number}`,
    iat: now - 10,
    exp: now + 3600,
  }
}

describe.skipIf(!hasRedis)('the formulas of docs/scale.md', () => {
  let server: RedisServer
  let observer: Client
  const closing: (() => unknown)[] = []
  beforeEach(async () => {
    server = await startRedis()
    observer = await connect(server.url)
    closing.push(
      () => server.close(),
      () => observer.destroy(),
    )
  })
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })

  async function client(): Promise<Client> {
    const created = await connect(server.url)
    closing.push(() => created.destroy())
    return created
  }

  /** The feed of one more process. */
  async function feed() {
    const store = redisRevocations(await client())
    closing.push(() => store.close())
    await store.ready()
    return store
  }

  function feeds(count: number) {
    return Promise.all(Array.from({ length: count }, feed))
  }

  /** How often Redis has run each command since the last reset. */
  async function commands() {
    const text = await observer.info('commandstats')
    return (name: string) => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(text)?.[1] ?? 0)
  }

  it('say how many connections the processes have', async () => {
    await feeds(LOAD.N)
    expect((await observer.clientList()).length - 1).toBe(FORMULAS.connections.of(LOAD))
  })

  it('bound the commands for revocations: two per second and process, and four per revocation and process', async () => {
    const { N } = LOAD
    const V = 20
    const stores = await feeds(N)
    await stores[0]?.revoke({ tokenId: 'first' })
    await known(1)
    await observer.configResetStat()
    const beganAt = performance.now()
    for (let count = 1; count <= V; count += 1) {
      await stores[0]?.revoke({ tokenId: `id-${count}` })
      await known(1 + count)
    }
    let calls = await commands()
    // Now that there is nothing new, each read waits for a second.
    const reads = calls('xread')
    while (calls('xread') < reads + 3 * N) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      calls = await commands()
    }
    const seconds = (performance.now() - beganAt) / 1000
    expect([calls('xadd'), calls('xdel')]).toEqual([V, 0])
    // Each read is followed by a look at the last entry, and each revocation by a look at the oldest ones.
    expect(Math.abs(calls('xrange') - calls('xread') - V)).toBeLessThanOrEqual(N)
    const all = ['xadd', 'xrange', 'xdel', 'xread'].reduce((sum, name) => sum + calls(name), 0)
    const bound = FORMULAS.feedCommands.of({ ...LOAD, V: V / seconds }) * seconds
    // No entry has ended, so the `XDEL` of the formula is missing.
    expect(all + V).toBeLessThanOrEqual(bound + 4 * N)

    async function known(count: number): Promise<void> {
      while (stores.some(({ size }) => size < count)) await new Promise((resolve) => setTimeout(resolve, 1))
    }
  })

  it('say how often a process reads when it starts, and how much memory the revocations take', async () => {
    const store = await feed()
    const E = 2500
    for (let sent = 0; sent < E; sent += 500)
      await Promise.all(Array.from({ length: 500 }, () => store.revoke(revokedSession())))
    const bytes = (await observer.memoryUsage('bearergate:revocations', { SAMPLES: 0 })) ?? 0
    expectNear(bytes / FORMULAS.streamMemory.of({ ...LOAD, E }))
    store.close()
    while ((await observer.clientList()).length > 2) await new Promise((resolve) => setTimeout(resolve, 5))
    await observer.configResetStat()
    const late = await feed()
    expect(late.size).toBe(E)
    // The last one may be the first that waits for new entries.
    const reads = (await commands())('xread')
    expect([0, 1]).toContain(reads - FORMULAS.startReads.of({ ...LOAD, E }))
  })

  it('say which commands the results of introspection cost, and how much memory they take', async () => {
    const { N, T } = LOAD
    const issuer = await startIntrospector((asked, response) =>
      json({ active: true, iss: ISSUER, aud: AUDIENCE, ...claims(0) })(asked, response),
    )
    closing.push(issuer.close)
    const gates = await Promise.all(
      Array.from({ length: N }, async () => {
        const store = redisResults(await client(), {
          name: 'introspection',
          secret: 'x'.repeat(32),
          timeout: 5,
        })
        const credentials = { clientId: 'api', clientSecret: 'secret', audience: AUDIENCE }
        const cache = { ttl: LOAD.L, store }
        return createGate({ verifier: introspection({ endpoint: issuer.endpoint, ...credentials, cache }) })
      }),
    )
    await observer.configResetStat()
    for (let token = 1; token <= T; token += 1) {
      const [first, ...others] = gates
      expect(await statusOf(first as never, `token-${token}`)).toBe(200)
      // The answer is stored in the background.
      while ((await results()).length < token) await new Promise((resolve) => setTimeout(resolve, 1))
      for (const gate of [...others, ...gates]) expect(await statusOf(gate, `token-${token}`)).toBe(200)
    }
    const calls = await commands()
    expect([calls('getrange'), calls('pttl'), calls('set')]).toEqual([N * T, N * T, 2 * T])
    // Each process needed each token, as it is if the rate is high.
    const always = { ...LOAD, R: 1e9 }
    expect(issuer.asked).toHaveLength(T)
    expect(FORMULAS.callsShared.of(always) * LOAD.L).toBeCloseTo(T)
    expect(FORMULAS.resultCommands.of(always) * LOAD.L).toBeCloseTo(
      calls('getrange') + calls('pttl') + calls('set'),
    )
    const sizes = await Promise.all((await results()).map((key) => observer.memoryUsage(key)))
    const bytes = sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)
    expectNear(bytes / FORMULAS.resultMemory.of(LOAD))

    async function results(): Promise<string[]> {
      return (await observer.keys('bearergate:results:*')).filter((key) => !key.endsWith(':asking'))
    }
  })

  it('count one fetch of keys for all processes that start one after the other, if they share them', async () => {
    const key = await createKey()
    const token = await key.sign(claims(0))
    const shared = await client()
    const start = async (isShared: boolean) => {
      let fetches = 0
      const fetch = async () => {
        fetches += 1
        return Response.json({ keys: [key.jwk] })
      }
      for (let number = 0; number < LOAD.N; number += 1) {
        const jwksUri = `${ISSUER}/keys-${isShared}`
        const jwksStore = isShared ? redisJwksStore(shared) : undefined
        const gate = createGate({ issuer: ISSUER, audience: AUDIENCE, jwksUri, fetch, jwksStore })
        expect(await statusOf(gate, token)).toBe(200)
        while (isShared && (await shared.get(`bearergate:jwks:${jwksUri}`)) === null)
          await new Promise((resolve) => setTimeout(resolve, 1))
      }
      return fetches
    }
    expect([await start(true), await start(false)]).toEqual([1, LOAD.N])
  })

  it('say how much memory tokens and revocations take in a process', async () => {
    const key = await createKey()
    const gate = createGate({ issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk] } })
    for (let number = 0; number < LOAD.T; number += 1)
      expect(await statusOf(gate, await key.sign(claims(number)))).toBe(200)
    const { cache } = gate.describe().verifier as { cache: { bytes: number; maxBytes: number } }
    expectNear(cache.bytes / LOAD.T / BYTES.cached)
    expect(cache.maxBytes).toBe(BYTES.cache)

    const E = 50_000
    const before = usedHeap()
    const revocations = memoryRevocations()
    for (let number = 0; number < E; number += 1) revocations.revoke(revokedSession())
    expectNear((usedHeap() - before) / (BYTES.revocation * E))
    expect(revocations.size).toBe(E)
  })
})

/** A revocation as a logout token causes it. */
function revokedSession() {
  return { sessionId: crypto.randomUUID(), issuer: ISSUER }
}

/** @param ratio of what was measured to what the page says */
function expectNear(ratio: number): void {
  expect(Math.abs(ratio - 1), `measured ${ratio.toFixed(2)} of the formula`).toBeLessThan(TOLERANCE)
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function usedHeap(): number {
  for (let turn = 0; turn < 3; turn += 1) collect()
  return process.memoryUsage().heapUsed
}
