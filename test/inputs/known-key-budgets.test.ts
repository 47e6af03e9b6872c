/** Forged tokens that name known callers: they delay a new key for a few seconds at most, and the issuer is asked rarely. */

import type { Gate, JwtSettings } from '@bearergate/core'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { pass, stopClock } from '../support/clock.ts'
import { outcome, requestWith, unsignedToken } from '../support/forge.ts'
import { gateFetching } from '../support/gates.ts'
import { createKey, NOW, type TestKey } from '../support/issuer.ts'

const one = await createKey('ES256', 'one')
const two = await createKey('ES256', 'two')
const three = await createKey('ES256', 'three')

stopClock()
let fetches: number
let published: () => readonly TestKey[]
beforeEach(() => {
  fetches = 0
  published = () => [one]
})

function gateFor(options: Partial<JwtSettings> = {}): Gate {
  const fetch = async () => {
    fetches += 1
    return Response.json({ keys: published().map(({ jwk }) => jwk) })
  }
  return gateFetching(fetch, options)
}

const VALID_FOR_DAYS = { exp: NOW + 864_000 }
const user = (index: number) => ({ sub: `user${index}` })
let number = 0

async function ask(gate: Gate, key: TestKey, claims: object = user(0)): Promise<string> {
  number += 1
  return outcome(gate, await key.sign({ jti: `t${number}`, ...VALID_FOR_DAYS, ...claims }))
}

/** A token with good claims, a made-up signature and, by default, a made-up kid. */
function forged(claims: object, kid?: string): string {
  number += 1
  const header = { typ: 'at+jwt', kid: kid ?? `forged-${number}` }
  return unsignedToken(header, { ...VALID_FOR_DAYS, ...claims })
}

const UNKNOWN = '401 unknown_key'
const UNAVAILABLE = '503 unavailable'

/** Has a gate know users by a good token of each. */
async function gateWithUsers(count: number, options: Partial<JwtSettings> = {}): Promise<Gate> {
  const gate = gateFor(options)
  for (let index = 0; index < count; index += 1) expect(await ask(gate, one, user(index))).toBe('ok')
  return gate
}

describe('forged tokens that name known callers', () => {
  it.each([2, 5, 100])(
    'of one subject, %d of them, delay no new key for others, and then not for that one (ATK08)',
    async (count) => {
      const gate = await gateWithUsers(20)
      for (let time = 0; time < count; time += 1) await outcome(gate, forged(user(0)))
      expect(fetches).toBe(2)
      published = () => [two]
      expect(await ask(gate, two, user(0))).toBe(UNAVAILABLE)
      for (let index = 1; index < 20; index += 1) expect(await ask(gate, two, user(index))).toBe('ok')
      expect(await ask(gate, two, user(0))).toBe('ok')
      expect(fetches).toBe(3)
    },
  )

  it('of all subjects, ten a second, delay a new key by 5 s at most (ATK08)', async () => {
    const gate = await gateWithUsers(50)
    let next = 0
    const forge = async () => {
      for (let time = 0; time < 10; time += 1) {
        await outcome(gate, forged(user(next % 50)))
        next += 1
      }
    }
    for (const key of [two, three, one]) {
      for (let second = 0; second < 60; second += 1) {
        await forge()
        pass(1)
      }
      published = () => [key]
      const delays: string[] = []
      for (let second = 0; second < 6; second += 1) {
        await forge()
        delays.push(await ask(gate, key, user(49)))
        pass(1)
      }
      expect(delays.at(-1)).toBe('ok')
    }
  })

  it('of 200 subjects cause two fetches, and one more per 5 s (ATK08)', async () => {
    const gate = await gateWithUsers(200)
    const moments: number[] = []
    for (let quarter = 0; quarter < 4 * 60; quarter += 1) {
      for (let time = 0; time < 20; time += 1) {
        const before = fetches
        const answer = await outcome(gate, forged(user((quarter * 20 + time) % 200)))
        expect(answer).toBe(fetches > before ? UNKNOWN : UNAVAILABLE)
        if (fetches > before) moments.push(quarter / 4)
      }
      pass(0.25)
    }
    expect(moments).toEqual([0, 0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55])
  })

  it('forged tokens of one subject cause one fetch per cooldown, and Retry-After says when (ATK08)', async () => {
    const gate = await gateWithUsers(1, { cooldown: 12 })
    expect(await outcome(gate, forged(user(0)))).toBe(UNKNOWN)
    const decision = await gate.authenticate(requestWith(forged(user(0))))
    expect(decision).toMatchObject({ status: 503, headers: { 'Retry-After': '12' } })
    pass(11.75)
    expect(await outcome(gate, forged(user(0)))).toBe(UNAVAILABLE)
    pass(0.25)
    expect(await outcome(gate, forged(user(0)))).toBe(UNKNOWN)
    expect(fetches).toBe(3)
  })

  it('of distinct subjects cause one fetch per cooldown if that is shorter than 5 s (ATK08)', async () => {
    const gate = await gateWithUsers(10, { cooldown: 2 })
    const answers: string[] = []
    for (let index = 0; index < 3; index += 1) answers.push(await outcome(gate, forged(user(index))))
    expect(answers).toEqual([UNKNOWN, UNKNOWN, UNAVAILABLE])
    pass(2)
    expect(await outcome(gate, forged(user(3)))).toBe(UNKNOWN)
    expect(await outcome(gate, forged(user(4)))).toBe(UNAVAILABLE)
  })

  it('forged tokens that name known callers do not use the budget of unknown callers (ATK08)', async () => {
    const gate = await gateWithUsers(20)
    for (let index = 0; index < 20; index += 1) await outcome(gate, forged(user(index)))
    published = () => [one, two]
    expect(await ask(gate, two, { sub: 'stranger' })).toBe('ok')
  })
})

