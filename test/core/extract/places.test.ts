/** The option `tokenFrom`: several header fields, a parameter of one's own, and an order for several places. */

import { createGate, type TokenSources } from '@bearergate/core'
import { describe, expect, it, vi } from 'vitest'
import { createExtract } from '#core/extract/extract.ts'
import { FORM, found, view } from '../../support/found.ts'

describe('several header fields', () => {
  const places: TokenSources = { header: ['Authorization', 'X-Api-Key'] }

  it('are read, each in its own form', async () => {
    expect(await found({ authorization: 'Bearer abc' }, places)).toBe('abc in header')
    expect(await found({ 'x-api-key': 'abc' }, places)).toBe('abc in header')
    // In Authorization, a token needs its scheme.
    expect(await found({ authorization: 'Basic abc' }, places)).toBe('no_credentials')
    expect(await found({ authorization: 'Basic abc', 'x-api-key': 'abc' }, places)).toBe('abc in header')
  })

  it('with a token each are answered multiple_credentials', async () => {
    expect(await found({ authorization: 'Bearer abc', 'x-api-key': 'abc' }, places)).toBe(
      'multiple_credentials',
    )
  })

  it('must be different names, and at least two', () => {
    for (const header of [[], ['a'], ['a', 'A'], ['a', ''], ['a', 'b c'], ['a', 7]] as never[])
      expect(() => createExtract({ header })).toThrow('"header"')
  })

  it('are all in Vary, and shared caches store no answer', async () => {
    const gate = createGate({
      verifier: { verify: () => ({ active: true, identity: IDENTITY }) as const },
      tokenFrom: places,
      resource: 'https://api.example.com',
    })
    const decision = await gate.authenticate(view({ 'x-api-key': 'abc' }))
    expect(decision).toMatchObject({
      ok: true,
      headers: { 'Cache-Control': 'private', Vary: 'Authorization, X-Api-Key' },
    })
    const metadata = gate.metadata({
      header: () => undefined,
      method: 'GET',
      url: '/.well-known/oauth-protected-resource',
    })
    expect(JSON.parse(metadata?.body ?? '')).toMatchObject({ bearer_methods_supported: ['header'] })
  })
})

const IDENTITY = { kind: 'opaque', audience: [], scopes: [], roles: [], claims: {} } as const

it('a parameter of one’s own is read instead of access_token', async () => {
  expect(await found({ url: '/?key=abc' }, { query: 'key' })).toBe('abc in query')
  expect(await found({ url: '/?access_token=abc' }, { query: 'key' })).toBe('no_credentials')
  expect(await found({ url: '/?key=a&key=b' }, { query: 'key' })).toBe('multiple_credentials')
})

describe('an order', () => {
  const places: TokenSources = { cookie: 'token', query: true, first: ['header', 'cookie'] }
  const header = { authorization: 'Bearer abc' }
  const cookie = { cookie: 'token=def' }

  it('has the first place with credentials answer, and ignores the later ones', async () => {
    expect(await found({ ...header, ...cookie }, places)).toBe('abc in header')
    expect(await found(cookie, places)).toBe('def in cookie')
    expect(await found({ ...header, ...cookie }, { ...places, first: ['cookie', 'header'] })).toBe(
      'def in cookie',
    )
  })

  it('does not replace a malformed token of an earlier place by a good one of a later place', async () => {
    expect(await found({ authorization: 'Bearer a b', ...cookie }, places)).toBe('malformed_credentials')
  })

  it('leaves places that are not in it in conflict', async () => {
    expect(await found({ ...header, url: '/?access_token=abc' }, places)).toBe('multiple_credentials')
    expect(await found({ ...cookie, url: '/?access_token=abc' }, places)).toBe('multiple_credentials')
  })

  it('does not read a form that would be ignored', async () => {
    const form = vi.fn(() => ({ access_token: 'ghi' }))
    const extract = createExtract({ form: true, first: ['header', 'form'] })
    expect(await extract({ ...view({ ...header, 'content-type': FORM }), form })).toMatchObject({
      token: 'abc',
    })
    expect(form).not.toHaveBeenCalled()
    expect(await extract({ ...view({ 'content-type': FORM }), form })).toMatchObject({ token: 'ghi' })
  })

  it('must name at least two places that are read, each once', () => {
    for (const first of [
      [],
      ['header'],
      ['header', 'header'],
      ['header', 'form'],
      'header',
      ['header', 7],
    ] as never[])
      expect(() => createExtract({ cookie: 'token', first })).toThrow('"first" must list at least two')
  })
})
