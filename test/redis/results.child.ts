/** One API process of the test: a gate with introspection, a cache, and results shared on Redis. Its parent names the tokens. */

import { createGate, introspection } from '@bearergate/core'
import { redisResults } from '@bearergate/redis'
import { createClient } from 'redis'
import { requestWith } from '../support/forge.ts'

export interface Setup {
  readonly redis: string
  readonly endpoint: string
}

export interface Order {
  readonly tokens: readonly string[]
  /** How many requests run at once. */
  readonly parallel: number
}

/** How often each status was the answer. */
export type Counts = Readonly<Record<number, number>>

process.once('message', async ({ redis, endpoint }: Setup) => {
  const client = createClient({ url: redis })
  client.on('error', () => {})
  await client.connect()
  // Longer than the default: four processes and Redis share the processors with other tests.
  const store = redisResults(client, { name: 'introspection', secret: 'x'.repeat(32), timeout: 5 })
  const verifier = introspection({
    endpoint,
    clientId: 'api',
    clientSecret: 'secret',
    audience: null,
    queue: 100_000,
    timeout: 60,
    cache: { ttl: 600, store },
  })
  const gate = createGate({ verifier, deadline: 120 })

  process.on('message', async ({ tokens, parallel }: Order) => {
    const counts: Record<number, number> = {}
    const waiting = tokens.values()
    const work = async () => {
      for (const token of waiting) {
        const decision = await gate.authenticate(requestWith(token))
        const status = decision.ok ? 200 : decision.status
        counts[status] = (counts[status] ?? 0) + 1
      }
    }
    await Promise.all(Array.from({ length: parallel }, work))
    process.send?.(counts satisfies Counts)
  })
  process.send?.('ready')
})
process.once('disconnect', () => process.exit())
