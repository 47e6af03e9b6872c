/** Results of verifiers that applications write: each is checked once, where the option is read. */

import {
  type Active,
  cached,
  chain,
  createGate,
  type DecisionEvent,
  hashToken,
  jwt,
  staticTokens,
  type TokenVerifier,
  type Verification,
} from '@bearergate/core'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { identity } from '../../support/identity.ts'
import { AUDIENCE, createKey, ISSUER, NOW, type TestKey } from '../../support/issuer.ts'

const active: Active = { active: true, identity }
const now = () => NOW * 1000

let key: TestKey
beforeAll(async () => {
  key = await createKey('ES256')
})
const ofIssuer = (clock = now) =>
  jwt({ issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk as never] }, now: clock })

async function outcome(verifier: TokenVerifier, token = 'a', options: object = {}): Promise<string> {
  const decision = await createGate({ verifier, now, ...options }).authenticate({
    header: () => `Bearer ${token}`,
  })
  return decision.ok ? `ok ${decision.identity?.subject}` : decision.reason
}

/** The places where an application passes its own verifier. */
const PLACES: [string, (verifier: TokenVerifier) => TokenVerifier][] = [
  ['a gate', (verifier) => verifier],
  ['cached', (verifier) => cached(verifier, { ttl: 60, now })],
  ['chain', (verifier) => chain(verifier)],
  ['a chain in a chain', (verifier) => chain(chain(verifier))],
  ['a cached chain', (verifier) => cached(chain(verifier), { ttl: 60, now })],
]

describe.each(PLACES)('a verifier of the application in %s', (_, place) => {
  const returning = (given: () => unknown) => place({ verify: given as TokenVerifier['verify'] })

  it('allows the request if the result is valid', async () => {
    expect(await outcome(returning(() => active))).toBe('ok emma')
  })

  it.each<[string, () => unknown]>([
    ['nothing', () => undefined],
    ['an "active" that is a string', () => ({ active: 'yes', identity })],
    ['an identity of the wrong type', () => ({ active: true, identity: { ...identity, scopes: 'read' } })],
    ['an unknown reason', () => ({ active: false, reason: 'because' })],
    [
      'a result whose getter throws',
      () => ({
        get active() {
          throw new Error('no')
        },
      }),
    ],
    [
      'a Proxy that throws',
      () =>
        new Proxy(
          {},
          {
            get: () => {
              throw new Error('no')
            },
          },
        ),
    ],
  ])('answers 503 if it returns %s, at once or later (FX56)', async (_what, given) => {
    expect(await outcome(returning(given))).toBe('unavailable')
    expect(await outcome(returning(async () => given()))).toBe('unavailable')
  })

  it('answers 401 if the "expiresAt" of the result has passed, by the clock of the gate or cache', async () => {
    const ending = (expiresAt: number) => returning(() => ({ ...active, expiresAt }))
    expect(await outcome(ending(NOW + 1))).toBe('ok emma')
    expect(await outcome(ending(NOW))).toBe('expired')
  })

  it('reads each member of a result once, so a second value cannot replace the checked one', async () => {
    const changing = (first: unknown, second: unknown) => {
      let reads = 0
      return () => {
        reads += 1
        return reads === 1 ? first : second
      }
    }
    const withGetter = (name: string, rest: object, get: () => unknown) =>
      Object.defineProperty({ ...rest }, name, { get })
    const activeLater = withGetter('active', { reason: 'expired', identity }, changing(false, true))
    expect(await outcome(returning(() => activeLater))).toBe('expired')
    const reasonLater = withGetter('reason', { active: false }, changing('revoked', 'because'))
    expect(await outcome(returning(() => reasonLater))).toBe('revoked')
    const later = { ...identity, subject: 'admin' }
    const identityLater = withGetter('identity', { active: true }, changing(identity, later))
    expect(await outcome(returning(() => identityLater))).toBe('ok emma')
    const dateLater = withGetter('expiresAt', active, changing(NOW, NOW + 60))
    expect(await outcome(returning(() => dateLater))).toBe('expired')
  })

  it('checks the copy of an identity, so a getter cannot change it afterwards', async () => {
    let reads = 0
    const given = {
      ...identity,
      get scopes() {
        reads += 1
        return reads === 1 ? 'read' : ['read']
      },
    }
    expect(await outcome(returning(() => ({ active: true, identity: given })))).toBe('unavailable')
  })
})

