/** Requirements that are functions, and requirements of a gate. */

import { type Identity, type SyncRequirement, scope } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { gateOf, judge, tooLittle } from '../../support/requirements.ts'

describe('a simple requirement', () => {
  it.each<[string, SyncRequirement<Identity>, string]>([
    ['a function', ({ claims }) => claims.plan === 'pro', 'ok'],
    ['a function that says no', () => false, tooLittle()],
  ])('%s', (_, required, expected) => {
    expect(judge(required)).toBe(expected)
  })
})

describe('a wrong call throws at start-up', () => {
  it.each<[string, () => unknown, RegExp]>([
    [
      'a requirement that is optional',
      () => gateOf({ optional: true, requirement: scope('a') }),
      /"optional"/,
    ],
  ])('%s', (_, create, message) => {
    expect(create).toThrow(TypeError)
    expect(create).toThrow(message)
  })
})
