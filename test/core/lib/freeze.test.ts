/** Frozen data is copied only as far as something in it can still be changed. */

import { describe, expect, it } from 'vitest'
import { frozen } from '#core/lib/freeze.ts'

describe('frozen', () => {
  it('returns plain data that is deeply frozen already as it is', () => {
    const data = Object.freeze({ list: Object.freeze(['a']), inner: Object.freeze({ date: Number.NaN }) })
    expect(frozen(data)).toBe(data)
  })

  it('copies a frozen object that has a member which can be changed', () => {
    const inner = { roles: ['user'] }
    const copy = frozen(Object.freeze({ inner }))
    inner.roles.push('admin')
    expect(copy).toEqual({ inner: { roles: ['user'] } })
    expect(Object.isFrozen(copy.inner.roles)).toBe(true)
  })

  it.each([
    [
      'a getter',
      Object.freeze({
        get role() {
          return 'user'
        },
      }),
      { role: 'user' },
    ],
    ['a member with a symbol as its name', Object.freeze({ a: 1, [Symbol('b')]: { c: 2 } }), { a: 1 }],
    [
      'a member that is not enumerable',
      Object.freeze(Object.defineProperty({ a: 1 }, 'b', { value: {} })),
      { a: 1 },
    ],
    ['no prototype', Object.freeze(Object.assign(Object.create(null), { a: 1 })), { a: 1 }],
  ])('copies the members of a frozen object with %s', (_, given, expected) => {
    const copy = frozen(given)
    expect(copy).not.toBe(given)
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
    expect(Object.entries(Object.getOwnPropertyDescriptors(copy))).toEqual(
      Object.entries(expected).map(([name, value]) => [
        name,
        { value, enumerable: true, writable: false, configurable: false },
      ]),
    )
  })
})
