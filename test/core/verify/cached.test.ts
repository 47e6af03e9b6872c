/** The cache around a verifier: which results are cached, for how long, and which never. */

import {
  type Active,
  type CacheDescription,
  type CacheOptions,
  cached,
  createGate,
  type Identity,
  jwt,
  type TokenVerifier,
  type Verification,
} from '@bearergate/core'
import { describe, expect, it, vi } from 'vitest'
import { eventually, pass, setWallClock, stopClock } from '../../support/clock.ts'
import { AUDIENCE, createKey, ISSUER } from '../../support/issuer.ts'
import { isPending } from '../../support/pending.ts'

stopClock()
const now = () => Date.now() / 1000

const identity = (subject: string): Identity => ({
  kind: 'opaque',
  subject,
  audience: [],
  scopes: [],
  roles: [],
  claims: {},
})
const active = (subject: string, expiresAt?: number): Active => ({
  active: true,
  identity: identity(subject),
  expiresAt,
})

function counting(
  answer: (token: string) => Verification | Promise<Verification>,
  options: Partial<CacheOptions> = {},
) {
  const verify = vi.fn(answer)
  return { verify, cache: cached({ verify }, { ttl: 60, ...options }) }
}

function usage(cache: TokenVerifier): CacheDescription {
  return (cache.describe?.() as { cache: CacheDescription } | undefined)?.cache as CacheDescription
}

