/** Which places are read, and requests with tokens in several of them (RFC 6750 §2). */

import { describe, expect, it } from 'vitest'
import { FORM, found, type Given } from '../../support/found.ts'

describe('by default', () => {
  it('a token in query, form or cookie is ignored (A05, M03)', async () => {
    for (const given of [
      { url: '/?access_token=a' },
      { 'content-type': FORM, body: { access_token: 'a' } },
      { cookie: 'access_token=a' },
    ])
      expect(await found(given, {})).toBe('no_credentials')
  })
})

describe('in more than one place', () => {
  const places: Record<string, Given> = {
    header: { authorization: 'Bearer abc' },
    query: { url: '/?access_token=abc' },
    form: { 'content-type': FORM, body: { access_token: 'abc' } },
    cookie: { cookie: 'token=abc' },
  }
  const pairs = Object.keys(places).flatMap((one, index) =>
    Object.keys(places)
      .slice(index + 1)
      .map((other) => [one, other] as const),
  )

  it.each(pairs)(
    '%s and %s, is answered multiple_credentials even if both are equal (A03)',
    async (one, other) => {
      expect(await found({ ...places[one], ...places[other] })).toBe('multiple_credentials')
    },
  )

  it('rejects two places with credentials if one of them is malformed (A03)', async () => {
    expect(await found({ authorization: 'Bearer a b', url: '/?access_token=abc' })).toBe(
      'multiple_credentials',
    )
  })

  it('is answered credentials_too_long if one of them is too long', async () => {
    const cookie = `a=${'b'.repeat(16_384)}`
    expect(await found({ authorization: 'Bearer abc', cookie })).toBe('credentials_too_long')
  })

  it('ignores another scheme in Authorization beside a token elsewhere', async () => {
    expect(await found({ authorization: 'Basic abc', url: '/?access_token=abc' })).toBe('abc in query')
  })

  it('accepts each place alone', async () => {
    for (const [name, given] of Object.entries(places)) expect(await found(given)).toBe(`abc in ${name}`)
  })
})
