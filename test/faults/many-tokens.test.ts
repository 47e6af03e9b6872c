/** The default cache of verified tokens under more tokens than caches usually hold. Their number makes this slow. */

import { createHmac, randomBytes, randomUUID } from 'node:crypto'
import { type CacheDescription, createGate } from '@bearergate/core'
import { expect, it } from 'vitest'
import { stopClock } from '../support/clock.ts'
import { AUDIENCE, goodClaims, ISSUER } from '../support/issuer.ts'

stopClock()
const now = () => Math.floor(Date.now() / 1000)

it('the cache of jwt has room for 40,000 tokens of 1 KiB by default', async () => {
  const secret = randomBytes(32)
  const key = { kty: 'oct', k: secret.toString('base64url'), alg: 'HS256', kid: 'one' }
  const gate = createGate({
    issuer: ISSUER,
    audience: AUDIENCE,
    keys: { keys: [key] },
    algorithms: ['HS256'],
  })
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const header = part({ typ: 'at+jwt', alg: 'HS256', kid: 'one' })
  const tokens = Array.from({ length: 40_000 }, (_, index) => {
    const claims = {
      ...goodClaims(),
      sub: `user-${index}`,
      jti: randomUUID(),
      exp: now() + 600,
      iat: now(),
    }
    const more = { roles: ['editor', 'admin'], email: `user-${index}@example.com`, text: 'x'.repeat(430) }
    const text = `${header}.${part({ ...claims, ...more })}`
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
  })
  expect(tokens[0]?.length).toBeGreaterThan(1_000)
  const send = async (count: number) => {
    for (const token of tokens.slice(0, count)) {
      const asked = gate.authenticate({
        header: (name) => (name === 'authorization' ? `Bearer ${token}` : undefined),
      })
      if (!(await asked).ok) throw new Error('rejected')
    }
    return (gate.describe().verifier as { cache: CacheDescription }).cache
  }
  expect(await send(20_000)).toMatchObject({ entries: 20_000, hits: 0, misses: 20_000 })
  expect(await send(20_000)).toMatchObject({ entries: 20_000, hits: 20_000, misses: 20_000 })
  expect(await send(40_000)).toMatchObject({ entries: 40_000, hits: 40_000, misses: 40_000 })
  const cache = await send(40_000)
  expect(cache).toMatchObject({ entries: 40_000, hits: 80_000, misses: 40_000 })
  expect(cache.bytes).toBeLessThan(cache.maxBytes)
}, 60_000)
