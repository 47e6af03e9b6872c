/** The callers that a key set remembers: how they are named, and how many they are. */

import { expect, it } from 'vitest'
import { callerOf, KnownCallers } from '#core/verify/keys/known-callers.ts'

it('names no two pairs of subject and client alike (ATK08)', async () => {
  const pairs = [
    { sub: 'a', client_id: 'b' },
    { sub: 'b', client_id: 'a' },
    { sub: 'a","b' },
    { sub: 'a' },
    { client_id: 'a' },
    { sub: 'ab' },
    { sub: 'null', client_id: 'a' },
    { sub: '["a","b"]' },
    { sub: 'a\\', client_id: 'b' },
    { sub: 'a\\","b' },
    { sub: '\ud800' },
    { sub: '\\ud800' },
  ]
  expect(new Set(await Promise.all(pairs.map(callerOf))).size).toBe(pairs.length)
})

it('names no caller if the token has neither subject nor client as its own claims (ATK08)', () => {
  for (const claims of [{}, Object.create({ sub: 'emma' })]) expect(callerOf(claims)).toBeUndefined()
})

it('has names of one length, however long the subject is (ATK08)', async () => {
  for (const sub of ['a', 'a'.repeat(6_000)]) expect(await callerOf({ sub })).toHaveLength(43)
})

it('remembers the 10,000 callers whose tokens were verified last (ATK08)', () => {
  const callers = new KnownCallers()
  expect(callers.kindOf(undefined)).toBe('unknown')
  for (let index = 0; index < 10_000; index += 1) callers.add(`caller-${index}`)
  expect(callers.kindOf('caller-0')).toBe('known')
  callers.add('caller-1')
  callers.add('one more')
  // A caller that is only named, as by a forged token, is not kept for that.
  expect(['caller-0', 'caller-1', 'one more'].map((caller) => callers.kindOf(caller))).toEqual([
    'unknown',
    'known',
    'known',
  ])
})
