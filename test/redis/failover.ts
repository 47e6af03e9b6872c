/** What both stores promise with several servers, whether a cluster or Sentinels replace a failed primary. */

import { createGate } from '@bearergate/core'
import { type RedisRevocationsOptions, redisJwksStore, redisRevocations } from '@bearergate/redis'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { statusOf } from '../support/forge.ts'
import { AUDIENCE, createKey, ISSUER, type TestKey } from '../support/issuer.ts'
import { countConnections, type TestServers, until } from '../support/redis-cluster.ts'
import {
  answers,
  ask,
  createProcess,
  exitCodeWithOpenFeed,
  type Process,
  rejects,
  validToken,
} from '../support/revocation-process.ts'

interface ProcessOptions extends RedisRevocationsOptions {
  readonly readsReplicas?: boolean
  /** Called after the client has connected, and before the store is created. */
  readonly before?: () => unknown
}

/** The default. */
export const STREAM = 'bearergate:revocations'

export interface Failover<S extends TestServers> {
  /** Creates a process, and waits until it knows all revocations. The test closes it. */
  process(servers: S, options?: ProcessOptions): Promise<Process>
  token(claims?: Record<string, unknown>): Promise<string>
  /** Starts servers that the test closes. */
  start(): Promise<S>
}

/** @param more tests of one kind of servers */
export function describeFailover<S extends TestServers>(
  kind: 'cluster' | 'sentinel',
  startServers: () => Promise<S>,
  more: (failover: Failover<S>) => void,
): void {
  let key: TestKey
  const closing: (() => unknown)[] = []
  const token = (claims: Record<string, unknown> = {}) => validToken(key, claims)
  async function start(): Promise<S> {
    const servers = await startServers()
    closing.push(() => servers.close())
    return servers
  }
  async function process(
    servers: S,
    { readsReplicas = false, before, ...options }: ProcessOptions = {},
  ): Promise<Process> {
    const client = await servers.connect({ readsReplicas })
    await before?.()
    const created = createProcess(client, key, options)
    closing.push(() => created.close())
    await until(() => created.events.some(({ type }) => type === 'current'))
    return created
  }
  beforeAll(async () => {
    key = await createKey()
  })
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })

  describe('while all servers work', () => {
    let servers: S
    beforeAll(async () => {
      servers = await startServers()
    })
    afterAll(() => servers?.close())

    it('takes effect in every process, and in one that starts later', async () => {
      const [one, two] = [await process(servers), await process(servers)]
      const [sent, other] = [await token(), await token()]
      expect([await ask(one, sent), await ask(two, sent)]).toEqual(['200', '200'])
      await one.gate.revoke(sent)
      await rejects(one, sent)
      await rejects(two, sent)
      expect(await ask(await process(servers), sent)).toBe('401 revoked')
      expect(await ask(two, other)).toBe('200')
    })

    it('lets a second process verify tokens with the key set that the first one fetched', async () => {
      let fetches = 0
      const fetch = async () => {
        fetches += 1
        return Response.json({ keys: [key.jwk] })
      }
      const gate = async () => {
        const client = await servers.connect()
        closing.push(() => client.destroy())
        const jwksStore = redisJwksStore(client)
        return {
          client,
          gate: createGate({
            issuer: ISSUER,
            audience: AUDIENCE,
            jwksUri: `${ISSUER}/keys`,
            fetch,
            jwksStore,
          }),
        }
      }
      const [one, two] = [await gate(), await gate()]
      expect(await statusOf(one.gate, await token())).toBe(200)
      await until(async () => (await two.client.get(`bearergate:jwks:${ISSUER}/keys`)) !== null)
      expect(await statusOf(two.gate, await token())).toBe(200)
      expect(fetches).toBe(1)
    })

    it('opens no connection to a replica, also if the client reads from replicas', async () => {
      const countAtReplica = () => countConnections([servers.replica.admin])
      let before = 0
      const one = await process(servers)
      const two = await process(servers, {
        readsReplicas: true,
        before: async () => {
          before = await countAtReplica()
        },
      })
      for (let time = 0; time < 3; time += 1) {
        const sent = await token()
        await one.gate.revoke(sent)
        await rejects(two, sent)
      }
      expect(before).toBeGreaterThan(1) // The client has one.
      expect(await countAtReplica()).toBe(before)
    })

    it('leaves no connection if it is closed, or closed while it connects', async () => {
      const client = await servers.connect()
      closing.push(() => client.destroy())
      const before = await servers.countConnections()
      for (let time = 0; time < 5; time += 1) redisRevocations(client).close()
      const store = redisRevocations(client)
      await store.ready()
      expect(await servers.countConnections()).toBeGreaterThan(before)
      store.close()
      await until(async () => (await servers.countConnections()) === before)
      expect(client.isOpen).toBe(true)
    })

    it('does not keep the process alive if its client is closed, and the feed is not', async () => {
      expect(await exitCodeWithOpenFeed(kind, servers.seeds)).toBe(0)
    })
  })

  it('answers 503 after maxLag if the primary is killed, and goes on with the promoted replica', async () => {
    const servers = await start()
    const [one, two] = [await process(servers, { maxLag: 2 }), await process(servers, { maxLag: 2 })]
    const [good, before, during, after] = [await token(), await token(), await token(), await token()]
    await one.gate.revoke(before)
    await rejects(two, before)
    await servers.replicate()

    await servers.primary.kill()
    await answers(two, good, '503 unavailable')
    const revoking = one.gate.revoke(during).then(
      () => 'stored',
      () => 'not yet stored',
    )
    await servers.allowFailover()
    for (const at of [one, two]) await answers(at, good, '200')
    await rejects(two, during)
    expect(['stored', 'not yet stored']).toContain(await revoking)

    // The client of the application may still look for the new primary. Then gate.revoke throws, and the feed's connection stores
    // the revocation.
    await two.gate.revoke(after).catch(() => {})
    await rejects(one, after)
    const three = await process(servers)
    for (const at of [one, two, three]) {
      for (const sent of [before, during, after]) await answers(at, sent, '401 revoked')
      await answers(at, good, '200')
    }
    for (const { events } of [one, two]) expect(events.map(({ type }) => type)).not.toContain('reset')
  })

  it('goes on with the promoted replica if the primary stops and keeps its connections open', async () => {
    const servers = await start()
    const [one, two] = [await process(servers, { maxLag: 2 }), await process(servers)]
    const [before, after] = [await token(), await token()]
    await one.gate.revoke(before)
    await rejects(two, before)
    await servers.replicate()
    const current = [one.next('current'), two.next('current')]
    servers.primary.pause()
    await servers.allowFailover()
    await Promise.all(current)
    await one.gate.revoke(after).catch(() => {}) // As above.
    await rejects(two, after)
    expect(await servers.replica.admin.xLen(STREAM)).toBe(2)
    for (const at of [one, two]) expect(await ask(at, before)).toBe('401 revoked')
  })

  it('reads the stream again if a failover lost its last entry', async () => {
    const servers = await start()
    const [one, two] = [await process(servers), await process(servers)]
    const [replicated, lost, after] = [await token(), await token(), await token()]
    await one.gate.revoke(replicated)
    await servers.replicate()
    servers.replica.pause()
    closing.push(() => servers.replica.resume())
    await servers.primary.admin.sendCommand(['CLIENT', 'KILL', 'TYPE', 'replica'])
    await one.gate.revoke(lost)
    await rejects(two, lost)
    await servers.primary.kill()
    const reset = two.next('reset')
    servers.replica.resume()
    await servers.allowFailover()
    await reset
    for (const at of [one, two]) expect(await ask(at, lost)).toBe('401 revoked')
    const three = await process(servers)
    expect(await ask(three, replicated)).toBe('401 revoked')
    // The process that revoked it has added it again.
    await rejects(three, lost)
    await three.gate.revoke(after).catch(() => {}) // As above.
    for (const at of [one, two]) await rejects(at, after)
  })

  more({ process, token, start })
}