describe('a fetch that brings a new key', () => {
  it.each([
    ['a known caller', user(0)],
    ['a stranger', { sub: 'stranger' }],
  ])('is paid back to %s that caused it (ATK08)', async (_, claims) => {
    const gate = await gateWithUsers(1)
    published = () => [two]
    expect(await ask(gate, two, claims)).toBe('ok')
    const answers: string[] = []
    for (let time = 0; time < 3; time += 1) answers.push(await outcome(gate, forged({ sub: 'forger' })))
    expect(answers).toEqual([UNKNOWN, UNKNOWN, UNAVAILABLE])
    published = () => [three]
    expect(await ask(gate, three)).toBe('ok')
  })

  it('is paid back once per cooldown: a set with a new key each time is not fetched without end (ATK08)', async () => {
    const keys = await Promise.all(Array.from({ length: 12 }, (_, index) => createKey('ES256', `k${index}`)))
    published = () => [keys[fetches % 12] as TestKey]
    const gate = gateFor()
    expect(await outcome(gate, forged({ sub: 'stranger' }))).toBe(UNKNOWN)
    const forge = async (times: number) => {
      const before = fetches
      for (let time = 0; time < times; time += 1) await outcome(gate, forged({ sub: 'stranger' }))
      return fetches - before
    }
    // Of the two fetches that are allowed, the first was paid back.
    expect(await forge(20)).toBe(2)
    pass(30)
    // One is regained, and paid back.
    expect(await forge(20)).toBe(2)
  })
})

it('a fetch that failed is not counted for the caller, which may cause the next one (ATK08)', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  const gate = await gateWithUsers(2)
  published = () => {
    throw new Error('down')
  }
  expect(await ask(gate, two, user(0))).toBe(UNAVAILABLE)
  published = () => [two]
  pass(1)
  expect(await ask(gate, two, user(0))).toBe('ok')
  expect(fetches).toBe(3)
  vi.restoreAllMocks()
})

it('failed fetches use the budget of all known callers: two, and one more per 5 s (ATK08)', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  const gate = await gateWithUsers(10)
  published = () => {
    throw new Error('down')
  }
  const moments: number[] = []
  for (let second = 0; second < 30; second += 1) {
    for (let index = 0; index < 10; index += 1) {
      const before = fetches
      expect(await outcome(gate, forged(user(index)))).toBe(UNAVAILABLE)
      if (fetches > before) moments.push(second)
    }
    pass(1)
  }
  // The backoff keeps them 1, 2, 4 and 8 s apart or more.
  expect(moments).toEqual([0, 1, 5, 10, 18])
  vi.restoreAllMocks()
})
