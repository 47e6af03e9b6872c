/** What an issuer and its tokens cannot exceed: the lifetimes that the user set, the size of a set, the tries of a token. */

import { generateKeyPairSync, type JsonWebKey, sign as signBytes } from 'node:crypto'
import { createGate, type Gate, type JwtSettings, type StoredJwks } from '@bearergate/core'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eventually, pass, stopClock } from '../support/clock.ts'
import { base64url, outcome, requestWith } from '../support/forge.ts'
import { gateFetching } from '../support/gates.ts'
import { AUDIENCE, createKey, goodClaims, ISSUER, NOW, type TestKey } from '../support/issuer.ts'

const EXP = NOW + 864_000
const SIGNATURE = '401 invalid_signature'
const UNAVAILABLE = '503 unavailable'

let key: TestKey
beforeAll(async () => {
  key = await createKey('ES256')
})

stopClock()
let fetches: number
let isDown: boolean
let published: readonly unknown[]
let cacheControl: string | undefined
beforeEach(() => {
  fetches = 0
  isDown = false
  published = [key.jwk]
  cacheControl = undefined
})

function gateFor(options: Partial<JwtSettings> = {}): Gate {
  const fetch = async () => {
    fetches += 1
    if (isDown) return new Response('', { status: 500 })
    const response = Response.json({ keys: published })
    if (cacheControl !== undefined) response.headers.set('cache-control', cacheControl)
    return response
  }
  return gateFetching(fetch, options)
}

const ask = async (gate: Gate, by = key) => outcome(gate, await by.sign({ exp: EXP }))
const keySetOf = (gate: Gate) => gate.describe().verifier as { keySet: { state: string; usableFor: number } }

describe('what the user set', () => {
  it.each<[string, Partial<JwtSettings>, number | undefined, number, number]>([
    ['nothing: max-age decides', {}, 7_200, 7_200, 7_200],
    ['nothing: max-age decides up to a day', {}, 999_999, 86_400, 86_400],
    ['nothing: max-age decides down to a minute', {}, 0, 60, 3_600],
    ['nothing, and no max-age', {}, undefined, 600, 3_600],
    ['cacheMaxAge, and a longer max-age', { cacheMaxAge: 300 }, 86_400, 300, 3_600],
    ['cacheMaxAge, and a shorter max-age', { cacheMaxAge: 300 }, 100, 100, 3_600],
    ['cacheMaxAge, and a max-age of 0', { cacheMaxAge: 300 }, 0, 60, 3_600],
    ['cacheMaxAge, and no max-age', { cacheMaxAge: 300 }, undefined, 300, 3_600],
    ['a long cacheMaxAge, and no max-age', { cacheMaxAge: 7_200 }, undefined, 7_200, 7_200],
    ['a long cacheMaxAge, and a shorter max-age', { cacheMaxAge: 7_200 }, 100, 100, 7_200],
    ['staleIfError, and a longer max-age', { staleIfError: 60 }, 86_400, 60, 60],
    ['staleIfError, and a max-age between', { staleIfError: 7_200 }, 5_000, 5_000, 7_200],
    ['staleIfError, and a max-age of 0', { staleIfError: 7_200 }, 0, 60, 7_200],
    ['a short staleIfError, and no max-age', { staleIfError: 60 }, undefined, 60, 60],
    ['a long staleIfError, and no max-age', { staleIfError: 7_200 }, undefined, 600, 7_200],
    ['both, and a longer max-age', { cacheMaxAge: 60, staleIfError: 120 }, 86_400, 60, 120],
    ['both alike, and a longer max-age', { cacheMaxAge: 60, staleIfError: 60 }, 86_400, 60, 60],
  ])('bounds the life of keys with %s (ATK06)', async (_, options, maxAge, fresh, usable) => {
    cacheControl = maxAge === undefined ? undefined : `max-age=${maxAge}`
    const gate = gateFor(options)
    expect(await ask(gate)).toBe('ok')
    expect(keySetOf(gate).keySet.usableFor).toBe(usable)
    pass(fresh * 0.69)
    expect(keySetOf(gate).keySet.state).toBe('fresh')
    pass(fresh * 0.22)
    expect(keySetOf(gate).keySet.state).toBe('stale')
    isDown = true
    pass(usable - fresh * 0.91 - 1)
    expect(await ask(gate)).toBe('ok')
    pass(1.001)
    expect(await ask(gate)).toBe(UNAVAILABLE)
  })

  it.each<[string, Partial<JwtSettings>, Partial<StoredJwks>, boolean]>([
    [
      'older than staleIfError',
      { staleIfError: 60 },
      { maxAge: 86_400, fetchedAt: NOW * 1000 - 60_000 },
      false,
    ],
    [
      'younger than staleIfError',
      { staleIfError: 60 },
      { maxAge: 86_400, fetchedAt: NOW * 1000 - 59_000 },
      true,
    ],
    [
      'older than it may be with cacheMaxAge',
      { cacheMaxAge: 60 },
      { maxAge: 86_400, fetchedAt: NOW * 1000 - 3_600_000 },
      false,
    ],
    ['of any age that max-age allows', {}, { maxAge: 86_400, fetchedAt: NOW * 1000 - 80_000_000 }, true],
  ])('bounds a stored set %s (ATK06)', async (_, options, kept, isUsed) => {
    isDown = true
    const set = { keys: [key.jwk], fetchedAt: 0, ...kept } as StoredJwks
    const gate = gateFor({ ...options, jwksStore: { get: () => set, set: () => {} } })
    expect(await ask(gate)).toBe(isUsed ? 'ok' : UNAVAILABLE)
  })

  it('counts the time that a set was in the store (ATK06)', async () => {
    const set = { keys: [key.jwk], fetchedAt: NOW * 1000 - 50_000, maxAge: 86_400 }
    const gate = gateFor({ staleIfError: 60, jwksStore: { get: () => set, set: () => {} } })
    isDown = true
    expect(await ask(gate)).toBe('ok')
    pass(9)
    expect(await ask(gate)).toBe('ok')
    pass(1)
    expect(await ask(gate)).toBe(UNAVAILABLE)
  })

  it('may be a staleIfError of 60 alone, and not less, nor less than cacheMaxAge (ATK06)', () => {
    expect(() => gateFor({ staleIfError: 60 })).not.toThrow()
    expect(() => gateFor({ staleIfError: 59 })).toThrow('"staleIfError"')
    expect(() => gateFor({ cacheMaxAge: 61, staleIfError: 60 })).toThrow('"staleIfError"')
    expect(() => gateFor({ cacheMaxAge: 59, staleIfError: 60 })).toThrow('"cacheMaxAge"')
  })
})

