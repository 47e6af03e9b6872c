/** The records of lookups: an instance of a class must not lose the members that restrict its token. */

import { opaque } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { readRecord } from '#core/verify/opaque/record.ts'

class Key {
  readonly subject = 'emma'
  get expiresAt() {
    return new Date(0)
  }
}

describe('a record', () => {
  it.each<[string, object]>([
    ['a getter of a class', new Key()],
    ['a prototype', Object.assign(Object.create({ expiresAt: 1 }), { subject: 'emma' })],
    [
      'a prototype, as undefined',
      Object.assign(Object.create({ confirmation: undefined }), { subject: 'emma' }),
    ],
  ])('is a mistake if a member comes from %s, because it would be ignored', async (_, record) => {
    expect(() => readRecord(record)).toThrow(/returned an instance of a class, whose inherited member/)
    await expect(async () => opaque({ lookup: () => record }).verify('abc')).rejects.toThrow(
      /whose inherited member/,
    )
  })

  it('may be an instance of a class with members of its own', () => {
    class Row {
      readonly subject = 'emma'
      readonly expiresAt = new Date(1_000)
      save() {}
    }
    expect(readRecord(new Row())).toEqual({ subject: 'emma', expiresAt: 1 })
  })

  it('takes nothing from a polluted Object.prototype', () => {
    const prototype = Object.prototype as unknown as Record<string, unknown>
    prototype.expiresAt = 1
    try {
      expect(readRecord({ subject: 'emma' })).toEqual({ subject: 'emma' })
    } finally {
      delete prototype.expiresAt
    }
  })

  it.each(['{"a":1}', 5, [1]])('is a mistake if its claims are no object: %j', async (claims) => {
    const verifier = opaque({ lookup: () => ({ subject: 'emma', claims }) as never })
    await expect(async () => verifier.verify('abc')).rejects.toThrow(
      '"lookup" returned a "claims" of the wrong type',
    )
  })
})
