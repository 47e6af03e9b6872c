/** The estimate of memory. test/faults/memory-of-claims.test.ts compares it with what V8 takes. */

import { describe, expect, it } from 'vitest'
import { sizeOf } from '../../../packages/core/src/lib/size.ts'

const text = (length: number) => 'x'.repeat(length)

describe('sizeOf', () => {
  it('counts the text of strings, at two bytes if a character is not Latin-1', () => {
    const empty = sizeOf({ text: '' })
    expect(sizeOf({ text: text(1_000) }) - empty).toBe(1_016)
    expect(sizeOf({ text: `${text(999)}é` }) - empty).toBe(1_016)
    expect(sizeOf({ text: `${text(999)}ж` }) - empty).toBe(2_016)
  })

  it.each([
    ['the members of arrays', [text(1_000), text(1_000)]],
    ['the members of nested objects', { a: { b: { c: text(2_000) } } }],
    ['names of nested objects', { [text(1_000)]: 1, [`${text(1_000)}y`]: 2 }],
    ['maps', new Map([['key', text(2_000)]])],
    ['sets', new Set([text(1_000), `${text(1_000)}y`])],
    ['bytes', new Uint8Array(2_000)],
    [
      'members of classes',
      new (class Account {
        readonly text = text(2_000)
      })(),
    ],
  ])('counts %s', (_, value) => {
    const size = sizeOf({ claims: { value } })
    expect(size).toBeGreaterThan(2_000)
    expect(size).toBeLessThan(2_000 + 400)
  })

  it('counts an object once, and a string of the value that its claims repeat once', () => {
    const shared = { text: text(1_000) }
    expect(sizeOf({ a: shared, b: shared, c: [shared] })).toBeLessThan(1_500)
    expect(sizeOf({ subject: text(1_000), claims: { sub: text(1_000) } })).toBeLessThan(1_500)
  })

  it('ends with cycles', () => {
    const node: { next?: unknown } = {}
    node.next = { back: node }
    expect(sizeOf({ node })).toBeLessThan(300)
  })

  it.each([
    ['an array', Array.from({ length: 10_001 })],
    ['a sparse array', Object.assign([], { length: 4_000_000_000 })],
    ['a map', new Map(Array.from({ length: 10_000 }, (_, index) => [index, index]))],
    ['a long chain', Array.from({ length: 10_001 }).reduce<object>((next) => ({ next }), {})],
  ])('is infinite for %s of more than 10,000 members', (_, value) => {
    expect(sizeOf({ value })).toBe(Number.POSITIVE_INFINITY)
  })

  it('is infinite for an object that cannot be read', () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(sizeOf({ proxy })).toBe(Number.POSITIVE_INFINITY)
  })
})
