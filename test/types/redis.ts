/** Types of @bearergate/redis: every kind of client fits without a cast, and what has no connection of its own does not. */

import { redisJwksStore, redisRevocations } from '@bearergate/redis'
import { createClient, type createClientPool, createCluster, createSentinel } from 'redis'

declare const single: ReturnType<typeof createClient>
declare const cluster: ReturnType<typeof createCluster>
declare const sentinel: ReturnType<typeof createSentinel>
redisRevocations(single)
redisRevocations(cluster)
redisRevocations(sentinel)
// Another protocol changes the types of the replies.
redisRevocations(createClient({ RESP: 2 }))
redisRevocations(createCluster({ rootNodes: [], RESP: 2, useReplicas: true }))
redisRevocations(createSentinel({ name: 'main', sentinelRootNodes: [], RESP: 2 }))
redisJwksStore(single)
redisJwksStore(cluster)
redisJwksStore(sentinel)

declare const pool: ReturnType<typeof createClientPool>
declare const lease: Awaited<ReturnType<(typeof sentinel)['acquire']>>
// @ts-expect-error
redisRevocations(pool)
// @ts-expect-error
redisRevocations(lease)
// @ts-expect-error
redisRevocations(single.multi())
