/** Verifiers that wrap another one: they forward every member of the interface, so that none is lost. */

import {
  type Active,
  cached,
  chain,
  createGate,
  generateToken,
  type Identity,
  opaque,
  type TokenVerifier,
} from '@bearergate/core'
import { describe, expect, it, vi } from 'vitest'
import { explainBy } from '#core/verify/explain.ts'
import { PresentedToken } from '#core/verify/presented.ts'
import { WrappingVerifier } from '#core/verify/wrapping.ts'

const identity: Identity = { kind: 'opaque', audience: [], scopes: [], roles: [], claims: {} }
const active: Active = { active: true, identity }

class Wrapper extends WrappingVerifier<Identity> {
  verify(token: string) {
    return this.inner.verify(token)
  }
}

/** A verifier with every member. A new member of the interface is missing here until it is added. */
function complete() {
  return {
    verify: vi.fn(() => active),
    issuers: ['https://id.example.com'],
    clockTolerance: 5,
    getCached: vi.fn(() => active),
    canVerify: vi.fn(() => true),
    isStillValid: vi.fn(() => false),
    backgroundWork: Promise.resolve('refreshed'),
    ready: vi.fn(async () => {}),
    close: vi.fn(),
    describe: vi.fn(() => ({ kind: 'complete' })),
    explain: vi.fn(async () => ({ checks: [] })),
  } satisfies Required<TokenVerifier>
}

const WRAPPERS: [string, (inner: TokenVerifier) => TokenVerifier][] = [
  ['a subclass of WrappingVerifier', (inner) => new Wrapper(inner)],
  ['cached', (inner) => cached(inner, { ttl: 60 })],
  ['cached in cached', (inner) => cached(cached(inner, { ttl: 60 }), { ttl: 60 })],
]

describe.each(WRAPPERS)('%s', (_, wrap) => {
  it('forwards issuers, clockTolerance, backgroundWork, canVerify, isStillValid, ready(), close(), describe() and explain()', async () => {
    const inner = complete()
    const verifier = wrap(inner)
    expect(verifier.issuers).toBe(inner.issuers)
    expect(verifier.clockTolerance).toBe(5)
    expect(verifier.backgroundWork).toBe(inner.backgroundWork)
    expect(verifier.canVerify?.('a')).toBe(true)
    expect(verifier.isStillValid?.(active)).toBe(false)
    await verifier.ready?.()
    verifier.close?.()
    expect(inner.ready).toHaveBeenCalledOnce()
    expect(inner.close).toHaveBeenCalledOnce()
    expect(verifier.describe?.()).toMatchObject({ kind: 'complete' })
    expect(await explainBy(verifier, new PresentedToken('a'))).toEqual({ checks: [] })
  })

  it('behaves like the defaults of the interface around a verifier that has only verify()', async () => {
    const verifier = wrap({ verify: () => active })
    expect(verifier.issuers).toEqual([])
    expect(verifier.backgroundWork).toBeUndefined()
    expect(verifier.canVerify?.('a')).toBeUndefined()
    expect(verifier.isStillValid?.(active)).toBe(true)
    expect(verifier.getCached?.('hash')).toBeUndefined()
    await expect(verifier.ready?.()).resolves.toBeUndefined()
    expect(() => verifier.close?.()).not.toThrow()
    expect(typeof verifier.describe?.()).toBe('object')
  })
})

it('WrappingVerifier forwards getCached()', () => {
  const inner = complete()
  expect(new Wrapper(inner).getCached('hash')).toBe(active)
  expect(inner.getCached).toHaveBeenCalledWith('hash')
})

const EMPTY = { maxBytes: 67_108_864, bytes: 0, max: 100_000, entries: 0, hits: 0, misses: 0, tooLarge: 0 }

describe('the description of opaque', () => {
  const lookup = () => ({ subject: 'emma' })
  const cache = { ttl: 60 }

  it.each([
    ['a lookup', { lookup }, { kind: 'opaque' }],
    ['a prefix', { lookup, prefix: 'acme' }, { kind: 'opaque', prefix: 'acme' }],
    ['a cache', { lookup, cache }, { kind: 'opaque', cache: EMPTY }],
    [
      'a prefix and a cache',
      { lookup, prefix: 'acme', cache },
      { kind: 'opaque', prefix: 'acme', cache: EMPTY },
    ],
  ])('with %s names its kind, its prefix and its cache', (_, options, expected) => {
    const verifier = opaque(options)
    expect(verifier.describe?.()).toEqual(expected)
    expect(createGate({ verifier }).describe().verifier).toEqual(expected)
    expect(chain(verifier).describe?.()).toEqual({ kind: 'chain', verifiers: [expected] })
  })

  it('counts the cached results', async () => {
    const verifier = opaque({ lookup, prefix: 'acme', cache })
    await verifier.verify(generateToken('acme'))
    expect(verifier.describe?.()).toMatchObject({ cache: { entries: 1 } })
  })
})
