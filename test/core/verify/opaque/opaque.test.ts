/** Your own opaque tokens: how they are made, and what a lookup may answer. */

import { createHash } from 'node:crypto'
import { createGate, generateToken, hashToken, type OpaqueOptions, opaque } from '@bearergate/core'
import { describe, expect, it, vi } from 'vitest'
import { NOW } from '../../../support/issuer.ts'

type Lookup = OpaqueOptions<unknown>['lookup']

async function outcome(found: unknown, options: Partial<OpaqueOptions<unknown>> = {}): Promise<string> {
  const verifier = opaque({ lookup: (() => found) as Lookup, now: () => NOW * 1000, ...options })
  try {
    const verification = await verifier.verify('token')
    return verification.active ? 'active' : verification.reason
  } catch (cause) {
    return (cause as Error).message
  }
}

describe('generateToken', () => {
  it('makes a b64token of the prefix, at least 160 random bits and a checksum', () => {
    const token = generateToken('acme_live')
    expect(token).toMatch(/^acme_live_[\w-]{38}$/)
    expect(32 * 6).toBeGreaterThanOrEqual(160)
  })

  it('never makes the same token twice, and uses every bit', () => {
    const tokens = Array.from({ length: 2000 }, () => generateToken('t').slice(2, 34))
    expect(new Set(tokens).size).toBe(2000)
    const ones = new Array(192).fill(0)
    for (const token of tokens)
      Buffer.from(token, 'base64url').forEach((byte, index) => {
        for (let bit = 0; bit < 8; bit += 1) ones[index * 8 + bit] += (byte >> bit) & 1
      })
    for (const count of ones) expect(Math.abs(count - 1000)).toBeLessThan(250)
  })

  it.each(['', 'a-b', 'a b', 'é', 'a'.repeat(33), undefined, 7])('refuses the prefix %j', (prefix) => {
    expect(() => generateToken(prefix as string)).toThrow(/"prefix"/)
  })
})

describe('hashToken', () => {
  it('is the SHA-256 of the token as base64url', async () => {
    const token = generateToken('acme')
    expect(await hashToken(token)).toBe(createHash('sha256').update(token).digest('base64url'))
  })
})

