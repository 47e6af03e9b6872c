/** Opaque tokens of the application: what a lookup may return, and when it is called. */

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

describe('opaque', () => {
  it('calls the lookup with the token and its hash, and returns an identity of the record', async () => {
    const lookup = vi.fn(async () => ({ subject: 'emma', scopes: ['read'], claims: { plan: 'pro' } }))
    const verification = await opaque({ lookup }).verify('abc')
    expect(lookup).toHaveBeenCalledWith('abc', await hashToken('abc'))
    expect(verification).toMatchObject({
      active: true,
      identity: { kind: 'opaque', subject: 'emma', scopes: ['read'], roles: [], claims: { plan: 'pro' } },
    })
  })

  it('answers at once if the lookup does', () => {
    expect(opaque({ lookup: () => ({ subject: 'emma' }) }).verify('abc')).toMatchObject({ active: true })
  })

  it('rejects tokens that the lookup does not find, and those that have expired', async () => {
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
  ])('answers 503 if the lookup returns %j (FX56)', async (found, message) => {
    expect(await outcome(found)).toMatch(message)
  })

  it('answers 503 if the lookup throws or rejects (FX56)', async () => {
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

  it('with a prefix, looks up only tokens of generateToken', async () => {
    const lookup = vi.fn<Lookup>(() => null)
    const verifier = opaque({ lookup, prefix: 'acme' })
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
      expect(await verifier.verify(garbage)).toEqual({ active: false, reason: 'unknown_token' })
    expect(lookup).not.toHaveBeenCalled()
    await verifier.verify(token)
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
  ])('names "%s" in a TypeError at creation for %j (BI20)', (name, options) => {
    expect(() => opaque(options as never)).toThrow(TypeError)
    expect(() => opaque(options as never)).toThrow(`"${name}"`)
  })
})
