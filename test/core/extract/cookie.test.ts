/** Tokens in a cookie (RFC 6265 §5.4). */

import { describe, expect, it } from 'vitest'
import { found } from '../../support/found.ts'
import { patternsMatched } from '../../support/patterns.ts'

const SPACES = ' '.repeat(16_000)

describe('in a cookie', () => {
  it.each([
    ['token=abc', 'abc in cookie'],
    ['a=1; token=abc; b=2', 'abc in cookie'],
    ['a=1;token="abc"', 'abc in cookie'],
    ['token=a%2Bb%3D', 'a+b= in cookie'],
    ['token=abc==', 'abc== in cookie'],
    ['a=token=x', 'no_credentials'],
    ['token2=abc', 'no_credentials'],
    ['Token=abc', 'no_credentials'],
    ['token=', 'no_credentials'],
    ['token', 'no_credentials'],
    // FIELD14: blank, in any spelling.
    ['token=""', 'no_credentials'],
    ['token=" "', 'no_credentials'],
    ['token=%20', 'no_credentials'],
    ['token=Bearer', 'malformed_credentials'],
    ['token=; token=abc', 'multiple_credentials'],
    // FIELD15: alone, or after its scheme.
    ['token="Bearer abc"', 'abc in cookie'],
    ['token=Bearer%20abc', 'abc in cookie'],
    ['token=Basic%20abc', 'malformed_credentials'],
    ['token=%00', 'malformed_credentials'],
    ['token=a b', 'malformed_credentials'],
    ['token=%zz', 'malformed_credentials'],
    ['token=abc; token=abc', 'multiple_credentials'],
    [['a=1', 'token=abc'], 'abc in cookie'],
    [['token=abc', 'token=abc'], 'multiple_credentials'],
    [7, 'malformed_credentials'],
    [`token=${'a'.repeat(8193)}`, 'credentials_too_long'],
    [' \ttoken\t=\tabc ', 'abc in cookie'],
    ['\u00a0token=abc', 'no_credentials'],
    ['\u000btoken=abc', 'no_credentials'],
    ['token\ufeff=abc', 'no_credentials'],
  ])('%j is %s', async (cookie, expected) => {
    expect(await found({ cookie })).toBe(expected)
  })
})

it.each([
  ['spaces before a cookie', `a=b;${SPACES}x`, 'no_credentials'],
  ['spaces within another cookie', `other=x${SPACES}y`, 'no_credentials'],
  ['a quote and spaces', `token="${SPACES}`, 'malformed_credentials'],
  ['semicolons', ';'.repeat(16_384), 'no_credentials'],
  ['equals signs', '='.repeat(16_384), 'no_credentials'],
])('reads 16 KiB of %s without matching a pattern against it (BI10)', async (_, cookie, expected) => {
  const [result, matched] = patternsMatched(() => found({ cookie }))
  expect(await result).toBe(expected)
  // A pattern could take time that grows with the square of what it is matched against.
  expect(matched.filter((length) => length > 100)).toEqual([])
})

it('does not read cookies of more than 16 KiB (BI10)', async () => {
  expect(await found({ cookie: `a=${'b'.repeat(16_384)}; token=abc` })).toBe('credentials_too_long')
})
