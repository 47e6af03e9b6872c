/** Both stores on a real Redis with Sentinels, through `createSentinel`. */

import { describe, expect, it } from 'vitest'
import { hasRedis } from '../support/redis.ts'
import { startSentinels, until } from '../support/redis-cluster.ts'
import { answers, ask, rejects } from '../support/revocation-process.ts'
import { describeFailover } from './failover.ts'

describe.skipIf(!hasRedis)('Redis Sentinel', () => {
  describeFailover('sentinel', startSentinels, ({ process, token, start }) => {
    it('goes on if the Sentinel that its clients use is killed', async () => {
      const servers = await start()
      const [one, two] = [await process(servers), await process(servers)]
      await servers.seeds[0]?.kill() // Clients use the first one that answers.
      const sent = await token()
      await one.gate.revoke(sent)
      await rejects(two, sent)
      await rejects(await process(servers), sent)
      expect(await ask(one, sent)).toBe('401 revoked')
    })

    it('answers 503 after maxLag if all Sentinels are killed, and recovers when one is back', async () => {
      const servers = await start()
      const [one, two] = [await process(servers, { maxLag: 2 }), await process(servers)]
      const [good, sent] = [await token(), await token()]
      for (const seed of servers.seeds) await seed.kill()
      await answers(one, good, '503 unavailable')
      for (const seed of servers.seeds) await seed.start()
      await answers(one, good, '200')
      await one.gate.revoke(sent).catch(() => {}) // Its client may still look for the primary. The feed stores the revocation.
      await rejects(two, sent)
    })

    it('throws from gate.revoke on a primary without replicas, if it has min-replicas-to-write', async () => {
      const servers = await start()
      for (const { admin } of [servers.primary, servers.replica])
        await admin.configSet('min-replicas-max-lag', '1')
      await servers.primary.admin.configSet('min-replicas-to-write', '1')
      const [one, two] = [await process(servers), await process(servers)]
      const sent = await token()
      servers.replica.pause()
      await until(async () =>
        (await servers.primary.admin.info('replication')).includes('min_slaves_good_slaves:0'),
      )
      await expect(one.gate.revoke(sent)).rejects.toThrow('did not store the revocation')
      expect([await ask(one, sent), await ask(two, sent)]).toEqual(['401 revoked', '200'])
      servers.replica.resume()
      await rejects(two, sent)
    })
  })
})
