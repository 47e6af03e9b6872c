/** Combined requirements: what a challenge asks for (RFC 6750 §3, RFC 9470 §3). */

import { acr, allOf, anyOf, claim, maxAge, role, scope } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { NOW } from '../../support/issuer.ts'
import { call, emma, judge, stepUp, tooLittle } from '../../support/requirements.ts'

describe('allOf', () => {
  it('needs all of them', () => {
    expect(judge(allOf(scope('read'), role('editor'), claim('plan', 'pro'), () => true))).toBe('ok')
  })

  it('names all the scopes that are needed in one challenge, those that are there included (O05)', () => {
    expect(judge(allOf(scope('read'), scope('admin'), scope('delete')))).toBe(tooLittle('read admin delete'))
  })

  it('names no scope in the challenge if no scope is missing', () => {
    expect(judge(allOf(scope('read'), role('admin')))).toBe(tooLittle())
    expect(judge(allOf(scope('delete'), role('admin')))).toBe(tooLittle('delete'))
  })

  it('allOf asks for all parts of a stronger authentication at once, including those that are met (J06)', () => {
    const payment = allOf(acr('silver'), maxAge(60))
    expect(judge(payment)).toBe(stepUp('acr_values="silver", max_age="60"'))
    expect(judge(payment, { ...emma, acr: 'bronze', authenticatedAt: NOW })).toBe(
      stepUp('acr_values="silver", max_age="60"'),
    )
    expect(judge(payment, { ...emma, authenticatedAt: NOW })).toBe('ok')
  })

  it('asks for scopes before a stronger authentication, which would not help without them', () => {
    expect(judge(allOf(acr('gold'), scope('admin')))).toBe(tooLittle('admin'))
    expect(judge(allOf(acr('gold'), maxAge(5), scope('read'), maxAge(50)))).toBe(
      stepUp('scope="read", acr_values="gold", max_age="5"'),
    )
  })
})

describe('anyOf', () => {
  it('needs one of them', () => {
    expect(judge(anyOf(scope('admin'), role('editor')))).toBe('ok')
  })

  it('asks for the first that a new token could meet', () => {
    expect(judge(anyOf(scope('admin'), scope('owner')))).toBe(tooLittle('admin'))
    expect(judge(anyOf(role('admin'), scope('owner')))).toBe(tooLittle('owner'))
    expect(judge(anyOf(role('admin'), acr('gold')))).toBe(stepUp('acr_values="gold"'))
    expect(judge(anyOf(role('admin'), role('owner')))).toBe(tooLittle())
  })

  it('within allOf names the scopes of the alternative that is met', () => {
    expect(judge(allOf(anyOf(scope('admin'), scope('write')), scope('delete')))).toBe(
      tooLittle('write delete'),
    )
    expect(judge(allOf(anyOf(scope('admin'), scope('owner')), scope('read')))).toBe(tooLittle('admin read'))
  })
})

describe('a wrong call throws at start-up', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['allOf()', call(allOf), /"allOf"/],
    ['allOf of a text', call(allOf, 'read'), /"allOf"/],
    ['anyOf()', call(anyOf), /"anyOf"/],
    ['anyOf of a list', call(anyOf, [scope('a')]), /"anyOf"/],
  ])('%s', (_, create, message) => {
    expect(create).toThrow(TypeError)
    expect(create).toThrow(message)
  })
})
