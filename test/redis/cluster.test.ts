/** Both stores on a real Redis Cluster, through `createCluster`. */

import { describe, expect, it } from 'vitest'
import { hasRedis } from '../support/redis.ts'
import { startCluster } from '../support/redis-cluster.ts'
import { answers, ask, rejects } from '../support/revocation-process.ts'
import { describeFailover, STREAM } from './failover.ts'

describe.skipIf(!hasRedis)('Redis Cluster', () => {
  describeFailover(
    'cluster',
    () => startCluster(STREAM),
    ({ process, token, start }) => {
      it('follows the slot of the stream to another node', async () => {
        const cluster = await start()
        const [one, two] = [await process(cluster), await process(cluster)]
        const [before, between, after] = [await token(), await token(), await token()]
        await one.gate.revoke(before)
        await rejects(two, before)
        await cluster.moveSlot(async () => {
          await one.gate.revoke(between) // The answer of the old node is ASK.
          await rejects(two, between)
        })
        await one.gate.revoke(after) // The answer of the old node is MOVED.
        await rejects(two, after)
        expect(await cluster.other.admin.xLen(STREAM)).toBe(3)
        const three = await process(cluster)
        for (const sent of [before, between, after]) expect(await ask(three, sent)).toBe('401 revoked')
        for (const { events } of [one, two]) expect(events.map(({ type }) => type)).not.toContain('reset')
      })

      it('answers 503 after maxLag if the primary is separated from the majority of the cluster', async () => {
        const cluster = await start()
        const one = await process(cluster, { maxLag: 2 })
        const good = await token()
        await answers(one, good, '200')
        const others = cluster.seeds.filter((node) => node !== cluster.primary)
        for (const node of others) node.pause()
        await cluster.primary.admin.configSet('cluster-node-timeout', '500')
        await answers(one, good, '503 unavailable')
        for (const node of others) node.resume()
        await answers(one, good, '200')
      })

      it('is not affected if a node fails that does not store the stream', async () => {
        const cluster = await start()
        for (const { admin } of [cluster.primary, cluster.other])
          await admin.configSet('cluster-require-full-coverage', 'no')
        const one = await process(cluster)
        const two = await process(cluster, { before: () => cluster.other.kill() })
        const sent = await token()
        await one.gate.revoke(sent).catch(() => {}) // The client may be looking for the nodes that are left.
        await rejects(two, sent)
        expect(await ask(one, sent)).toBe('401 revoked')
      })
    },
  )
})
