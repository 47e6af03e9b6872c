/** Key sets on a real Redis: one process fetches them, and the others use them. */

import { createGate } from '@bearergate/core'
import { redisJwksStore } from '@bearergate/redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { statusOf } from '../support/forge.ts'
import { AUDIENCE, createKey, ISSUER } from '../support/issuer.ts'
import { type Client, connect, hasRedis, type RedisServer, startRedis } from '../support/redis.ts'

describe.skipIf(!hasRedis)('redisJwksStore', () => {
  let server: RedisServer
  let client: Client
  beforeAll(async () => {
    server = await startRedis()
    client = await connect(server.url)
  })
  afterAll(async () => {
    client?.destroy()
    await server?.close()
  })

  it('lets a second process verify tokens without a fetch, also if the issuer is down', async () => {
    const key = await createKey()
    const now = Math.floor(Date.now() / 1000)
    const token = await key.sign({ iat: now - 10, exp: now + 600 })
    let fetches = 0
    let isUp = true
    const fetch = async () => {
      fetches += 1
      return isUp ? Response.json({ keys: [key.jwk] }) : new Response('', { status: 500 })
    }
    const gateOf = () => {
      const jwksStore = redisJwksStore(client)
      return createGate({ issuer: ISSUER, audience: AUDIENCE, jwksUri: `${ISSUER}/keys`, fetch, jwksStore })
    }
    expect(await statusOf(gateOf(), token)).toBe(200)
    expect(fetches).toBe(1)
    while ((await client.get(`bearergate:jwks:${ISSUER}/keys`)) === null)
      await new Promise((resolve) => setTimeout(resolve, 2))
    isUp = false
    expect(await statusOf(gateOf(), token)).toBe(200)
    expect(fetches).toBe(1)
  })

  it('does not keep the gate from fetching if Redis has nonsense, or is gone', async () => {
    const key = await createKey('ES256', 'other')
    const now = Math.floor(Date.now() / 1000)
    const token = await key.sign({ iat: now - 10, exp: now + 600 })
    const fetch = async () => Response.json({ keys: [key.jwk] })
    const other = await connect(server.url)
    const jwksStore = redisJwksStore(other, { prefix: 'nonsense:' })
    const gate = () =>
      createGate({ issuer: ISSUER, audience: AUDIENCE, jwksUri: `${ISSUER}/keys`, fetch, jwksStore })
    await client.set(`nonsense:${ISSUER}/keys`, '{')
    expect(await statusOf(gate(), token)).toBe(200)
    other.destroy()
    expect(await statusOf(gate(), token)).toBe(200)
  })

  it('gives up on a Redis that is stopped before the gate does', async () => {
    const jwksStore = redisJwksStore(client)
    server.pause()
    try {
      await expect(jwksStore.get(`${ISSUER}/keys`)).rejects.toThrow('did not answer within 200 ms')
    } finally {
      server.resume()
    }
  })
})