describe('a result of the application', () => {
  it('has a detail that is read only if "onDecision" is set', async () => {
    const detail = vi.fn(() => 'for operators')
    const verify = (): Verification => ({
      active: false,
      reason: 'revoked',
      get detail() {
        return detail()
      },
    })
    expect(await outcome({ verify })).toBe('revoked')
    expect(detail).not.toHaveBeenCalled()
    const events: DecisionEvent[] = []
    await outcome({ verify }, 'a', { onDecision: (event: DecisionEvent) => events.push(event) })
    expect(events[0]?.detail).toBe('for operators')
  })

  it('comes back to "isStillValid" as the object that "verify" returned', async () => {
    const given: Active[] = []
    const verifier: TokenVerifier = {
      verify: vi.fn(() => {
        given.push({ ...active })
        return given.at(-1) as Active
      }),
      isStillValid: (verification) => given.includes(verification),
    }
    const gate = createGate({ verifier: cached(verifier, { ttl: 60 }) })
    for (let turn = 0; turn < 3; turn += 1) await gate.authenticate({ header: () => 'Bearer a' })
    expect(verifier.verify).toHaveBeenCalledTimes(1)
  })

  it('may be a result of a built-in verifier, which is still valid as that verifier says', async () => {
    const inner = chain(ofIssuer())
    const verify = vi.fn<TokenVerifier['verify']>((token, presented) => inner.verify(token, presented))
    const isStillValid = vi.fn((verification: Active) => inner.isStillValid?.(verification) ?? true)
    const gate = createGate({ verifier: cached({ verify, isStillValid }, { ttl: 60, now }), now })
    const token = await key.sign()
    for (let turn = 0; turn < 3; turn += 1)
      expect(await gate.authenticate({ header: () => `Bearer ${token}` })).toMatchObject({ ok: true })
    expect(verify).toHaveBeenCalledTimes(1)
    expect(isStillValid).toHaveLastReturnedWith(true)
  })
})

describe('a "getCached" of the application', () => {
  const verify = vi.fn((): Verification => active)
  const recalling = (given: () => unknown): TokenVerifier => ({ verify, getCached: given as () => Active })

  it.each<[string, () => unknown, string]>([
    ['a valid result', () => ({ ...active, identity: { ...identity, subject: 'cached' } }), 'ok cached'],
    ['a result that has expired', () => ({ ...active, expiresAt: NOW }), 'expired'],
    ['a rejection', () => ({ active: false, reason: 'revoked' }), 'revoked'],
    ['null', () => null, 'unavailable'],
    ['a promise', async () => active, 'unavailable'],
    ['a promise that rejects', () => Promise.reject(new Error('down')), 'unavailable'],
  ])(
    'that returns %s decides at once, and the token is not verified again (FX56)',
    async (_, given, expected) => {
      verify.mockClear()
      expect(await outcome(recalling(given))).toBe(expected)
      expect(verify).not.toHaveBeenCalled()
    },
  )
})

describe('a built-in verifier', () => {
  it('is not checked again: a cached token is answered at once, and reads the clock once', async () => {
    const clock = vi.fn(now)
    const gate = createGate({ verifier: ofIssuer(clock), now: clock })
    const token = await key.sign()
    const ask = () => gate.authenticate({ header: () => `Bearer ${token}` })
    await ask()
    clock.mockClear()
    expect(ask()).toMatchObject({ ok: true })
    expect(clock).toHaveBeenCalledTimes(1)
  })

  it('the results of a built-in verifier are not copied by a chain', async () => {
    const inner = ofIssuer()
    const outer = chain(chain(inner), staticTokens([{ token: 'fixed-token' }]))
    const token = await key.sign()
    const verification = await inner.verify(token)
    expect(await outer.verify(token)).toBe(verification)
    expect(outer.getCached?.(await hashToken(token))).toBe(verification)
  })

  it('is checked if a copy of it has another "verify"', async () => {
    const verify = () => ({ active: 'yes', identity }) as unknown as Active
    const builtIn = staticTokens([{ token: 'fixed-token' }])
    const derived = Object.create(builtIn, { verify: { value: verify } })
    for (const verifier of [{ ...builtIn, verify }, derived])
      expect(await outcome(verifier)).toBe('unavailable')
  })

  it.each<[string, () => TokenVerifier]>([
    ['jwt', () => ofIssuer()],
    ['staticTokens', () => staticTokens([{ token: 'fixed-token' }])],
    ['cached', () => cached({ verify: () => active }, { ttl: 60 })],
    ['chain', () => chain({ verify: () => active })],
  ])('of %s is frozen, so its "verify" cannot be replaced after the check', (_, create) => {
    expect(() => Object.assign(create(), { verify: () => active })).toThrow(TypeError)
  })

  it('chain re-verifies a result that did not come from it', async () => {
    const one = chain(ofIssuer())
    const verification = await one.verify(await key.sign())
    if (!verification.active) throw new Error('inactive')
    expect(one.isStillValid?.(verification)).toBe(true)
    expect(one.isStillValid?.({ ...verification })).toBe(false)
    expect(chain(ofIssuer()).isStillValid?.(verification)).toBe(false)
  })
})

it.each<[string, (verifier: TokenVerifier) => unknown]>([
  ['"verifier"', (verifier) => createGate({ verifier })],
  ['"verifier"', (verifier) => cached(verifier, { ttl: 60 })],
  ['"chain"', (verifier) => chain(verifier)],
])('throws a TypeError that names %s if it has no method verify (BI20)', (name, create) => {
  for (const value of [null, 7, 'verify', {}, { verify: 'yes' }])
    expect(() => create(value as never)).toThrow(`${name} must be a verifier with a method "verify"`)
})
