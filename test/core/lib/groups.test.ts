/** `Groups` keeps several values for each key, and nothing of a key without values. */

import { describe, expect, it } from 'vitest'
import { Groups } from '#core/lib/groups.ts'

describe('Groups', () => {
  it('returns the values of a key, each once', () => {
    const groups = new Groups<string, object>()
    const [one, two] = [{ id: 1 }, { id: 2 }]
    for (const value of [one, one]) groups.add('a', value)
    expect([...groups.of('a')]).toEqual([one])
    for (const value of [two, one, two]) groups.add('a', value)
    groups.add('b', two)
    expect([...groups.of('a')]).toEqual([one, two])
    expect([...groups.of('b')]).toEqual([two])
    expect([...groups.of('c')]).toEqual([])
  })

  it('forgets a key with its last value, and ignores values that it does not have', () => {
    const groups = new Groups<string, object>()
    const [one, two] = [{ id: 1 }, { id: 2 }]
    groups.add('a', one)
    groups.delete('a', two)
    groups.delete('b', one)
    expect([groups.has('a'), groups.has('b')]).toEqual([true, false])
    groups.add('a', two)
    groups.delete('a', one)
    expect([...groups.of('a')]).toEqual([two])
    groups.delete('a', two)
    expect(groups.has('a')).toBe(false)
    groups.add('a', one)
    groups.delete('a', one)
    expect(groups.has('a')).toBe(false)
  })
})
