/** Tokens in `Authorization` and in other header fields (RFC 6750 §2.1, RFC 9110 §11). */

import type { RequestLike } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { createExtract } from '#core/extract/extract.ts'
import type { Rejection } from '#core/model/rejection.ts'
import { found } from '../../support/found.ts'

const inHeader = createExtract()
const extract = (request: RequestLike): string | Rejection => {
  const found = inHeader(request)
  if (found instanceof Promise) throw new TypeError('a header is at hand')
  return 'reason' in found ? found : found.token
}
const B64TOKEN = /^[A-Za-z0-9._~+/-]+=*$/
const view = (value: unknown): RequestLike => ({ header: () => value as string })
const reasonFor = (value: unknown) => {
  const extracted = extract(view(value))
  return typeof extracted === 'string' ? extracted : extracted.reason
}

describe('extract', () => {
  it('accepts a b64token with every allowed character (A01)', () => {
    const token = 'AZaz09-._~+/=='
    expect(reasonFor(`Bearer ${token}`)).toBe(token)
  })

  it('accepts the 68 characters of b64token in each position, "=" at the end, and rejects every other octet (A02, BI01)', () => {
    const taken = [0, 1, 2].map((position) =>
      Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).filter((character) => {
        const token = 'abc'.slice(0, position) + character + 'abc'.slice(position + 1)
        const extracted = reasonFor(`Bearer ${token}`)
        if (extracted === token) return B64TOKEN.test(token)
        if (character === ' ' && position === 0) expect(extracted).toBe('bc')
        else
          expect(extracted).toBe(
            character === ',' && position > 0 ? 'multiple_credentials' : 'malformed_credentials',
          )
        return false
      }),
    )
    expect(taken.map(({ length }) => length)).toEqual([68, 68, 69])
  })

  it('rejects padding that is not at the end, or alone (A02)', () => {
    expect(reasonFor('Bearer a=b')).toBe('malformed_credentials')
    expect(reasonFor('Bearer =')).toBe('malformed_credentials')
  })

  it('compares the scheme by ASCII folding only (B01)', () => {
    for (const scheme of ['bearer', 'BEARER', 'bEaReR']) expect(reasonFor(`${scheme} abc`)).toBe('abc')
    for (const scheme of ['Bearεr', 'Ｂearer', 'bearerſ', 'b\u0435arer'])
      expect(reasonFor(`${scheme} abc`)).toBe('malformed_credentials')
  })

  it('accepts one or more spaces after the scheme, and rejects a tab (B02)', () => {
    expect(reasonFor('Bearer    abc')).toBe('abc')
    expect(reasonFor('Bearer\tabc')).toBe('malformed_credentials')
    expect(reasonFor('Bearer \tabc')).toBe('malformed_credentials')
  })

  it('rejects CR, LF, NUL and tabs anywhere in the value (B08, B09)', () => {
    for (const character of ['\r', '\n', '\0', '\t', '\r\n '])
      for (const value of [
        `Bearer a${character}b`,
        `Bearer ${character}ab`,
        `Bearer ab${character}`,
        `${character}Bearer ab`,
      ])
        expect(reasonFor(value)).toBe('malformed_credentials')
  })

  it('counts another scheme, even a similar one, as no credentials (A10)', () => {
    for (const value of [
      'Basic YTpi',
      'Digest username="a", realm="b"',
      'DPoP abc',
      'Bearerx abc',
      'Bearer-1 abc',
      'Negotiate',
    ])
      expect(reasonFor(value)).toBe('no_credentials')
    expect(reasonFor(undefined)).toBe('no_credentials')
  })

  it('rejects a value that has the form of no scheme (A11)', () => {
    for (const value of [
      'Bearer a b',
      ' Bearer a',
      'Bearer,a',
      ',',
      '"Bearer" a',
      'Bearer: a',
      'Bearer=a',
      '\u00e9 a',
    ])
      expect(reasonFor(value)).toBe('malformed_credentials')
  })

  it('rejects several field lines, and their joined form (A03, B07)', () => {
    expect(reasonFor(['Bearer a', 'Bearer a'])).toBe('multiple_credentials')
    expect(reasonFor(['Bearer a', 'Basic b'])).toBe('multiple_credentials')
    expect(reasonFor('Basic YTpi, Bearer a')).toBe('multiple_credentials')
    expect(reasonFor('Basic YTpi,Basic YTpi')).toBe('multiple_credentials')
    expect(reasonFor('Bearer a, Bearer a')).toBe('multiple_credentials')
    expect(reasonFor(['Bearer a'])).toBe('a')
  })

  it('accepts a token of 8,192 characters and rejects a longer one (B16)', () => {
    expect(reasonFor(`Bearer ${'a'.repeat(8192)}`)).toHaveLength(8192)
    expect(reasonFor(`Bearer ${'a'.repeat(8193)}`)).toBe('credentials_too_long')
    expect(reasonFor(`Bearer ${'.'.repeat(1_000_000)}`)).toBe('credentials_too_long')
    expect(reasonFor(`Basic ${'a'.repeat(16_385)}`)).toBe('credentials_too_long')
  })

  it('rejects values that are not strings (BI02)', () => {
    const odd = [
      null,
      0,
      true,
      [],
      [1],
      {},
      { toString: () => 'Bearer a' },
      Buffer.from('Bearer a'),
      Symbol('a'),
      1n,
      new String('Bearer a'),
      new Date(0),
    ]
    for (const value of odd) expect(reasonFor(value)).toBe('malformed_credentials')
  })
})

