/** Required scopes (RFC 6749 §3.3). */

import { allOf, type Identity, type SyncRequirement, scope } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { call, emma, judge, tooLittle } from '../../support/requirements.ts'

describe('a simple requirement', () => {
  it.each<[string, SyncRequirement<Identity>, string]>([
    ['scope', scope('read'), 'ok'],
    ['A13 a scope that is missing', scope('admin'), tooLittle('admin')],
    ['a part of a scope', scope('rea'), tooLittle('rea')],
  ])('%s', (_, required, expected) => {
    expect(judge(required)).toBe(expected)
  })
})

describe('a hierarchy of scopes', () => {
  const settings = { scopeImplies: (granted: string, needed: string) => needed.startsWith(`${granted}:`) }

  it('accepts a broader scope that implies the needed one (O06)', () => {
    expect(judge(scope('read:messages'), emma, settings)).toBe('ok')
    expect(judge(allOf(scope('read:messages'), scope('write:x')), emma, settings)).toBe('ok')
    expect(judge(scope('admin:x'), emma, settings)).toBe(tooLittle('admin:x'))
    expect(judge(scope('read:messages'))).toBe(tooLittle('read:messages'))
  })

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    ['gives a promise', () => Promise.resolve(true)],
    ['gives a text', () => 'yes'],
    ['rejects', () => Promise.reject(new Error('no'))],
  ])('that %s is answered 503 (FX56)', (_, scopeImplies) => {
    expect(judge(scope('admin'), emma, { scopeImplies })).toMatch(/^503/)
  })
})

describe('offline_access (O07)', () => {
  it('no challenge contains offline_access', () => {
    expect(judge(allOf(scope('offline_access'), scope('admin')))).toBe(tooLittle('admin'))
  })
})

describe('a wrong call throws at start-up', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['scope()', call(scope), /"scope"/],
    ['scope of two', call(scope, 'a', 'b'), /"scope"/],
    ['scope of two in one text', call(scope, 'a b'), /"scope"/],
    ['scope of a list', call(scope, ['a']), /"scope"/],
  ])('%s', (_, create, message) => {
    expect(create).toThrow(TypeError)
    expect(create).toThrow(message)
  })
})
