/** Tokens without a kid that many keys fit: good ones find their key, however many come at once, and beside forged ones. */

import { generateKeyPairSync, type JsonWebKey, sign as signBytes } from 'node:crypto'
import { createGate, type Gate } from '@bearergate/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { KeyTries, tryBudgets } from '#core/verify/keys/key-tries.ts'
import { followChecks } from '../support/checks.ts'
import { pass, stopClock } from '../support/clock.ts'
import { base64url, outcome, requestWith } from '../support/forge.ts'
import { AUDIENCE, goodClaims, ISSUER, NOW } from '../support/issuer.ts'
import { isPending } from '../support/pending.ts'

interface Signer {
  readonly jwk: JsonWebKey
  /** PEM, because workerd signs with no `KeyObject` beside options. */
  readonly privateKey: string
}

function createSigners(count: number): readonly Signer[] {
  return Array.from({ length: count }, () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
    return { jwk: publicKey.export({ format: 'jwk' }), privateKey: pem }
  })
}

let number = 0

/** A new token without kid, so that every key of the set may have signed it. */
function tokenBy({ privateKey }: Signer, claims: object = {}): string {
  number += 1
  const payload = { ...goodClaims(), exp: NOW + 864_000, jti: `t${number}`, ...claims }
  const input = [{ alg: 'ES256', typ: 'at+jwt' }, payload]
    .map((part) => base64url(JSON.stringify(part)))
    .join('.')
  const signature = signBytes('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${input}.${base64url(signature)}`
}

const SIGNATURE = '401 invalid_signature'
const UNAVAILABLE = '503 unavailable'

stopClock()
let signers: readonly Signer[]
let forger: Signer
beforeAll(() => {
  signers = createSigners(64)
  forger = createSigners(1)[0] as Signer
})

function gateOf(keys: readonly Signer[] = signers): Gate {
  const options = { issuer: ISSUER, audience: AUDIENCE, keys: { keys: keys.map(({ jwk }) => jwk) } }
  return createGate({ ...options, cache: false } as never)
}

const by = (index: number, claims: object = {}) => tokenBy(signers[index] as Signer, claims)
const forged = (claims: object = { sub: 'stranger', client_id: 'other' }) => tokenBy(forger, claims)
const answersTo = (gate: Gate, tokens: readonly string[]) =>
  Promise.all(tokens.map((token) => outcome(gate, token)))

describe('good tokens at once', () => {
  it.each([2, 10, 150, 1_000])('are all answered 200: %d by the same key of 64 (ATK15)', async (count) => {
    const gate = gateOf()
    const tokens = Array.from({ length: count }, (_, index) => by(30, { sub: `user-${index}` }))
    expect(new Set(await answersTo(gate, tokens))).toEqual(new Set(['ok']))
  })

  it('are all answered 200: two by each key of 64, of one caller and of distinct ones (ATK15)', async () => {
    for (const claimsOf of [() => ({}), (index: number) => ({ sub: `user-${index}` })]) {
      const tokens = Array.from({ length: 128 }, (_, index) => by(index % 64, claimsOf(index)))
      expect(new Set(await answersTo(gateOf(), tokens))).toEqual(new Set(['ok']))
    }
  })

  it('leave the whole budget behind (ATK15)', async () => {
    const gate = gateOf()
    await answersTo(
      gate,
      Array.from({ length: 20 }, (_, index) => by(40 + index)),
    )
    const answers = await answersTo(
      gate,
      Array.from({ length: 4 }, () => forged()),
    )
    expect(answers.sort()).toEqual([SIGNATURE, SIGNATURE, UNAVAILABLE, UNAVAILABLE])
  })
})

describe('searches beyond the free tries', () => {
  const KEYS = Array.from({ length: 20 }, (_, index) => ({ id: `${index}`, algorithms: [] }) as never)
  const wrong = async () => false

  /** Begins a search that tries its keys only when it is told to go on. */
  function begin(tries: KeyTries): { readonly search: Promise<unknown>; end(): void } {
    let checks = 0
    let end = () => {}
    const held = new Promise<boolean>((resolve) => {
      end = () => resolve(false)
    })
    const search = tries.findKey(KEYS, () => {
      checks += 1
      return checks > 8 ? held : Promise.resolve(false)
    })
    return { search, end: () => end() }
  }

  it('searches run one after another, those of known callers before those of unknown ones (ATK15)', async () => {
    const budgets = tryBudgets()
    const running = begin(new KeyTries(budgets.unknown))
    expect(await isPending(running.search)).toBe(true)
    const order: string[] = []
    const send = (kind: 'known' | 'unknown') =>
      new KeyTries(budgets[kind]).findKey(KEYS, wrong).then(() => order.push(kind))
    const strangers = [send('unknown'), send('unknown')]
    expect(await isPending(Promise.race(strangers))).toBe(true)
    const known = send('known')
    expect(await isPending(known)).toBe(true)
    running.end()
    await Promise.all([...strangers, known])
    expect(order).toEqual(['known', 'unknown', 'unknown'])
  })

  it('searches wait in a queue of 1,000, in which a known caller displaces the newest unknown one (ATK15)', async () => {
    const budgets = tryBudgets()
    const running = begin(new KeyTries(budgets.unknown))
    expect(await isPending(running.search)).toBe(true)
    const reasons: string[] = []
    const send = (kind: 'known' | 'unknown') => {
      let checks = 0
      const verifies = async () => ++checks > 8
      return new KeyTries(budgets[kind]).findKey(KEYS, verifies).catch(({ message }) => {
        reasons.push(message)
      })
    }
    const strangers = Array.from({ length: 1_001 }, () => send('unknown'))
    expect(await isPending(Promise.all(strangers))).toBe(true)
    expect(reasons).toEqual([expect.stringContaining('too many such tokens are waiting')])
    const known = send('known')
    expect(await isPending(known)).toBe(true)
    expect(reasons).toHaveLength(2)
    running.end()
    await known
  })

  it('reject after a wait of 5 s (ATK15)', async () => {
    const budgets = tryBudgets()
    const running = begin(new KeyTries(budgets.unknown))
    expect(await isPending(running.search)).toBe(true)
    const waiting = new KeyTries(budgets.known).findKey(KEYS, wrong)
    expect(await isPending(waiting)).toBe(true)
    pass(4.75)
    expect(await isPending(waiting)).toBe(true)
    pass(0.25)
    await expect(waiting).rejects.toMatchObject({ name: 'UnavailableError', message: /too long/ })
    running.end()
    expect(await running.search).toBeUndefined()
  })
})

describe('forged tokens', () => {
  it('forged tokens cost eight checks each and those of the budget, one after another or at once (ATK15)', async () => {
    for (const atOnce of [false, true]) {
      const gate = gateOf()
      await gate.ready()
      const checks = followChecks()
      const tokens = Array.from({ length: 50 }, (_, index) => forged({ sub: `forged-${index}` }))
      if (atOnce) await answersTo(gate, tokens)
      else for (const token of tokens) await outcome(gate, token)
      expect(checks.total).toBe(50 * 8 + 2 * 56)
    }
  })

  it('are answered 503 without a check beyond the free ones if the budget does not cover all keys (ATK15)', async () => {
    const gate = gateOf()
    await answersTo(gate, [forged(), forged()])
    const checks = followChecks()
    expect(await outcome(gate, forged())).toBe(UNAVAILABLE)
    expect(checks.total).toBe(8)
    const decision = await gate.authenticate(requestWith(forged()))
    expect(decision).toMatchObject({ status: 503, headers: { 'Retry-After': '2' } })
    pass(1.25)
    expect(await outcome(gate, forged())).toBe(SIGNATURE)
  })

  it('forged tokens are answered 401 also if there are more keys than the budget, which then refills for longer (ATK15)', async () => {
    const gate = gateOf([...signers, ...createSigners(86)])
    expect([await outcome(gate, forged()), await outcome(gate, forged())]).toEqual([SIGNATURE, UNAVAILABLE])
    // 142 tries were taken of 128, and another token needs the full budget.
    pass(142 / 32 - 0.01)
    expect(await outcome(gate, forged())).toBe(UNAVAILABLE)
    pass(0.01)
    expect(await outcome(gate, forged())).toBe(SIGNATURE)
  })
})

describe('a good caller beside forged tokens', () => {
  it.each([
    [1, 'of one caller', 30],
    [5, 'of one caller', 30],
    [7, 'of distinct callers', 63],
    [10, 'of one caller', 30],
    [10, 'of distinct callers', 30],
    [10, 'of distinct callers', 63],
    [23, 'of one caller', 50],
  ])(
    'is answered 200 from its eighth token at the latest: %d a second %s, by key %d of 64 (ATK15)',
    async (rate, kind, index) => {
      const gate = gateOf()
      const answers: string[] = []
      for (let second = 0; second < 15; second += 1) {
        for (let time = 0; time < rate; time += 1) {
          number += 1
          expect(await outcome(gate, forged({ sub: kind === 'of one caller' ? 'x' : `x${number}` }))).toMatch(
            /^(?:401|503)/,
          )
        }
        answers.push(await outcome(gate, by(index)))
        pass(1)
      }
      expect(answers.slice(7)).toEqual(Array(8).fill('ok'))
    },
  )

  it('is answered 200 also if they name it as their caller, once one of its tokens was verified (ATK15)', async () => {
    const gate = gateOf()
    // Other callers use other keys, so the key of this one is not among the most recent ones.
    expect(await outcome(gate, by(30))).toBe('ok')
    for (let index = 0; index < 10; index += 1)
      expect(await outcome(gate, by(index, { sub: `user-${index}` }))).toBe('ok')
    for (let second = 0; second < 15; second += 1) {
      for (let time = 0; time < 10; time += 1) await outcome(gate, forged({}))
      expect(await outcome(gate, by(30))).toBe('ok')
      for (let index = 0; index < 10; index += 1)
        expect(await outcome(gate, by(index, { sub: `user-${index}` }))).toBe('ok')
      pass(1)
    }
  })
})

describe('forged tokens that name one known caller', () => {
  const user = (index: number) => ({ sub: `user-${index}` })

  /** A gate that knows 30 users. Their keys are the first three of 64. */
  async function gateWithUsers(): Promise<Gate> {
    const gate = gateOf()
    for (let index = 0; index < 30; index += 1)
      expect(await outcome(gate, by(index % 3, user(index)))).toBe('ok')
    return gate
  }

  it('leave other known callers answered 200, each by a key that was not used before: eight a second (ATK15)', async () => {
    const gate = await gateWithUsers()
    for (let index = 1; index < 30; index += 1) {
      for (let time = 0; time < 2; time += 1)
        expect(await outcome(gate, forged(user(0)))).toMatch(/^(?:401|503)/)
      expect(await outcome(gate, by(8 + ((index * 7) % 56), user(index)))).toBe('ok')
      pass(0.25)
    }
  })

  it('forged tokens of one known caller make one search at once and four tries a second, and Retry-After says when the next is due (ATK15)', async () => {
    const gate = await gateWithUsers()
    expect(await outcome(gate, forged(user(0)))).toBe(SIGNATURE)
    // A search takes 56 of 64.
    const decision = await gate.authenticate(requestWith(forged(user(0))))
    expect(decision).toMatchObject({ status: 503, headers: { 'Retry-After': '12' } })
    pass(11.75)
    expect(await outcome(gate, forged(user(0)))).toBe(UNAVAILABLE)
    expect(await outcome(gate, forged(user(1)))).toBe(SIGNATURE)
    pass(0.25)
    expect(await outcome(gate, forged(user(0)))).toBe(SIGNATURE)
  })
})

it('a search that never ends, as in a request that its runtime ended, delays other searches by 5 s at most (ATK15)', async () => {
  const keys = Array.from({ length: 20 }, (_, index) => ({ id: `${index}`, algorithms: [] }) as never)
  const budgets = tryBudgets()
  let checks = 0
  const stuck = new KeyTries(budgets.unknown).findKey(keys, () =>
    ++checks > 8 ? new Promise(() => {}) : Promise.resolve(false),
  )
  expect(await isPending(stuck)).toBe(true)
  pass(4.75)
  const early = new KeyTries(budgets.known).findKey(keys, async () => false)
  expect(await isPending(early)).toBe(true)
  pass(0.25)
  expect(await new KeyTries(budgets.known).findKey(keys, async () => false)).toBeUndefined()
})
