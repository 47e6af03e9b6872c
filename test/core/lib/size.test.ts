/** The estimate of memory, beside what V8 takes. */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { frozenJson } from '../../../packages/core/src/lib/freeze.ts'
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

describe('the size of claims', () => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const used = () => {
    for (let turn = 0; turn < 4; turn += 1) gc()
    return process.memoryUsage().heapUsed
  }
  const usual = (index: number) => ({
    iss: 'https://id.example.com',
    aud: 'https://api.example.com',
    sub: `user-number-${index}`,
    scope: 'read:messages write:messages',
    exp: 1_790_003_600,
    jti: `token-number-${index}`,
  })
  const many = <T>(count: number, make: (index: number) => T) =>
    Array.from({ length: count }, (_, index) => make(index))

  it.each<[string, (index: number) => object]>([
    ['usual claims', (index) => ({ ...usual(index), text: text(300) + index })],
    [
      '100 groups',
      (index) => ({ ...usual(index), groups: many(100, (group) => `group-number-${index}-${group}`) }),
    ],
    ['100 numbers', (index) => ({ ...usual(index), numbers: many(100, (number) => number + 0.5) })],
    ['100 empty objects', (index) => ({ ...usual(index), details: many(100, () => ({})) })],
    ['Cyrillic text', (index) => ({ ...usual(index), text: 'ж'.repeat(300) + index })],
    [
      'names of their own',
      (index) => ({
        ...usual(index),
        by: Object.fromEntries(many(20, (name) => [`document-${index}-${name}`, 'r'])),
      }),
    ],
  ])('with %s is about what V8 takes', (_, make) => {
    const texts = many(4_000, (index) => Buffer.from(JSON.stringify(make(index))))
    const read = () => texts.map((json) => frozenJson(JSON.parse(json.toString())))
    read()
    const before = used()
    const kept = read()
    const real = (used() - before) / texts.length
    const estimate = kept.reduce<number>((sum, claims) => sum + sizeOf({ claims }), 0) / texts.length
    expect(estimate / real).toBeGreaterThan(0.8)
    expect(estimate / real).toBeLessThan(1.3)
  })
})
