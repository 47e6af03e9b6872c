/** Required authentication: how strong, and how recent (RFC 9470). */

import { acr, type Identity, maxAge, type SyncRequirement } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { NOW } from '../../support/issuer.ts'
import { call, emma, judge, stepUp } from '../../support/requirements.ts'

describe('a simple requirement', () => {
  it.each<[string, SyncRequirement<Identity>, string]>([
    ['acr', acr('gold', 'silver'), 'ok'],
    ['J06 an acr that is too weak', acr('gold', 'platinum'), stepUp('acr_values="gold platinum"')],
    ['maxAge', maxAge(100), 'ok'],
    ['J06 an authentication that is too old', maxAge(99), stepUp('max_age="99"')],
    ['J06 one that must be new', maxAge(0), stepUp('max_age="0"')],
  ])('%s', (_, required, expected) => {
    expect(judge(required)).toBe(expected)
  })

  it('maxAge answers 401 insufficient_user_authentication if the token has no auth_time (J07)', () => {
    const { acr: _acr, authenticatedAt: _at, ...silent } = emma
    expect(judge(acr('silver'), silent)).toBe(stepUp('acr_values="silver"'))
    expect(judge(maxAge(3600), silent)).toBe(stepUp('max_age="3600"'))
  })

  it('maxAge rejects an auth_time that is more than 300 s in the future', () => {
    expect(judge(maxAge(60), { ...emma, authenticatedAt: NOW + 300 })).toBe('ok')
    expect(judge(maxAge(60), { ...emma, authenticatedAt: NOW + 301 })).toBe(stepUp('max_age="60"'))
  })
})

describe('a wrong call throws at start-up', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['acr()', call(acr), /"acr"/],
    ['acr of two in one text', call(acr, 'a b'), /"acr"/],
    ['maxAge()', call(maxAge), /"maxAge"/],
    ['maxAge of two', call(maxAge, 5, 6), /"maxAge"/],
    ...[-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5', null].map(
      (value) => [`maxAge of ${value}`, call(maxAge, value), /"maxAge"/] as [string, () => unknown, RegExp],
    ),
  ])('%s', (_, create, message) => {
    expect(create).toThrow(TypeError)
    expect(create).toThrow(message)
  })
})
