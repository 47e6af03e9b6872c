/** Claims that a token must have, with a value that is required. */

import { UnavailableError } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { type Options, sign, status, verifier, verify } from '../../../support/claims.ts'

describe('a required claim', () => {
  type Required = NonNullable<Options['requiredClaims']>
  const judged = async (requiredClaims: Required, claims: object) => {
    const verification = await verify(claims, { requiredClaims })
    if (verification.active) return 'active'
    const { reason, detail } = verification
    return `${reason}: ${detail?.replace(' is missing, but "requiredClaims" or the preset requires it', '')}`
  }

  it.each<[string, Required, object, string]>([
    ['a value', { plan: 'pro' }, { plan: 'pro' }, 'active'],
    ['a value', { plan: 'pro' }, { plan: 'free' }, 'invalid_claim: plan'],
    ['a value', { plan: 'pro' }, {}, 'missing_claim: plan'],
    ['a value', { plan: 'pro' }, { plan: null }, 'invalid_claim: plan'],
    ['a value', { plan: 'pro' }, { plan: { pro: true } }, 'invalid_claim: plan'],
    ['a number', { level: 3 }, { level: 3 }, 'active'],
    ['a number', { level: 3 }, { level: '3' }, 'invalid_claim: level'],
    ['true', { email_verified: true }, { email_verified: true }, 'active'],
    ['true', { email_verified: true }, { email_verified: 'true' }, 'invalid_claim: email_verified'],
    ['false', { blocked: false }, { blocked: false }, 'active'],
    ['false', { blocked: false }, {}, 'missing_claim: blocked'],
    ['an empty text', { note: '' }, { note: '' }, 'active'],
    ['a list', { plan: ['pro', 'team'] }, { plan: 'team' }, 'active'],
    ['a list', { plan: ['pro', 'team'] }, { plan: 'free' }, 'invalid_claim: plan'],
    ['a value of an array', { groups: 'staff' }, { groups: ['all', 'staff'] }, 'active'],
    ['a value of an array', { groups: 'staff' }, { groups: ['all'] }, 'invalid_claim: groups'],
    ['a value of an array', { groups: 'staff' }, { groups: [] }, 'invalid_claim: groups'],
    ['a value of an array', { groups: 'staff' }, { groups: [['staff']] }, 'invalid_claim: groups'],
    ['a list of an array', { groups: ['staff', 'boss'] }, { groups: ['all', 'boss'] }, 'active'],
    ['a function', { level: (level) => Number(level) > 2 }, { level: 3 }, 'active'],
    ['a function', { level: (level) => Number(level) > 2 }, { level: 2 }, 'invalid_claim: level'],
    ['a function', { level: () => true }, {}, 'missing_claim: level'],
    ['a name of Object’s', { constructor: 'c' }, {}, 'missing_claim: constructor'],
    ['each of several', { a: 1, b: 2 }, { a: 1 }, 'missing_claim: b'],
    ['each of several', { a: 1, b: 2 }, { a: 2, b: 2 }, 'invalid_claim: a'],
    ['nothing', {}, {}, 'active'],
  ])('is checked if it is %s, %j, with the value %j: %s', async (_what, required, claims, result) => {
    expect(await judged(required, claims)).toBe(result)
  })

  it('answers 401 to a wrong required claim, and never shows its value', async () => {
    expect(await status({ plan: 'free' }, { requiredClaims: { plan: 'pro' } })).toBe(401)
    expect(await judged({ plan: 'pro' }, { plan: 'xyzzy' })).not.toContain('xyzzy')
  })

  it('calls the function of a required claim only after the signature check, with a frozen value', async () => {
    const seen: unknown[] = []
    const requiredClaims = { list: (value: unknown) => seen.push(value) > 0 }
    const [header, payload] = (await sign({ list: ['a'] })).split('.')
    const forged = `${header}.${payload}.${(await sign({})).split('.')[2]}`
    expect(await (await verifier({ requiredClaims })).verify(forged)).toMatchObject({
      reason: 'invalid_signature',
    })
    expect(seen).toEqual([])
    await verify({ list: ['a'] }, { requiredClaims })
    expect(seen).toEqual([['a']])
    expect(Object.isFrozen(seen[0])).toBe(true)
  })

  it.each<[string, () => unknown]>([
    ['1', () => 1],
    ['a text', () => 'yes'],
    ['nothing', () => undefined],
    ['a promise', async () => true],
    ['a promise that is rejected', async () => Promise.reject(new Error('no'))],
  ])('of which a function says %s leaves the token undecided', async (_what, answer) => {
    const requiredClaims = { plan: answer as () => boolean }
    await expect(verify({ plan: 'pro' }, { requiredClaims })).rejects.toThrow(UnavailableError)
    expect(await status({ plan: 'pro' }, { requiredClaims })).toBe(503)
  })

  it('of which a function throws leaves the token undecided', async () => {
    const plan = () => {
      throw new Error('no')
    }
    expect(await status({ plan: 'pro' }, { requiredClaims: { plan } })).toBe(503)
  })

  it('is read once, when the verifier is made', async () => {
    const requiredClaims = { plan: ['pro'] }
    const verifying = await verifier({ requiredClaims })
    requiredClaims.plan.push('free')
    expect(await verifying.verify(await sign({ plan: 'free' }))).toMatchObject({ reason: 'invalid_claim' })
  })

  it.each([
    [null],
    ['plan'],
    [['plan']],
    [{ plan: [] }],
    [{ plan: null }],
    [{ plan: undefined }],
    [{ plan: {} }],
    [{ plan: /pro/ }],
    [{ plan: ['pro', null] }],
    [{ plan: [['pro']] }],
  ])('that cannot be, %j, is a TypeError', async (requiredClaims) => {
    const creating = () => verifier({ requiredClaims: requiredClaims as never })
    await expect(creating()).rejects.toThrow(TypeError)
    await expect(creating()).rejects.toThrow('"requiredClaims"')
  })
})
