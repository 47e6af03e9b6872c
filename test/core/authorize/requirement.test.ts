/** Requirements: which identities meet them, and what the others are told (RFC 6750 §3.1, RFC 9470). */

import {
  acr,
  allOf,
  anyOf,
  claim,
  createGate,
  type Decision,
  type Identity,
  maxAge,
  type Requirement,
  role,
  scope,
} from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { NOW } from '../../support/issuer.ts'

const emma: Identity = {
  kind: 'jwt',
  subject: 'emma',
  audience: [],
  scopes: ['read', 'write'],
  roles: ['editor'],
  acr: 'silver',
  authenticatedAt: NOW - 100,
  claims: { plan: 'pro', level: 3, verified: true, groups: ['a', 'b'] },
}

const gateOf = (settings: object = {}) =>
  createGate({
    verifier: { verify: () => ({ active: true, identity: emma }) },
    now: () => NOW * 1000,
    ...settings,
  })

function judge(required: Requirement<Identity>, identity: Identity = emma, settings: object = {}): string {
  const decision: Decision = gateOf(settings).authorize(identity, required)
  if (decision.ok) return 'ok'
  const challenge = String(decision.headers['WWW-Authenticate'] ?? '').replace(
    /error_description="[^"]*"/,
    '…',
  )
  return `${decision.status} ${challenge.replace('Bearer realm="api", ', '')}`
}

const tooLittle = (scopes?: string) =>
  `403 error="insufficient_scope", …${scopes ? `, scope="${scopes}"` : ''}`
const stepUp = (parameters: string) => `401 error="insufficient_user_authentication", …, ${parameters}`

describe('a simple requirement', () => {
  it.each<[string, Requirement<Identity>, string]>([
    ['scope', scope('read'), 'ok'],
    ['A13 a scope that is missing', scope('admin'), tooLittle('admin')],
    ['a part of a scope', scope('rea'), tooLittle('rea')],
    ['role', role('editor'), 'ok'],
    ['a role that is missing, without a scope to ask for', role('admin'), tooLittle()],
    ['a claim', claim('plan', 'pro'), 'ok'],
    ['one of several values', claim('plan', 'free', 'pro'), 'ok'],
    ['a number', claim('level', 3), 'ok'],
    ['a number as a text', claim('level', '3'), tooLittle()],
    ['a boolean', claim('verified', true), 'ok'],
    ['an item of an array', claim('groups', 'b'), 'ok'],
    ['another value', claim('plan', 'free'), tooLittle()],
    ['a claim that is missing', claim('email', 'x'), tooLittle()],
    ['a name of a prototype', claim('constructor', 'Object'), tooLittle()],
    ['a function', ({ claims }) => claims.plan === 'pro', 'ok'],
    ['a function that says no', () => false, tooLittle()],
    ['acr', acr('gold', 'silver'), 'ok'],
    ['J06 an acr that is too weak', acr('gold', 'platinum'), stepUp('acr_values="gold platinum"')],
    ['maxAge', maxAge(100), 'ok'],
    ['J06 an authentication that is too old', maxAge(99), stepUp('max_age="99"')],
    ['J06 one that must be new', maxAge(0), stepUp('max_age="0"')],
  ])('%s', (_, required, expected) => {
    expect(judge(required)).toBe(expected)
  })

  it('J07 asks for an authentication where the token does not say that there was one', () => {
    const { acr: _acr, authenticatedAt: _at, ...silent } = emma
    expect(judge(acr('silver'), silent)).toBe(stepUp('acr_values="silver"'))
    expect(judge(maxAge(3600), silent)).toBe(stepUp('max_age="3600"'))
  })

  it('believes no authentication that lies ahead by more than clocks differ', () => {
    expect(judge(maxAge(60), { ...emma, authenticatedAt: NOW + 300 })).toBe('ok')
    expect(judge(maxAge(60), { ...emma, authenticatedAt: NOW + 301 })).toBe(stepUp('max_age="60"'))
  })

  it('tells the operator which role or claim it was, and the client not', () => {
    const details: unknown[] = []
    const gate = gateOf({ onDecision: ({ detail }: { detail?: string }) => details.push(detail) })
    expect(JSON.stringify(gate.authorize(emma, role('admin')))).not.toContain('admin')
    gate.authorize(emma, claim('plan', 'free'))
    expect(details).toEqual(['the role admin is needed', 'the claim plan is not what is needed'])
  })
})

describe('allOf', () => {
  it('needs all of them', () => {
    expect(judge(allOf(scope('read'), role('editor'), claim('plan', 'pro'), () => true))).toBe('ok')
  })

  it('O05 names all the scopes that are needed in one challenge, those that are there included', () => {
    expect(judge(allOf(scope('read'), scope('admin'), scope('delete')))).toBe(tooLittle('read admin delete'))
  })

  it('names no scope where none is lacking: the client would come back with the same token', () => {
    expect(judge(allOf(scope('read'), role('admin')))).toBe(tooLittle())
    expect(judge(allOf(scope('delete'), role('admin')))).toBe(tooLittle('delete'))
  })

  it('J06 asks for all of a stronger authentication at once, what is met included', () => {
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

describe('a hierarchy of scopes', () => {
  const settings = { scopeImplies: (granted: string, needed: string) => needed.startsWith(`${granted}:`) }

  it('O06 accepts a broader scope that implies the needed one', () => {
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
  ])('FX56 that %s is answered 503', (_, scopeImplies) => {
    expect(judge(scope('admin'), emma, { scopeImplies })).toMatch(/^503/)
  })
})

describe('O07 offline_access', () => {
  it('stands in no challenge', () => {
    expect(judge(allOf(scope('offline_access'), scope('admin')))).toBe(tooLittle('admin'))
  })
})

describe('a wrong call throws at start-up', () => {
  const call =
    (make: unknown, ...given: unknown[]) =>
    () =>
      (make as (...all: unknown[]) => unknown)(...given)
  it.each<[string, () => unknown, RegExp]>([
    ['scope()', call(scope), /"scope"/],
    ['scope of two', call(scope, 'a', 'b'), /"scope"/],
    ['scope of two in one text', call(scope, 'a b'), /"scope"/],
    ['scope of a list', call(scope, ['a']), /"scope"/],
    ['role()', call(role), /"role"/],
    ['role of two', call(role, 'a', 'b'), /"role"/],
    ['claim()', call(claim), /"claim"/],
    ['claim without a value', call(claim, 'plan'), /"claim"/],
    ['claim of undefined', call(claim, 'plan', undefined), /"claim"/],
    ['claim of an object', call(claim, 'plan', {}), /"claim"/],
    ['acr()', call(acr), /"acr"/],
    ['acr of two in one text', call(acr, 'a b'), /"acr"/],
    ['maxAge()', call(maxAge), /"maxAge"/],
    ['maxAge of two', call(maxAge, 5, 6), /"maxAge"/],
    ...[-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5', null].map(
      (value) => [`maxAge of ${value}`, call(maxAge, value), /"maxAge"/] as [string, () => unknown, RegExp],
    ),
    ['allOf()', call(allOf), /"allOf"/],
    ['allOf of a text', call(allOf, 'read'), /"allOf"/],
    ['anyOf()', call(anyOf), /"anyOf"/],
    ['anyOf of a list', call(anyOf, [scope('a')]), /"anyOf"/],
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
