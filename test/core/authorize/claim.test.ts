/** Required values of claims. */

import { claim, type Identity, role, type SyncRequirement } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { call, emma, gateOf, judge, tooLittle } from '../../support/requirements.ts'

describe('a simple requirement', () => {
  it.each<[string, SyncRequirement<Identity>, string]>([
    ['a claim', claim('plan', 'pro'), 'ok'],
    ['one of several values', claim('plan', 'free', 'pro'), 'ok'],
    ['a number', claim('level', 3), 'ok'],
    ['a number as a text', claim('level', '3'), tooLittle()],
    ['a boolean', claim('verified', true), 'ok'],
    ['an item of an array', claim('groups', 'b'), 'ok'],
    ['another value', claim('plan', 'free'), tooLittle()],
    ['a claim that is missing', claim('email', 'x'), tooLittle()],
    ['a name of a prototype', claim('constructor', 'Object'), tooLittle()],
  ])('%s', (_, required, expected) => {
    expect(judge(required)).toBe(expected)
  })

  it('names the missing role or claim to the operator, and not to the client', () => {
    const details: unknown[] = []
    const gate = gateOf({ onDecision: ({ detail }: { detail?: string }) => details.push(detail) })
    expect(JSON.stringify(gate.authorize(emma, role('admin')))).not.toContain('admin')
    gate.authorize(emma, claim('plan', 'free'))
    expect(details).toEqual(['the role admin is needed', 'the claim plan does not have a required value'])
  })
})

describe('a wrong call throws at start-up', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['claim()', call(claim), /"claim"/],
    ['claim without a value', call(claim, 'plan'), /"claim"/],
    ['claim of undefined', call(claim, 'plan', undefined), /"claim"/],
    ['claim of an object', call(claim, 'plan', {}), /"claim"/],
  ])('%s', (_, create, message) => {
    expect(create).toThrow(TypeError)
    expect(create).toThrow(message)
  })
})
