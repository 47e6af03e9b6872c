/** Which entries of a published set are used, and what reading a large one costs (RFC 7517 §5). */

import { beforeAll, describe, expect, it } from 'vitest'
import { DEFAULT_ALGORITHMS } from '#core/verify/keys/jwk.ts'
import { usableKeys } from '#core/verify/keys/jwks.ts'
import { stopClock } from '../../../support/clock.ts'
import { createKey, type TestKey } from '../../../support/issuer.ts'

stopClock()
let key: TestKey
beforeAll(async () => {
  key = await createKey('ES256')
})

describe('a published set', () => {
  const lookedAt = (count: number) => {
    const seen = new Set<number>()
    const entries = Array.from({ length: count }, (_, index) => ({
      get kty() {
        seen.add(index)
        return 'XYZ'
      },
    }))
    return { entries, seen }
  }

  it('rejects a set of more than 1,000 entries without reading any of them (ATK18)', async () => {
    const { entries, seen } = lookedAt(1_001)
    await expect(usableKeys([key.jwk, ...entries], DEFAULT_ALGORITHMS, [])).rejects.toThrow('1002 entries')
    expect(seen.size).toBe(0)
  })

  it('of 1,000 entries is used (ATK18)', async () => {
    const { entries, seen } = lookedAt(999)
    const { keys, problems } = await usableKeys([...entries, key.jwk], DEFAULT_ALGORITHMS, [])
    expect([keys.length, problems.length, seen.size]).toEqual([1, 999, 999])
  })

  it('a set of cheap entries lets other work go on as well (ATK18)', async () => {
    let turns = 0
    let isDone = false
    const turn = () => {
      turns += 1
      if (!isDone) setImmediate(turn)
    }
    setImmediate(turn)
    await usableKeys([...Array(999).fill({}), key.jwk], DEFAULT_ALGORITHMS, [])
    isDone = true
    // The event loop turns after each 64 entries, as the clock stands still.
    expect(turns).toBeGreaterThanOrEqual(15)
  })

  it('has a key that is in it twice used once (ATK18)', async () => {
    const { keys, problems } = await usableKeys([key.jwk, { ...key.jwk }], DEFAULT_ALGORITHMS, [])
    expect(keys).toHaveLength(1)
    expect(problems).toEqual(['keys[1]: it is in the set twice'])
  })

  it('has the keys of the set before stay the same objects (ATK18)', async () => {
    const other = await createKey('ES256', 'other')
    const before = await usableKeys([key.jwk, other.jwk], DEFAULT_ALGORITHMS, [])
    const after = await usableKeys([{ ...other.jwk }], DEFAULT_ALGORITHMS, before.keys)
    expect(after.keys[0]).toBe(before.keys[1])
  })
})