describe('cached', () => {
  it('verifies a token once within "ttl"', async () => {
    const { verify, cache } = counting(async (token) => active(token))
    const first = await cache.verify('a')
    pass(59.75)
    expect(await cache.verify('a')).toEqual(first)
    expect(verify).toHaveBeenCalledOnce()
    pass(0.25)
    await cache.verify('a')
    expect(verify).toHaveBeenCalledTimes(2)
  })

  it('answers a cache hit at once, without a promise', async () => {
    const { cache } = counting(async () => active('a'))
    await cache.verify('a')
    expect(cache.verify('a')).not.toBeInstanceOf(Promise)
  })

  it('does not use a result after its "expiresAt" (RFC 7662 §4, G05)', async () => {
    const { verify, cache } = counting(async () => active('a', now() + 10))
    await cache.verify('a')
    pass(9.75)
    await cache.verify('a')
    expect(verify).toHaveBeenCalledOnce()
    pass(0.25)
    await cache.verify('a')
    expect(verify).toHaveBeenCalledTimes(2)
  })

  it('measures "ttl" by the monotonic clock and "expiresAt" by the wall clock (FX41)', async () => {
    const { verify, cache } = counting(async () => active('a', now() + 30))
    const start = Date.now()
    await cache.verify('a')
    setWallClock(start - 86_400_000)
    pass(59.75)
    await cache.verify('a')
    expect(verify).toHaveBeenCalledOnce()
    pass(0.25)
    await cache.verify('a')
    expect(verify).toHaveBeenCalledTimes(2)
    setWallClock(start + 30_000)
    await cache.verify('a')
    expect(verify).toHaveBeenCalledTimes(3)
  })

  it('shares one verification among concurrent requests with the same token', async () => {
    const { verify, cache } = counting(async (token) => active(token))
    const results = await Promise.all(Array.from({ length: 50 }, (_, index) => cache.verify(`t${index % 5}`)))
    expect(verify).toHaveBeenCalledTimes(5)
    expect(results.map((result) => (result.active ? result.identity.subject : ''))).toEqual(
      Array.from({ length: 50 }, (_, index) => `t${index % 5}`),
    )
  })

  it('does not cache failures of the verifier', async () => {
    const verify = vi.fn<TokenVerifier['verify']>(async () => {
      throw new Error('down')
    })
    const cache = cached({ verify }, { ttl: 60, negativeTtl: 60 })
    await expect(Promise.all([cache.verify('a'), cache.verify('a')])).rejects.toThrow('down')
    expect(verify).toHaveBeenCalledOnce()
    verify.mockImplementation(async () => active('a'))
    expect(await cache.verify('a')).toMatchObject({ active: true })
  })

  it('caches rejections only for "negativeTtl", separately from valid results', async () => {
    const refuse = async (token: string): Promise<Verification> =>
      token.startsWith('bad') ? { active: false, reason: 'unknown_token' } : active(token)
    const without = counting(refuse)
    await without.cache.verify('bad')
    await without.cache.verify('bad')
    expect(without.verify).toHaveBeenCalledTimes(2)
    const { verify, cache } = counting(refuse, { negativeTtl: 5, max: 10 })
    await cache.verify('good')
    for (let index = 0; index < 100; index += 1) await cache.verify(`bad${index}`)
    await cache.verify('bad99')
    await cache.verify('good')
    expect(verify).toHaveBeenCalledTimes(101)
    pass(4.75)
    await cache.verify('bad99')
    expect(verify).toHaveBeenCalledTimes(101)
    pass(0.25)
    await cache.verify('bad99')
    expect(verify).toHaveBeenCalledTimes(102)
  })

  it('keeps the "max" most recently used results', async () => {
    const { verify, cache } = counting(async (token) => active(token), { max: 2 })
    for (const token of ['a', 'b', 'a', 'c', 'a']) await cache.verify(token)
    expect(verify).toHaveBeenCalledTimes(3)
    await cache.verify('b')
    expect(verify).toHaveBeenCalledTimes(4)
  })

  it('keeps what was used most recently within "maxBytes"', async () => {
    const large = (subject: string): Active => ({
      active: true,
      identity: { ...identity(subject), claims: { text: 'x'.repeat(15_000) } },
    })
    const { verify, cache } = counting(async (token) => large(token), { maxBytes: 65_536 })
    for (const token of ['a', 'b', 'c', 'd', 'a', 'e', 'a']) await cache.verify(token)
    expect(verify).toHaveBeenCalledTimes(5)
    await cache.verify('b')
    expect(verify).toHaveBeenCalledTimes(6)
    const { bytes, entries } = usage(cache)
    expect(entries).toBe(4)
    expect(bytes).toBeGreaterThan(4 * 15_000)
    expect(bytes).toBeLessThanOrEqual(65_536)
  })

  it('keeps a tenth of "maxBytes" of rejections', async () => {
    const scopes = Array.from({ length: 100 }, (_, index) => `scope-${index}`)
    const refuse = async (): Promise<Verification> => ({
      active: false,
      reason: 'insufficient_scope',
      scopes,
    })
    const { verify, cache } = counting(refuse, { negativeTtl: 60, maxBytes: 100_000 })
    for (let index = 0; index < 10; index += 1) await cache.verify(`bad${index}`)
    expect(usage(cache).entries).toBe(2)
    expect(usage(cache).bytes).toBeLessThanOrEqual(10_000)
    await cache.verify('bad9')
    expect(verify).toHaveBeenCalledTimes(10)
  })

  class Account {
    readonly self = this
    readonly items: readonly unknown[]

    constructor(count: number) {
      this.items = Array.from({ length: count }, (_, index) => ({ index }))
    }
  }
  const unreadable = Object.defineProperty(new Account(1), 'secret', {
    enumerable: true,
    get: () => {
      throw new Error('not readable')
    },
  })

  it.each([
    ['with claims larger than "maxBytes"', { text: 'x'.repeat(65_536) }],
    ['with more than 10,000 members', { account: new Account(10_000) }],
    ['with a getter that throws', { account: unreadable }],
  ])('accepts an identity %s, but does not cache it, and counts that', async (_, claims) => {
    const result = async (): Promise<Active> => ({ active: true, identity: { ...identity('a'), claims } })
    const { verify, cache } = counting(result, { maxBytes: 65_536 })
    expect(await cache.verify('a')).toMatchObject({ active: true })
    expect(await cache.verify('a')).toMatchObject({ active: true })
    expect(verify).toHaveBeenCalledTimes(2)
    expect(usage(cache)).toMatchObject({ bytes: 0, entries: 0, tooLarge: 2 })
  })

  it('caches an identity with a cycle', async () => {
    const claims = { account: new Account(10) }
    const { verify, cache } = counting(async () => ({ active: true, identity: { ...identity('a'), claims } }))
    await cache.verify('a')
    await cache.verify('a')
    expect(verify).toHaveBeenCalledOnce()
  })

  it('counts hits and misses in describe()', async () => {
    const refuse = async (token: string): Promise<Verification> =>
      token === 'bad' ? { active: false, reason: 'unknown_token' } : active(token)
    const { cache } = counting(refuse, { negativeTtl: 60 })
    const gate = createGate({ verifier: cache })
    const ask = (token: string) =>
      gate.authenticate({ header: (name) => (name === 'authorization' ? `Bearer ${token}` : undefined) })
    await Promise.all([ask('a'), ask('a'), ask('b')])
    expect(usage(cache)).toMatchObject({ entries: 2, hits: 0, misses: 2 })
    for (const token of ['a', 'b', 'a', 'bad', 'bad']) await ask(token)
    expect(usage(cache)).toMatchObject({ entries: 3, hits: 4, misses: 3, tooLarge: 0 })
    expect(gate.describe().verifier).toMatchObject({ cache: usage(cache) })
  })

  it('freezes the identities that requests share (BI16)', async () => {
    const { cache } = counting(async () => ({
      active: true,
      identity: { ...identity('a'), claims: { list: [{}] } },
    }))
    const result = await cache.verify('a')
    if (!result.active) throw new Error('inactive')
    expect(() => Object.assign(result.identity, { subject: 'b' })).toThrow(TypeError)
    expect(() => (result.identity.scopes as string[]).push('admin')).toThrow(TypeError)
    expect(() => (result.identity.claims.list as object[]).push({})).toThrow(TypeError)
  })

  it('verifies again if the verifier says that a cached result is no longer valid', async () => {
    let holds = true
    const verify = vi.fn(async () => active('a'))
    const cache = cached({ verify, isStillValid: () => holds }, { ttl: 60 })
    await cache.verify('a')
    await cache.verify('a')
    expect(verify).toHaveBeenCalledOnce()
    holds = false
    await cache.verify('a')
    expect(verify).toHaveBeenCalledTimes(2)
  })

  it('awaits a thenable returned by the verifier', async () => {
    // biome-ignore lint/suspicious/noThenProperty: this is what is tested
    const thenable = { then: (resolve: (value: Verification) => void) => resolve(active('a')) }
    const cache = cached({ verify: () => thenable as Promise<Verification> }, { ttl: 60 })
    expect(await cache.verify('a')).toMatchObject({ active: true })
  })

  it('has no part of a token in its keys (M05)', async () => {
    const key = await createKey('ES256')
    const token = await key.sign({ iat: undefined, exp: now() + 60 })
    const verifier = jwt({ issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk] } })
    const { LRUCache } = await import('lru-cache')
    const set = vi.spyOn(LRUCache.prototype, 'set')
    await verifier.verify(token)
    expect(set).toHaveBeenCalled()
    for (const [name] of set.mock.calls) expect(name).toMatch(/^[\w-]{43}$/)
    for (const part of token.split('.')) expect(JSON.stringify(set.mock.calls)).not.toContain(part)
    set.mockRestore()
  })

  it.each([
    ['verifier', undefined, { ttl: 1 }],
    ['verifier', {}, { ttl: 1 }],
    ['cached', { verify: () => active('a') }, undefined],
    ['ttl', { verify: () => active('a') }, {}],
    ['ttl', { verify: () => active('a') }, { ttl: -1 }],
    ['ttl', { verify: () => active('a') }, { ttl: '5' }],
    ['ttl', { verify: () => active('a') }, { ttl: Number.POSITIVE_INFINITY }],
    ['max', { verify: () => active('a') }, { ttl: 1, max: 0 }],
    ['max', { verify: () => active('a') }, { ttl: 1, max: 2 ** 53 }],
    ['maxBytes', { verify: () => active('a') }, { ttl: 1, maxBytes: 65_535 }],
    ['maxBytes', { verify: () => active('a') }, { ttl: 1, maxBytes: 2 ** 34 + 1 }],
    ['maxBytes', { verify: () => active('a') }, { ttl: 1, maxBytes: 1e5 + 0.5 }],
    ['now', { verify: () => active('a') }, { ttl: 1, now: 7 }],
    ['size', { verify: () => active('a') }, { ttl: 1, size: 7 }],
  ])('throws a TypeError that names "%s" at creation (BI20)', (name, verifier, options) => {
    expect(() => cached(verifier as never, options as never)).toThrow(TypeError)
    expect(() => cached(verifier as never, options as never)).toThrow(`"${name}"`)
  })
})

