/** One API process of the test: a gate whose revocations are on Redis. Its parent names the tokens to check. */

import { createGate } from '@bearergate/core'
import { type RedisRevocationsOptions, redisRevocations } from '@bearergate/redis'
import { createClient } from 'redis'
import { requestWith } from '../support/forge.ts'
import { AUDIENCE, ISSUER } from '../support/issuer.ts'

export interface Setup {
  readonly redis: string
  readonly keys: { readonly keys: readonly object[] }
  readonly options: RedisRevocationsOptions
}

process.once('message', async ({ redis, keys, options }: Setup) => {
  const client = createClient({ url: redis })
  client.on('error', () => {})
  await client.connect()
  const revocations = redisRevocations(client, options)
  const gate = createGate({ issuer: ISSUER, audience: AUDIENCE, keys, revocations } as never)
  await revocations.ready()
  process.on('message', async (token: string) => {
    const decision = await gate.authenticate(requestWith(token))
    process.send?.(decision.ok ? '200' : `${decision.status} ${decision.reason}`)
  })
  process.send?.('ready')
})
process.once('disconnect', () => process.exit())
