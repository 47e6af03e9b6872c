/** Who may have an issuer's keys fetched again, how often, and what the others are answered meanwhile. */

import type { Gate, JwtSettings } from '@bearergate/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { eventually, pass, stopClock } from '../support/clock.ts'
import { outcome, requestWith, unsignedToken } from '../support/forge.ts'
import { gateFetching } from '../support/gates.ts'
import { createKey, NOW, type TestKey } from '../support/issuer.ts'

const one = await createKey('ES256', 'one')
const two = await createKey('ES256', 'two')
const three = await createKey('ES256', 'three')

stopClock()
let fetches: number
/** What the issuer publishes, and how long it takes for it. */
let published: () => readonly TestKey[]
let answered: Promise<void> | undefined
beforeEach(() => {
  fetches = 0
  published = () => [one]
  answered = undefined
})

afterEach(() => void vi.restoreAllMocks())

function gateFor(options: Partial<JwtSettings> = {}): Gate {
  const fetch = async () => {
    fetches += 1
    await answered
    return Response.json({ keys: published().map(({ jwk }) => jwk) })
  }
  return gateFetching(fetch, options)
}

const STRANGER = { sub: 'stranger', client_id: 'other' }
const VALID_FOR_DAYS = { exp: NOW + 864_000 }
let number = 0

/** A new token of a good caller, and what the gate answers to it. */
async function ask(gate: Gate, key: TestKey, claims: object = {}, header: object = {}): Promise<string> {
  number += 1
  return outcome(gate, await key.sign({ jti: `t${number}`, ...VALID_FOR_DAYS, ...claims }, { ...header }))
}

/** A token with good claims and a made-up signature. */
function forged(kid: string | undefined, claims: object = STRANGER): string {
  return unsignedToken({ typ: 'at+jwt', kid }, { ...VALID_FOR_DAYS, ...claims })
}

/** The answers to so many tokens with made-up key ids. */
async function forge(gate: Gate, times: number, claims: object = STRANGER): Promise<string[]> {
  const answers: string[] = []
  for (let time = 0; time < times; time += 1) {
    number += 1
    answers.push(await outcome(gate, forged(`forged-${number}`, claims)))
  }
  return answers
}

async function retryAfter(gate: Gate, token: string): Promise<unknown> {
  const decision = await gate.authenticate(requestWith(token))
  return decision.ok ? undefined : decision.headers['Retry-After']
}

const UNKNOWN = '401 unknown_key'
const UNAVAILABLE = '503 unavailable'

