/** Which objects of the application have only members of their own. */

import { expect, it } from 'vitest'
import { isPlain } from '#core/lib/plain.ts'

/** Has the members of `Object.prototype`, but is another object, as in a context of `node:vm`. */
const foreign = Object.create(null, Object.getOwnPropertyDescriptors(Object.prototype))

it.each<[string, object, boolean]>([
  ['an object', { tenant: 'acme' }, true],
  ['an object without a prototype', Object.create(null), true],
  ['an object of another realm', Object.create(foreign), true],
  ['an object that inherits', Object.create({ tenant: 'acme' }), false],
  ['an object that inherits from one without a prototype', Object.create(Object.create(null)), false],
  ['a Map', new Map(), false],
  ['an array', [], false],
])('says of %s whether it is plain', (_, value, expected) => {
  expect(isPlain(value)).toBe(expected)
})
