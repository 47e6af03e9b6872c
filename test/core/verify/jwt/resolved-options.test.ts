/** Options that a resolver returned: what a copy contains, and which changes count. */

import { describe, expect, it } from 'vitest'
import type { IssuerOptions } from '#core/verify/jwt/options.ts'
import { copyOptions, haveSameKeys, isSame } from '#core/verify/jwt/resolved-options.ts'

const OPTIONS: IssuerOptions = { issuer: 'https://id.example.com', audience: ['a', 'b'] }

describe('copyOptions', () => {
  it('returns a copy that a later change does not reach', () => {
    const audience = ['a', 'b']
    const copy = copyOptions({ ...OPTIONS, audience })
    audience.push('c')
    expect(copy.audience).toEqual(['a', 'b'])
    expect(Object.isFrozen(copy.audience)).toBe(true)
  })

  it('keeps a schema and a store as they are', () => {
    const jwksStore = { get: () => undefined, set() {} }
    const claims = { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } }
    const copy = copyOptions({ ...OPTIONS, jwksStore, claims: claims as never })
    expect(copy.jwksStore).toBe(jwksStore)
    expect(copy.claims).toBe(claims)
    expect(Object.isFrozen(jwksStore)).toBe(false)
  })

  it('throws a TypeError for an unknown option', () => {
    expect(() => copyOptions({ ...OPTIONS, audiance: 'a' } as never)).toThrow(/audiance/)
  })
})

describe('haveSameKeys', () => {
  it.each<[string, Partial<IssuerOptions>]>([
    ['jwksUri', { jwksUri: 'https://id.example.com/keys' }],
    ['keys', { keys: { keys: [{ kty: 'EC' }] } } as never],
    ['algorithms', { algorithms: ['ES256'] }],
    ['cacheMaxAge', { cacheMaxAge: 60 }],
    ['staleIfError', { staleIfError: 60 }],
    ['cooldown', { cooldown: 5 }],
    ['timeout', { timeout: 1 }],
  ])('is false after a change of "%s"', (_, change) => {
    expect(haveSameKeys(OPTIONS, { ...OPTIONS, ...change } as IssuerOptions)).toBe(false)
    expect(haveSameKeys(structuredClone(change) as never, structuredClone(change) as never)).toBe(true)
  })

  it('is true after a change of anything else, such as "audience" or a new "fetch"', () => {
    const other = { ...OPTIONS, audience: 'c', fetch: async () => new Response(), onJwks: () => {} }
    expect(haveSameKeys(OPTIONS, other)).toBe(true)
  })
})

describe('isSame', () => {
  const call = () => {}
  it.each<[unknown, unknown]>([
    [undefined, undefined],
    [Number.NaN, Number.NaN],
    [
      { a: 1, b: [1, { c: 2 }] },
      { b: [1, { c: 2 }], a: 1 },
    ],
    [{ a: 1 }, Object.assign(Object.create(null), { a: 1 })],
    [[call], [call]],
  ])('is true for %o and %o', (one, other) => {
    expect(isSame(one, other)).toBe(true)
  })

  it.each<[unknown, unknown]>([
    [1, '1'],
    [{ a: 1 }, { a: 2 }],
    [{ a: 1 }, { a: 1, b: 2 }],
    [
      [1, 2],
      [2, 1],
    ],
    [[], {}],
    [new Date(0), new Date(0)],
    [() => {}, () => {}],
    [null, {}],
  ])('is false for %o and %o', (one, other) => {
    expect(isSame(one, other)).toBe(false)
  })
})