describe('a budget for unknown keys', () => {
  it('answers 401 to the first two kids that the issuer does not have, then 503 (ATK08)', async () => {
    const gate = gateFor()
    expect(await ask(gate, one)).toBe('ok')
    expect(await forge(gate, 5)).toEqual([UNKNOWN, UNKNOWN, UNAVAILABLE, UNAVAILABLE, UNAVAILABLE])
    expect(fetches).toBe(3)
  })

  it('Retry-After says when the budget allows one more unknown key (ATK08)', async () => {
    const gate = gateFor()
    await forge(gate, 2)
    expect(await retryAfter(gate, forged('a'))).toBe('30')
    pass(12)
    expect(await retryAfter(gate, forged('b'))).toBe('18')
    pass(18)
    expect(await forge(gate, 2)).toEqual([UNKNOWN, UNAVAILABLE])
    expect(fetches).toBe(4)
  })

  it('regains one fetch per cooldown (ATK08)', async () => {
    const gate = gateFor({ cooldown: 5 })
    await forge(gate, 2)
    expect(await retryAfter(gate, forged('a'))).toBe('5')
    pass(5)
    expect(await forge(gate, 2)).toEqual([UNKNOWN, UNAVAILABLE])
  })

  it('answers 503 to a token without kid that no key fits, while it is spent (ATK08)', async () => {
    const gate = gateFor()
    await forge(gate, 2)
    expect(await outcome(gate, forged(undefined))).toBe(UNAVAILABLE)
  })

  it('costs four fetches at most for 2,000 made-up kids in a minute, and no good token waits (ATK08)', async () => {
    const gate = gateFor()
    const answers = new Map<string, number>()
    for (let index = 0; index < 2_000; index += 1) {
      const answer = await outcome(gate, forged(`forged-${index}`))
      answers.set(answer, (answers.get(answer) ?? 0) + 1)
      if (index % 100 === 0) expect(await ask(gate, one)).toBe('ok')
      pass(60 / 2_001)
    }
    expect(answers).toEqual(
      new Map([
        [UNKNOWN, 3],
        [UNAVAILABLE, 1_997],
      ]),
    )
    expect(fetches).toBe(4)
  })

  it('tokens that are rejected before the signature check do not use the budget (ATK08)', async () => {
    const gate = gateFor({ maxTokenAge: 3600, requiredClaims: { tenant: 'acme' } })
    const good = { ...STRANGER, tenant: 'acme' }
    expect(await outcome(gate, forged('warm up', good))).toBe(UNKNOWN)
    expect(fetches).toBe(2)
    for (const [claims, reason] of [
      [{ iss: 'https://other.example.com' }, 'issuer_mismatch'],
      [{ aud: 'https://other.example.com' }, 'audience_mismatch'],
      [{ exp: NOW - 600 }, 'expired'],
      [{ nbf: NOW + 600 }, 'not_yet_valid'],
      [{ iat: NOW + 600 }, 'issued_in_future'],
      [{ iat: NOW - 4000 }, 'max_age_exceeded'],
      [{ exp: undefined }, 'missing_claim'],
      [{ cnf: 7 }, 'invalid_claim'],
      [{ nbf: '7' }, 'invalid_claim'],
    ] as const)
      expect(await outcome(gate, forged('unknown', { ...good, ...claims }))).toBe(`401 ${reason}`)
    expect(fetches).toBe(2)
    expect(await outcome(gate, forged('unknown', good))).toBe(UNKNOWN)
    expect(fetches).toBe(3)
  })
})

describe('a rotation without overlap', () => {
  it('the first token of a known caller finds the new key while attackers forge a kid each second (ATK08)', async () => {
    const gate = gateFor()
    expect(await ask(gate, one)).toBe('ok')
    for (let second = 0; second < 100; second += 1) {
      await forge(gate, 1)
      pass(1)
    }
    published = () => [two]
    await forge(gate, 2)
    expect(await ask(gate, two, STRANGER)).toBe(UNAVAILABLE)
    expect(await ask(gate, two)).toBe('ok')
    // From then on the key is there for everybody.
    expect(await ask(gate, two, STRANGER)).toBe('ok')
  })

  it('all callers can use the refresh that a known caller caused (ATK08)', async () => {
    const gate = gateFor()
    await ask(gate, one)
    await forge(gate, 3)
    published = () => [two]
    let answer = () => {}
    answered = new Promise((resolve) => {
      answer = resolve
    })
    const tokens = await Promise.all(
      Array.from({ length: 50 }, (_, index) => two.sign({ sub: `user-${index}`, jti: `j${index}` })),
    )
    const before = fetches
    const first = ask(gate, two)
    await eventually(() => fetches === before + 1)
    const others = tokens.map((token) => outcome(gate, token))
    answer()
    expect(await first).toBe('ok')
    expect(new Set(await Promise.all(others))).toEqual(new Set(['ok']))
    expect(fetches).toBe(before + 1)
  })

  it('1,000 unknown callers that wait for a slow refresh do not delay a known one (ATK08)', async () => {
    const gate = gateFor()
    await ask(gate, one)
    published = () => [two]
    let answer = () => {}
    answered = new Promise((resolve) => {
      answer = resolve
    })
    const token = await two.sign()
    const strangers = Array.from({ length: 1_000 }, (_, index) => outcome(gate, forged(`made-up-${index}`)))
    await eventually(() => fetches === 2)
    const known = outcome(gate, token)
    expect(await forge(gate, 1)).toEqual([UNAVAILABLE])
    answer()
    expect(await known).toBe('ok')
    expect(new Set(await Promise.all(strangers))).toEqual(new Set([UNKNOWN]))
  })

  it('is not delayed by tokens with the kids of earlier sets (ATK08)', async () => {
    const gate = gateFor()
    await ask(gate, one)
    published = () => [two]
    expect(await ask(gate, two)).toBe('ok')
    for (let time = 0; time < 5; time += 1) {
      await outcome(gate, forged('one'))
      // The old token of a known caller, too.
      await outcome(gate, forged('one', {}))
    }
    expect(fetches).toBe(4)
    published = () => [three]
    expect(await ask(gate, three)).toBe('ok')
  })

  it('is not delayed by wrong signatures under the kid that is published (ATK08)', async () => {
    const gate = gateFor()
    await ask(gate, one)
    for (let time = 0; time < 5; time += 1)
      expect(await outcome(gate, forged('one'))).toBe('401 invalid_signature')
    expect(fetches).toBe(3)
    published = () => [two]
    expect(await ask(gate, two)).toBe('ok')
  })
})

