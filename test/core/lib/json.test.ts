/** The depth of JSON, of its text and of its value: both give the same result. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isNestedTooDeeply, isTextNestedTooDeeply } from '#core/lib/json.ts'

const arrays = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
const objects = (levels: number) => `${'{"a":'.repeat(levels)}0${'}'.repeat(levels)}`

describe('JSON with more than 32 levels', () => {
  it.each<[string, string, boolean]>([
    ['a number', '1', false],
    ['32 arrays', arrays(32), false],
    ['33 arrays', arrays(33), true],
    ['32 objects', objects(32), false],
    ['33 objects', objects(33), true],
    ['33 arrays beside each other', `[${Array(33).fill('[]').join()}]`, false],
    ['brackets in a string', JSON.stringify('[{'.repeat(40)), false],
    ['brackets in a member name', JSON.stringify({ ['['.repeat(40)]: 1 }), false],
    ['brackets behind an escaped quote', JSON.stringify(`"${'['.repeat(40)}`), false],
    ['a string that ends with a backslash, then 33 arrays', `[${JSON.stringify('\\')},${arrays(33)}]`, true],
    ['an escaped backslash and brackets in one string', JSON.stringify(`\\"${'{'.repeat(40)}`), false],
  ])('is found in %s', (_, text, expected) => {
    expect(isTextNestedTooDeeply(text)).toBe(expected)
    expect(isNestedTooDeeply(JSON.parse(text))).toBe(expected)
  })

  it('is found alike in the text and in the value of random JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: 0, max: 40 }), (value, levels) => {
        const text = '['.repeat(levels) + JSON.stringify(value) + ']'.repeat(levels)
        expect(isTextNestedTooDeeply(text)).toBe(isNestedTooDeeply(JSON.parse(text)))
      }),
    )
  })
})
