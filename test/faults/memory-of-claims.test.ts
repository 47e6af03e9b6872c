/** The estimate of memory, beside what V8 takes: on Node only, because other runtimes show no heap. */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { frozenJson } from '../../packages/core/src/lib/freeze.ts'
import { sizeOf } from '../../packages/core/src/lib/size.ts'

const text = (length: number) => 'x'.repeat(length)

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