describe('opaque', () => {
  it('gives the lookup the token and its hash, and makes an identity of what it finds', async () => {
    const lookup = vi.fn(async () => ({ subject: 'emma', scopes: ['read'], claims: { plan: 'pro' } }))
    const verification = await opaque({ lookup }).verify('abc')
    expect(lookup).toHaveBeenCalledWith('abc', await hashToken('abc'))
    expect(verification).toMatchObject({
      active: true,
      identity: { kind: 'opaque', subject: 'emma', scopes: ['read'], roles: [], claims: { plan: 'pro' } },
    })
  })

  it('answers at once where the lookup does', () => {
    expect(opaque({ lookup: () => ({ subject: 'emma' }) }).verify('abc')).toMatchObject({ active: true })
  })

  it('refuses what the lookup does not find, and what has expired', async () => {
    expect(await outcome(null)).toBe('unknown_token')
    expect(await outcome(Promise.resolve(null))).toBe('unknown_token')
    expect(await outcome({ expiresAt: NOW })).toBe('expired')
    expect(await outcome({ expiresAt: NOW + 0.001 })).toBe('active')
    expect(await outcome({ subject: 'emma' })).toBe('active')
  })

  it.each([
    [undefined, /"lookup" must return a token record or null/],
    [true, /"lookup" must return a token record or null/],
    [[], /"lookup" must return a token record or null/],
    ['emma', /"lookup" must return a token record or null/],
    [{}, /without any member/],
    [{ subject: undefined, scopes: undefined }, /without any member/],
    [{ expires: NOW }, /"expires"/],
    [{ kind: 'jwt' }, /"kind"/],
    [{ expiresAt: new Date() }, /"expiresAt"/],
    [{ expiresAt: String(NOW) }, /"expiresAt"/],
    [{ expiresAt: NOW * 1000 }, /"expiresAt"/],
    [{ expiresAt: null }, /"expiresAt"/],
    [{ expiresAt: Number.NaN }, /"expiresAt"/],
    [{ subject: 7 }, /"subject"/],
    [{ scopes: 'read' }, /"scopes"/],
    [{ scopes: [7] }, /"scopes"/],
    [{ confirmation: 'key' }, /"confirmation"/],
  ])('FX56 cannot tell where the lookup gives %j', async (found, message) => {
    expect(await outcome(found)).toMatch(message)
  })

  it('FX56 answers 503 where the lookup throws or rejects', async () => {
    const fail = () => {
      throw new Error('no database')
    }
    for (const lookup of [fail, async () => fail(), () => Promise.reject()]) {
      const gate = createGate({ verifier: opaque({ lookup: lookup as Lookup }) })
      const decision = await gate.authenticate(
        new Request('https://a', { headers: { authorization: 'Bearer abc' } }),
      )
      expect(decision).toMatchObject({ ok: false, status: 503 })
    }
  })

  it('looks up only what generateToken made, where it knows the prefix', async () => {
    const lookup = vi.fn<Lookup>(() => null)
    const { verify } = opaque({ lookup, prefix: 'acme' })
    const token = generateToken('acme')
    const swapped = token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A')
    const altered = `acme_${token[5] === 'A' ? 'B' : 'A'}${token.slice(6)}`
    for (const garbage of [
      swapped,
      altered,
      token.slice(0, -1),
      `${token}A`,
      token.toUpperCase(),
      generateToken('other'),
      'acme_',
      'acme',
      '',
      'a.b.c',
    ])
      expect(await verify(garbage)).toEqual({ active: false, reason: 'unknown_token' })
    expect(lookup).not.toHaveBeenCalled()
    await verify(token)
    expect(lookup).toHaveBeenCalledOnce()
  })

  it('looks up every time without a cache, and once per ttl with one', async () => {
    const lookup = vi.fn<Lookup>(async () => ({ subject: 'emma' }))
    const bare = opaque({ lookup })
    await bare.verify('abc')
    await bare.verify('abc')
    expect(lookup).toHaveBeenCalledTimes(2)
    const cached = opaque({ lookup, cache: { ttl: 60 } })
    await cached.verify('abc')
    await cached.verify('abc')
    expect(lookup).toHaveBeenCalledTimes(3)
  })

  it('keeps the application free to change what its lookup gave', async () => {
    const user = { name: 'Emma', tags: ['a'] }
    const scopes = ['read']
    const verification = await opaque({ lookup: () => ({ scopes, claims: user }) }).verify('abc')
    user.name = 'Leo'
    scopes.push('write')
    expect(verification).toMatchObject({ identity: { scopes: ['read'], claims: { name: 'Emma' } } })
  })

  const lookup = (): null => null
  it.each([
    ['lookup', {}],
    ['lookup', { lookup: 'find' }],
    ['prefix', { lookup, prefix: '' }],
    ['prefix', { lookup, prefix: 'a-b' }],
    ['ttl', { lookup, cache: {} }],
    ['ttl', { lookup, cache: { ttl: 0 } }],
    ['ttl', { lookup, cache: { ttl: Number.NaN } }],
    ['ttl', { lookup, cache: { ttl: 86_401 } }],
    ['negativeTtl', { lookup, cache: { ttl: 1, negativeTtl: -1 } }],
    ['cache', { lookup, cache: false }],
    ['now', { lookup, now: 1 }],
    ['look', { lookup, look: lookup }],
  ])('BI20 names "%s" in a TypeError at creation for %j', (name, options) => {
    expect(() => opaque(options as never)).toThrow(TypeError)
    expect(() => opaque(options as never)).toThrow(`"${name}"`)
  })
})
