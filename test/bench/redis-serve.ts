/** An Express server with a gate, with or without Redis. Runs as a child of redis.ts. */

import { createGate, introspection, memoryRevocations } from '@bearergate/core'
import { bearer } from '@bearergate/express'
import { redisJwksStore, redisResults, redisRevocations } from '@bearergate/redis'
import express from 'express'
import { createClient } from 'redis'
import { listen } from '../support/server.ts'
import type { Setup } from './authority.ts'

export interface RedisSetup extends Setup {
  readonly verifier: 'jwt' | 'introspection'
  /** `undefined` for a gate without Redis. */
  readonly redis: string | undefined
  /** How many revocations the gate knows, none of which is about the tokens of the load. */
  readonly revocations: number
}

process.setSourceMapsEnabled(false)
process.once('message', async (setup: RedisSetup) => {
  const { origin } = await start(setup)
  // The processor time of this process, in microseconds.
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.(user + system)
  })
  const isBuilt = import.meta.resolve('@bearergate/redis').endsWith('/dist/index.js')
  process.send?.({ origin, built: isBuilt })
})
process.once('disconnect', () => process.exit())

async function start({ issuer, audience, verifier, redis, revocations: count }: RedisSetup) {
  const client = redis === undefined ? undefined : await createClient({ url: redis }).connect()
  const shared = client === undefined ? undefined : redisRevocations(client)
  const revocations = shared ?? memoryRevocations()
  await shared?.ready()
  for (let number = shared?.size ?? 0; number < count; number += 1)
    await revocations.revoke({ tokenId: `revoked-${number}`, issuer })
  const store =
    client && redisResults(client, { name: 'introspection', secret: 'a-secret-of-the-benchmark-12345678' })
  const credentials = { clientId: 'api', clientSecret: 'a-secret-of-the-benchmark' }
  const cache = { ttl: 600, ...(store && { store }) }
  const gate =
    verifier === 'jwt'
      ? createGate({ issuer, audience, revocations, ...(client && { jwksStore: redisJwksStore(client) }) })
      : createGate({
          verifier: introspection({ endpoint: `${issuer}/introspect`, ...credentials, audience, cache }),
          revocations,
        })
  const app = express()
  app.get('/', bearer(gate), (_req, res) => {
    res.json({ hello: 'world' })
  })
  return listen(app)
}