describe('the cache of jwt', () => {
  it('does not use a result after "exp", and verifies again within the clock tolerance', async () => {
    const key = await createKey('ES256')
    const gate = createGate({ issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk] } })
    const token = await key.sign({ iat: undefined, exp: now() + 60 })
    const ask = () =>
      gate.authenticate(new Request('https://a', { headers: { authorization: `Bearer ${token}` } }))
    expect(await ask()).toMatchObject({ ok: true })
    pass(59.75)
    expect(await ask()).toMatchObject({ ok: true })
    pass(0.25)
    expect(ask()).toBeInstanceOf(Promise)
    expect(await ask()).toMatchObject({ ok: true })
    pass(29.75)
    expect(await ask()).toMatchObject({ ok: true })
    pass(0.25)
    expect(await ask()).toMatchObject({ ok: false, reason: 'expired' })
  })

  it('does not use a result after "maxTokenAge" (D06)', async () => {
    const key = await createKey('ES256')
    const gate = createGate({
      issuer: ISSUER,
      audience: AUDIENCE,
      keys: { keys: [key.jwk] },
      maxTokenAge: 60,
      clockTolerance: 0,
    })
    const token = await key.sign({ iat: now(), exp: now() + 3600 })
    const ask = () =>
      gate.authenticate(new Request('https://a', { headers: { authorization: `Bearer ${token}` } }))
    expect(await ask()).toMatchObject({ ok: true })
    pass(59.75)
    expect(await ask()).toMatchObject({ ok: true })
    pass(0.25)
    expect(await ask()).toMatchObject({ ok: false, reason: 'max_age_exceeded' })
  })
})