describe('a known caller', () => {
  it('a known caller has a budget of one fetch per cooldown, which unknown callers cannot use (ATK08)', async () => {
    const gate = gateFor()
    await ask(gate, one)
    expect(await forge(gate, 4, {})).toEqual([UNKNOWN, UNAVAILABLE, UNAVAILABLE, UNAVAILABLE])
    expect(fetches).toBe(2)
    pass(30)
    expect(await forge(gate, 2, {})).toEqual([UNKNOWN, UNAVAILABLE])
    expect(fetches).toBe(3)
  })

  it('a known caller does not use the budget of unknown callers (ATK08)', async () => {
    const gate = gateFor()
    await ask(gate, one)
    await forge(gate, 10, {})
    published = () => [one, two]
    expect(await ask(gate, two, STRANGER)).toBe('ok')
  })

  it('a caller is identified by subject and client together (ATK08)', async () => {
    const gate = gateFor()
    await ask(gate, one, { sub: 'emma', client_id: 'web' })
    await ask(gate, one, { sub: 'noah', client_id: 'app' })
    await forge(gate, 2)
    for (const claims of [
      { sub: 'emma', client_id: 'app' },
      { sub: 'noah', client_id: 'web' },
    ])
      expect(await forge(gate, 1, claims)).toEqual([UNAVAILABLE])
    expect(await forge(gate, 1, { sub: 'noah', client_id: 'app' })).toEqual([UNKNOWN])
  })

  it('a caller is unknown until a signature of its tokens was verified (ATK08)', async () => {
    const gate = gateFor()
    await ask(gate, one)
    await outcome(gate, forged('one', { sub: 'forger' }))
    await forge(gate, 2)
    expect(await forge(gate, 1, { sub: 'forger' })).toEqual([UNAVAILABLE])
  })
})

describe('another key under the same kid', () => {
  it('works after one refresh (ATK08, FX31)', async () => {
    const gate = gateFor()
    expect(await ask(gate, one)).toBe('ok')
    const renewed = await createKey('ES256', 'one')
    published = () => [renewed]
    expect(await ask(gate, renewed)).toBe('ok')
    expect(fetches).toBe(2)
  })

  it('a new key under the same kid works for a known caller while unknown callers have used up their budget (ATK08, FX31)', async () => {
    const gate = gateFor()
    expect(await ask(gate, one)).toBe('ok')
    const renewed = await createKey('ES256', 'one')
    for (let time = 0; time < 5; time += 1)
      expect(await outcome(gate, forged('one'))).toBe('401 invalid_signature')
    published = () => [renewed]
    expect(await ask(gate, renewed)).toBe('ok')
  })
})

