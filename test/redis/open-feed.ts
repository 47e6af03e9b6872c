/** A process that opens a feed, closes its client and not the feed, and has nothing else to do. */

import { redisRevocations } from '@bearergate/redis'
import { createClient, createCluster, createSentinel } from 'redis'

const [kind, ...given] = process.argv.slice(2)
const ports = given.map(Number)

function clientOf() {
  if (kind === 'cluster')
    return createCluster({ rootNodes: ports.map((port) => ({ url: `redis://127.0.0.1:${port}` })) })
  if (kind === 'sentinel')
    return createSentinel({
      name: 'main',
      sentinelRootNodes: ports.map((port) => ({ host: '127.0.0.1', port })),
    })
  return createClient({ url: `redis://127.0.0.1:${ports[0]}` })
}

const client = clientOf()
await client.connect()
const store = redisRevocations(client)
await store.ready()
await client.close()