describe('a blank value (FIELD14)', () => {
  it.each(['', ' ', '\t', ' \t '])('%j in Authorization counts as no credentials', (value) => {
    expect(reasonFor(value)).toBe('no_credentials')
    expect(reasonFor([value])).toBe('no_credentials')
  })

  it.each(['', ' '])('%j beside a good cookie leaves the cookie', async (value) => {
    const places = { cookie: 'token' }
    expect(await found({ authorization: value, cookie: 'token=abc' }, places)).toBe('abc in cookie')
  })

  it.each(['undefined', 'null', '[object Object]', 'false'])(
    'is not "Bearer %s", which some templates make of no token',
    (text) => {
      expect(reasonFor(`Bearer ${text}`)).toBe(text.includes(' ') ? 'malformed_credentials' : text)
    },
  )

  it.each([
    ['two lines, one of them blank', ['', 'Bearer abc'], 'multiple_credentials'],
    ['two blank lines', ['', ''], 'multiple_credentials'],
    ['such lines joined', ', Bearer abc', 'malformed_credentials'],
    ['a no-break space', '\u00a0', 'malformed_credentials'],
    ['the scheme alone', 'Bearer', 'malformed_credentials'],
    ['the scheme and a space', 'Bearer ', 'malformed_credentials'],
    ['a line break', 'Bearer\r\n', 'malformed_credentials'],
    ['NUL', 'Bearer \0', 'malformed_credentials'],
    ['a comma', 'Bearer ,', 'malformed_credentials'],
    ['padding alone', 'Bearer =', 'malformed_credentials'],
  ])('is not %s', (_, value, reason) => {
    expect(reasonFor(value)).toBe(reason)
  })
})

describe('in another header', () => {
  const places = { header: 'X-Access-Token' }
  const inOther = (value: unknown) => found({ 'x-access-token': value }, places)

  it('is the whole value or follows Bearer, and Authorization is no longer read (FIELD15)', async () => {
    expect(await inOther('abc')).toBe('abc in header')
    expect(await inOther('Bearer abc')).toBe('abc in header')
    expect(await inOther('bearer  abc')).toBe('abc in header')
    expect(await inOther(['Bearer abc'])).toBe('abc in header')
    expect(await found({ authorization: 'Bearer abc' }, places)).toBe('no_credentials')
  })

  it('counts a configured header field as absent if it is blank (FIELD14)', async () => {
    for (const value of ['', ' ', '\t']) expect(await inOther(value)).toBe('no_credentials')
  })

  it.each([
    ['Bearer', 'malformed_credentials'],
    ['bearer\t', 'malformed_credentials'],
    [['a', 'b'], 'multiple_credentials'],
    [['Bearer a', 'Bearer a'], 'multiple_credentials'],
    ['Bearer a, Bearer a', 'malformed_credentials'],
    ['a, b', 'malformed_credentials'],
    ['a,b', 'malformed_credentials'],
    ['Bearer a b', 'malformed_credentials'],
    ['Bearer\tabc', 'malformed_credentials'],
    ['Bearer Bearer abc', 'malformed_credentials'],
    ['Basic YTpi', 'malformed_credentials'],
    ['Bearer: abc', 'malformed_credentials'],
    [`Bearer ${'a'.repeat(8193)}`, 'credentials_too_long'],
  ])('rejects %j (FIELD15)', async (value, reason) => {
    expect(await inOther(value)).toBe(reason)
  })
})
