/** Required roles (RFC 9068 §2.2.3.1). */

import { type Identity, role, type SyncRequirement } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { call, judge, tooLittle } from '../../support/requirements.ts'

describe('a simple requirement', () => {
  it.each<[string, SyncRequirement<Identity>, string]>([
    ['role', role('editor'), 'ok'],
    ['a role that is missing, without a scope to ask for', role('admin'), tooLittle()],
  ])('%s', (_, required, expected) => {
    expect(judge(required)).toBe(expected)
  })
})

describe('a wrong call throws at start-up', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['role()', call(role), /"role"/],
    ['role of two', call(role, 'a', 'b'), /"role"/],
  ])('%s', (_, create, message) => {
    expect(create).toThrow(TypeError)
    expect(create).toThrow(message)
  })
})