describe('a long verification', () => {
  function pendingVerifier() {
    const answers: ((result: Verification) => void)[] = []
    const verifier: TokenVerifier = {
      verify: () => new Promise((resolve) => void answers.push(resolve)),
    }
    return { answers, cache: cached(verifier, { ttl: 60 }) }
  }

  it('a pending verification is shared by requests within 5 s, and not by later ones', async () => {
    const { answers, cache } = pendingVerifier()
    const first = cache.verify('a')
    await eventually(() => answers.length === 1)
    pass(4.75)
    const joined = cache.verify('a') as Promise<Verification>
    expect(await isPending(joined)).toBe(true)
    expect(answers).toHaveLength(1)
    pass(0.25)
    void cache.verify('a')
    await eventually(() => answers.length === 2)
    answers[0]?.(active('emma'))
    expect(await Promise.all([first, joined])).toMatchObject([{ active: true }, { active: true }])
  })

  it.each([
    [4.75, true],
    [5, false],
  ])(
    'the result of a verification of %d s is cached: %s, because a newer one may exist (FX53)',
    async (seconds, isKept) => {
      const { answers, cache } = pendingVerifier()
      const first = cache.verify('a')
      await eventually(() => answers.length === 1)
      pass(seconds)
      answers[0]?.(active('emma'))
      expect(await first).toMatchObject({ active: true })
      const again = cache.verify('a')
      if (isKept) expect(await again).toMatchObject({ active: true })
      else await eventually(() => answers.length === 2)
      expect(answers).toHaveLength(isKept ? 1 : 2)
    },
  )

  it('does not replace the result of a newer one (FX53)', async () => {
    const { answers, cache } = pendingVerifier()
    const first = cache.verify('a')
    await eventually(() => answers.length === 1)
    pass(5)
    const second = cache.verify('a')
    await eventually(() => answers.length === 2)
    answers[1]?.({ active: false, reason: 'revoked' })
    expect(await second).toMatchObject({ active: false })
    answers[0]?.(active('emma'))
    expect(await first).toMatchObject({ active: true })
    void cache.verify('a')
    await eventually(() => answers.length === 3)
  })
})