describe('a CDN that answers with two sets', () => {
  it.each([
    ['in turn', (fetch: number) => fetch % 2],
    ['in turn, each twice', (fetch: number) => (fetch >> 1) % 2],
  ])('%s has no good token answered 401 once both were seen (ATK08)', async (_, version) => {
    const gate = gateFor()
    const sets = [[one], [two]] as const
    published = () => sets[version(fetches) as 0 | 1]
    // Both sets come and go before it counts.
    for (const fetch of [1, 2, 3, 4, 5]) {
      while (fetches < fetch) await forge(gate, 1)
      pass(60)
    }
    const answers = new Map<string, number>()
    for (let step = 0; step < 400; step += 1) {
      const answer = await ask(gate, step % 2 === 0 ? one : two)
      answers.set(answer, (answers.get(answer) ?? 0) + 1)
      if (step % 33 === 0) await forge(gate, 1)
      pass(0.3)
    }
    expect([...answers.keys()].sort()).toEqual([UNAVAILABLE, 'ok'])
  })

  it('in turn has no good token answered 401 from the start, beside a forged kid each 10 s (ATK08)', async () => {
    const gate = gateFor()
    published = () => (fetches % 2 === 1 ? [one] : [two])
    const answers = new Map<string, number>()
    for (let step = 0; step < 400; step += 1) {
      const answer = await ask(gate, step % 2 === 0 ? one : two, step % 3 === 0 ? { sub: `new-${step}` } : {})
      answers.set(answer, (answers.get(answer) ?? 0) + 1)
      if (step % 33 === 0) await forge(gate, 1)
      pass(0.3)
    }
    expect([...answers.keys()].sort()).toEqual([UNAVAILABLE, 'ok'])
  })
})

describe('a key that was removed', () => {
  it('is looked for within a budget of its own, then answered 503 (ATK08)', async () => {
    const gate = gateFor()
    await ask(gate, one)
    published = () => [two]
    expect(await ask(gate, two)).toBe('ok')
    await forge(gate, 5)
    await forge(gate, 5, {})
    const answers = []
    for (let time = 0; time < 4; time += 1) answers.push(await ask(gate, one, { sub: `new-${time}` }))
    expect(answers).toEqual([UNKNOWN, UNKNOWN, UNAVAILABLE, UNAVAILABLE])
  })

  it('is answered 401 without a fetch once sets have lacked it for a minute (ATK08)', async () => {
    const gate = gateFor()
    await ask(gate, one)
    published = () => [two]
    expect(await ask(gate, two)).toBe('ok')
    pass(60)
    expect([await ask(gate, one), await ask(gate, one)]).toEqual([UNKNOWN, UNKNOWN])
    const before = fetches
    for (let time = 0; time < 20; time += 1) expect(await ask(gate, one)).toBe(UNKNOWN)
    expect(fetches).toBe(before)
  })

  it('answers 200 again as soon as the issuer is up (ATK08)', async () => {
    const gate = gateFor()
    await ask(gate, one)
    published = () => [two]
    expect(await ask(gate, two)).toBe('ok')
    expect(await ask(gate, one)).toBe(UNKNOWN)
    published = () => [one]
    expect(await ask(gate, one)).toBe('ok')
  })
})

describe('a budget while the issuer is down', () => {
  it('Retry-After says when the issuer may be asked again (ATK08)', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
    const gate = gateFor()
    await ask(gate, one)
    published = () => {
      throw new Error('down')
    }
    expect(await forge(gate, 1)).toEqual([UNAVAILABLE])
    expect(await forge(gate, 20)).toEqual(Array(20).fill(UNAVAILABLE))
    expect(fetches).toBe(2)
    expect(await retryAfter(gate, forged('a'))).toBe('1')
    published = () => [one]
    pass(1)
    // The attempts that were not allowed cost nothing.
    expect(await forge(gate, 2)).toEqual([UNKNOWN, UNAVAILABLE])
  })

  it('answers 503 to unknown keys at once after close() (ATK08)', async () => {
    const gate = gateFor()
    await ask(gate, one)
    gate.close()
    expect(await forge(gate, 1)).toEqual([UNAVAILABLE])
    expect(await ask(gate, one)).toBe('ok')
    expect(fetches).toBe(1)
  })
})
