/** Tests that a slot keeps one value per object, and that no other code can see that value. */

import { describe, expect, it } from 'vitest'
import { createSlot } from '#core/lib/slot.ts'

describe('a slot', () => {
  it.each<[string, () => object]>([
    ['a plain object', () => ({})],
    ['an object without a prototype', () => Object.create(null)],
    ['a frozen object', () => Object.freeze({})],
    ['a fetch Request', () => new Request('https://api.example.com')],
    ['a Proxy', () => new Proxy({}, {})],
  ])('keeps the last value of %s, and shows it nowhere', (_, create) => {
    const [slot, other] = [createSlot<string>(), createSlot<string>()]
    const [object, another] = [create(), create()]
    expect(slot.get(object)).toBe(undefined)
    slot.set(object, 'one')
    slot.set(object, 'two')
    other.set(object, 'three')
    expect([slot.get(object), other.get(object), slot.get(another)]).toEqual(['two', 'three', undefined])
    expect(Reflect.ownKeys(object)).toEqual(Reflect.ownKeys(another))
    expect(slot.get(Object.assign({}, object))).toBe(undefined)
  })

  it('keeps the last value of an object that is frozen after the first', () => {
    const slot = createSlot<string>()
    const object = {}
    slot.set(object, 'one')
    Object.freeze(object)
    slot.set(object, 'two')
    expect(slot.get(object)).toBe('two')
  })

  it.each([undefined, null, 'a text', 7])('has no value for %s', (value) => {
    expect(createSlot<string>().get(value)).toBe(undefined)
  })
})
