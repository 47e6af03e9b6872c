/** A loader with a store in front of the issuer: when it reads, what it uses, and what it saves. */

import type { JwksEvent, JwksStore, StoredJwks } from '@bearergate/core'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { DEFAULT_ALGORITHMS, type VerificationKey } from '#core/verify/keys/jwk.ts'
import { IssuerKeyLoader, type KeyLoader, type LoadedKeys } from '#core/verify/keys/key-loader.ts'
import { RefreshPolicy } from '#core/verify/keys/refresh-policy.ts'
import { StoredKeyLoader } from '#core/verify/keys/stored-key-loader.ts'
import { stopClock } from '../../../support/clock.ts'
import { createKey, ISSUER, type TestKey } from '../../../support/issuer.ts'

const NAME = `${ISSUER}/keys`

let key: TestKey
let other: TestKey
beforeAll(async () => {
  ;[key, other] = await Promise.all([createKey('ES256', 'one'), createKey('ES256', 'two')])
})

stopClock()
let events: JwksEvent[]
let fetches: number
let published: unknown
beforeEach(() => {
  events = []
  fetches = 0
  published = [key.jwk, 'ignored']
})

function loaderFor(stored?: StoredJwks, inner: Partial<KeyLoader> = {}) {
  const sets = new Map<string, StoredJwks>(stored === undefined ? [] : [[NAME, stored]])
  const reads: string[] = []
  const store: JwksStore = {
    get(name) {
      reads.push(name)
      return sets.get(name)
    },
    set: (name, set) => sets.set(name, set),
  }
  const issuer = new IssuerKeyLoader({
    algorithms: DEFAULT_ALGORITHMS,
    async fetchKeys() {
      fetches += 1
      return { body: { keys: published }, maxAge: 300 }
    },
  })
  const loader = new StoredKeyLoader({
    loader: { load: (request) => issuer.load(request), ...inner },
    store,
    name: NAME,
    algorithms: DEFAULT_ALGORITHMS,
    policy: new RefreshPolicy({ cacheMaxAge: undefined, staleIfError: undefined }),
    timeout: 5,
    issuer: ISSUER,
    onJwks: (event) => void events.push(event),
  })
  const { signal } = new AbortController()
  const load = (known: readonly VerificationKey[] = []) => loader.load({ signal, known })
  return { loader, load, sets, reads }
}

const storedAt = (ageInSeconds: number): StoredJwks => ({
  keys: [other.jwk],
  fetchedAt: Date.now() - ageInSeconds * 1000,
})
const kidsOf = (keys: readonly VerificationKey[]) => keys.map(({ kid }) => kid)

describe('reading', () => {
  it('returns a stored set with its age, and fetches nothing', async () => {
    const { load, reads } = loaderFor(storedAt(50))
    const loaded = await load()
    expect(loaded).toMatchObject({ source: 'store', age: 50, maxAge: undefined })
    expect(kidsOf(loaded.keys)).toEqual(['two'])
    expect([reads, fetches]).toEqual([[NAME], 0])
  })

  it('fetches without a look at the store if there are keys already', async () => {
    const { load, reads } = loaderFor(storedAt(50))
    const { keys } = await load()
    const loaded = await load(keys)
    expect(loaded).toMatchObject({ source: 'issuer', age: 0, maxAge: 300 })
    expect([reads, fetches]).toEqual([[NAME], 1])
  })

  it.each([
    [0, 'store'],
    [3_599.999, 'store'],
    [3_600, 'issuer'],
    [-0.001, 'issuer'],
  ])('with a stored set that was fetched %d s ago loads that of the %s', async (age, source) => {
    expect(await loaderFor(storedAt(age)).load()).toMatchObject({ source })
    expect(events).toEqual([])
  })

  it('reports a stored set without a usable key, and fetches', async () => {
    const { load } = loaderFor({ ...storedAt(0), keys: [{ kty: 'oct', k: 'AAAA' }] })
    expect(await load()).toMatchObject({ source: 'issuer' })
    expect(events).toMatchObject([{ type: 'store_failed', issuer: ISSUER, operation: 'get' }])
  })
})

describe('saving', () => {
  it('saves all published entries once the set is used, with the time and the max-age', async () => {
    const { loader, load, sets } = loaderFor()
    const loaded = await load()
    expect(sets.size).toBe(0)
    loader.accepted(loaded)
    await loader.backgroundWork
    expect(sets.get(NAME)).toEqual({ keys: [key.jwk, 'ignored'], fetchedAt: Date.now(), maxAge: 300 })
    expect(loader.backgroundWork).toBeUndefined()
  })

  it('reports to the wrapped loader which set is used', async () => {
    const used: LoadedKeys[] = []
    const { loader, load } = loaderFor(storedAt(50), { accepted: (loaded) => void used.push(loaded) })
    const loaded = await load()
    loader.accepted(loaded)
    expect(used).toEqual([loaded])
  })

  it('saves no set without a usable key', async () => {
    published = [{ kty: 'oct', k: 'AAAA' }]
    const { loader, load, sets } = loaderFor()
    await expect(load()).rejects.toThrow('no usable key')
    await loader.backgroundWork
    expect(sets.size).toBe(0)
  })

  it('saves no set that came from the store, whose date would become newer', async () => {
    const stored = storedAt(50)
    const { loader, load, sets } = loaderFor(stored)
    loader.accepted(await load())
    expect(loader.backgroundWork).toBeUndefined()
    expect(sets.get(NAME)).toBe(stored)
  })
})
