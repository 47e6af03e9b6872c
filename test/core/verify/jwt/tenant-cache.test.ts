/** The cache of tenants: which of them are evicted, when key sets are closed, and what a verified token changes. */

import { beforeEach, expect, it } from 'vitest'
import { TokenBucket } from '#core/net/token-bucket.ts'
import { JwtVerifier } from '#core/verify/jwt/jwt.ts'
import type { IssuerOptions } from '#core/verify/jwt/options.ts'
import { type Tenant, TenantCache } from '#core/verify/jwt/tenant-cache.ts'
import { FixedKeySet } from '#core/verify/keys/key-set.ts'
import { stopClock } from '../../../support/clock.ts'

stopClock()
let closed: string[]
beforeEach(() => {
  closed = []
})

const issuerOf = (name: string) => `https://${name}.example.com`

function tenantOf(name: string, paidBy?: TokenBucket): Tenant<unknown> {
  const options: IssuerOptions<unknown> = { issuer: issuerOf(name), audience: 'api' }
  const keys = new FixedKeySet([])
  keys.close = () => void closed.push(name)
  return { options, keys, verifier: new JwtVerifier(options, Date.now, keys), askedAt: 0, paidBy }
}

function cacheOf(max: number, ...names: string[]): TenantCache<unknown> {
  const cache = new TenantCache<unknown>(max)
  for (const name of names) cache.set(name, tenantOf(name))
  return cache
}

const namesIn = (cache: TenantCache<unknown>) =>
  ['a', 'b', 'c', 'd'].filter((name) => cache.peek(name) !== undefined)

it('evicts the tenant that was used least recently, and closes its key set', () => {
  const cache = cacheOf(2, 'a', 'b')
  cache.get('a')
  cache.set('c', tenantOf('c'))
  expect([namesIn(cache), closed]).toEqual([['a', 'c'], ['b']])
})

it('does not count peek() as a use', () => {
  const cache = cacheOf(2, 'a', 'b')
  cache.peek('a')
  cache.set('c', tenantOf('c'))
  expect(namesIn(cache)).toEqual(['b', 'c'])
})

it('evicts no proven tenant for others, however many they are', () => {
  const cache = cacheOf(1, 'a')
  expect([cache.prove('a'), cache.prove('a'), cache.prove('b')]).toEqual([true, false, false])
  for (const name of ['b', 'c', 'd']) cache.set(name, tenantOf(name))
  expect([namesIn(cache), closed]).toEqual([
    ['a', 'd'],
    ['b', 'c'],
  ])
  expect(cache.verifiers).toHaveLength(2)
})

it('keeps a tenant proven when it is replaced, and closes a key set that is no longer used', () => {
  const cache = cacheOf(1, 'a')
  cache.prove('a')
  const former = cache.peek('a') as Tenant<unknown>
  cache.set('a', { ...former, askedAt: 1 })
  expect(closed).toEqual([])
  cache.set('a', tenantOf('a'))
  expect([closed, cache.isProven('a'), cache.verifiers.length]).toEqual([['a'], true, 1])
})

it('removes proven tenants and others, and closes their key sets', () => {
  const cache = cacheOf(2, 'a', 'b')
  cache.prove('a')
  for (const name of ['a', 'b', 'c']) cache.delete(name)
  expect([namesIn(cache), closed]).toEqual([[], ['a', 'b']])
})

it('pays the allowance of a proven tenant back, but not if another one is evicted for it', () => {
  const bucket = new TokenBucket(2, 60)
  const cache = new TenantCache<unknown>(1)
  for (const name of ['a', 'b']) {
    bucket.tryAcquire()
    cache.set(name, tenantOf(name, bucket))
    cache.prove(name)
  }
  expect(closed).toEqual(['a'])
  expect([bucket.tryAcquire(), bucket.tryAcquire()]).toEqual([true, false])
})