describe('a published set', () => {
  it('of more than 1,000 entries is a failure: the last good keys are used (ATK18)', async () => {
    const gate = gateFor()
    expect(await ask(gate)).toBe('ok')
    published = [key.jwk, ...Array(1_000).fill({})]
    pass(550)
    expect(await ask(gate)).toBe('ok')
    await eventually(() => fetches === 2)
    expect(await ask(gate)).toBe('ok')
    const { verifier } = gate.describe()
    await eventually(
      () => (gate.describe().verifier as { keySet: { failures: number } }).keySet.failures === 1,
    )
    expect(verifier).toMatchObject({ keySet: { state: 'stale' } })
    expect(await ask(gateFor())).toBe(UNAVAILABLE)
  })
})

interface Signer {
  readonly jwk: JsonWebKey
  /** PEM, because workerd signs with no `KeyObject` beside options. */
  readonly privateKey: string
}

const CURVES = { 'P-256': ['ES256', 'sha256'], 'P-521': ['ES512', 'sha512'] } as const

function signers(count: number, namedCurve: keyof typeof CURVES = 'P-256'): readonly Signer[] {
  return Array.from({ length: count }, () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
    return { jwk: publicKey.export({ format: 'jwk' }), privateKey: pem }
  })
}

/** A new token by this key. Without a `kid`, every key of the set may have signed it. */
function tokenBy({ jwk, privateKey }: Signer, claims: object = {}, header: object = {}): string {
  const [alg, hash] = CURVES[jwk.crv as keyof typeof CURVES]
  const parts = [
    { alg, typ: 'at+jwt', ...header },
    { ...goodClaims(), exp: EXP, ...claims },
  ]
  const input = parts.map((part) => base64url(JSON.stringify(part))).join('.')
  const signature = signBytes(hash, Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${input}.${base64url(signature)}`
}

describe('a token that many keys of a set fit', () => {
  const STRANGER = { sub: 'stranger', client_id: 'other' }
  let all: readonly Signer[]
  let forger: Signer
  beforeAll(() => {
    all = signers(64)
    forger = signers(1)[0] as Signer
  })
  beforeEach(() => {
    published = all.map(({ jwk }) => jwk)
  })
  const by = (index: number, claims: object = {}) => tokenBy(all[index] as Signer, claims)
  const forged = (claims: object = STRANGER) => tokenBy(forger, claims)

  it('finds its key among 64, without kid (ATK15)', async () => {
    const gate = gateFor()
    for (let index = 0; index < 64; index += 1) expect(await outcome(gate, by(index))).toBe('ok')
    for (let index = 63; index >= 0; index -= 1) expect(await outcome(gate, by(index))).toBe('ok')
  })

  it('finds the key of a token among 64 configured keys with one kid (ATK15)', async () => {
    const named = all.map(({ jwk }) => ({ ...jwk, kid: 'same' }))
    const gate = createGate({
      issuer: ISSUER,
      audience: AUDIENCE,
      keys: { keys: named },
      cache: false,
    } as never)
    for (const signer of all) expect(await outcome(gate, tokenBy(signer, {}, { kid: 'same' }))).toBe('ok')
  })

  it('may try eight keys, however often it is forged (ATK15)', async () => {
    const keys = all.slice(0, 8).map(({ jwk }) => jwk)
    const gate = createGate({ issuer: ISSUER, audience: AUDIENCE, keys: { keys }, cache: false } as never)
    for (let time = 0; time < 200; time += 1) expect(await outcome(gate, forged())).toBe(SIGNATURE)
  })

  it('further tries use a budget of 128, and the token is answered 503 when it is used up (ATK15)', async () => {
    const keys = all.map(({ jwk }) => jwk)
    const gate = createGate({ issuer: ISSUER, audience: AUDIENCE, keys: { keys }, cache: false } as never)
    // Each tries 64 keys, 56 of them from the budget.
    const answers = []
    for (let time = 0; time < 6; time += 1) answers.push(await outcome(gate, forged()))
    expect(answers).toEqual([SIGNATURE, SIGNATURE, ...Array(4).fill(UNAVAILABLE)])
    const decision = await gate.authenticate(requestWith(forged()))
    // 16 tries are left, and 32 a second come back: the 56 of another token are there after 1.25 s.
    expect(decision).toMatchObject({ status: 503, headers: { 'Retry-After': '2' } })
    pass(1)
    expect(await outcome(gate, forged())).toBe(UNAVAILABLE)
    pass(0.25)
    expect([await outcome(gate, forged()), await outcome(gate, forged())]).toEqual([SIGNATURE, UNAVAILABLE])
  })

  it('on P-521 under one kid costs no more (ATK15)', async () => {
    const slow = signers(64, 'P-521')
    const [stranger] = signers(1, 'P-521')
    const keys = slow.map(({ jwk }) => ({ ...jwk, kid: 'same' }))
    const gate = createGate({ issuer: ISSUER, audience: AUDIENCE, keys: { keys }, cache: false } as never)
    const answers = []
    for (let time = 0; time < 4; time += 1)
      answers.push(await outcome(gate, tokenBy(stranger as Signer, {}, { kid: 'same' })))
    expect(answers).toEqual([SIGNATURE, SIGNATURE, UNAVAILABLE, UNAVAILABLE])
  })

  it('finds the key that verified a token most recently, while attackers forge tokens (ATK15)', async () => {
    const gate = gateFor()
    for (const index of [60, 61, 62]) expect(await outcome(gate, by(index))).toBe('ok')
    for (let time = 0; time < 6; time += 1) await outcome(gate, forged())
    expect(await outcome(gate, by(40, STRANGER))).toBe(UNAVAILABLE)
    for (const index of [60, 61, 62]) expect(await outcome(gate, by(index, STRANGER))).toBe('ok')
  })

  it('finds its key by a budget of its own if it is of a known caller (ATK15)', async () => {
    const gate = gateFor()
    expect(await outcome(gate, by(0))).toBe('ok')
    for (let time = 0; time < 6; time += 1) await outcome(gate, forged())
    expect(await outcome(gate, by(63, STRANGER))).toBe(UNAVAILABLE)
    expect(await outcome(gate, by(63))).toBe('ok')
  })

  it('keeps the order of its keys over a refresh (ATK15)', async () => {
    const gate = gateFor()
    expect(await outcome(gate, by(63))).toBe('ok')
    pass(550)
    expect(await outcome(gate, by(63))).toBe('ok')
    await eventually(() => keySetOf(gate).keySet.state === 'fresh')
    expect(fetches).toBe(2)
    for (let time = 0; time < 6; time += 1) await outcome(gate, forged())
    expect(await outcome(gate, by(63, STRANGER))).toBe('ok')
  })
})
