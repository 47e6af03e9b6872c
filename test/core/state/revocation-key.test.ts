/** The keys of revocations: one name never revokes another one. */

import { describe, expect, it } from 'vitest'
import { keyOf } from '#core/state/revocation-key.ts'

/** Texts that look like parts of a key. */
const TEXTS = [
  '',
  '1',
  '9007199254740994',
  'a',
  'ta',
  't1',
  '1 a',
  '1 aa',
  '2 aa',
  ' a',
  'a ',
  '"a","b"',
  '\u0000',
]
const NUMBERS = [9007199254740994, -9007199254740994, 1e300]

describe('keyOf', () => {
  it('returns a different key for each name and issuer, also for those that look like a key', () => {
    const names = [...TEXTS, ...NUMBERS]
    const keys = names.flatMap((name) => [keyOf(name), ...TEXTS.map((issuer) => keyOf(name, issuer))])
    expect(new Set(keys).size).toBe(names.length * (1 + TEXTS.length))
  })
})
