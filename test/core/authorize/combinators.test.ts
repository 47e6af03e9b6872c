/** Combined requirements: what a challenge asks for (RFC 6750 §3, RFC 9470 §3). */

import {
  acr,
  allOf,
  anyOf,
  claim,
  type Identity,
  maxAge,
  type Requirement,
  role,
  scope,
} from '@bearergate/core'
import { describe, expect, it, vi } from 'vitest'
import { NOW } from '../../support/issuer.ts'
import { call, emma, gateOf, judge, stepUp, tooLittle } from '../../support/requirements.ts'

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

describe('lists', () => {
  it('are accepted, alone and beside single requirements', () => {
    const names = ['admin', 'delete']
    expect(judge(allOf(names.map((name) => scope(name))))).toBe(tooLittle('admin delete'))
    expect(judge(allOf(scope('read'), [scope('write'), scope('admin')]))).toBe(tooLittle('read write admin'))
    expect(judge(anyOf([scope('admin'), scope('read')]))).toBe('ok')
  })
})

describe('functions', () => {
  const gate = gateOf()
  const reasonOf = async (required: Requirement<Identity>) => {
    const decision = await gate.authorize(emma, required)
    return decision.ok ? 'ok' : decision.reason
  }

  it('in allOf are called last, in their order, until one is not met', async () => {
    const calls: string[] = []
    const step = (name: string, isMet: boolean) => async () => {
      calls.push(name)
      return isMet
    }
    const required = allOf(step('one', true), step('two', false), step('three', true), scope('read'))
    expect(await reasonOf(required)).toBe('insufficient_scope')
    expect(calls).toEqual(['one', 'two'])
  })

  it('in allOf are called although a stronger authentication is missing, which would not help alone', async () => {
    expect(await reasonOf(allOf(acr('gold'), async () => false))).toBe('insufficient_scope')
    expect(await reasonOf(allOf(acr('gold'), async () => true))).toBe('insufficient_user_authentication')
  })

  it('in anyOf are not called after a requirement that is met', async () => {
    const called = vi.fn(async () => true)
    expect(await reasonOf(anyOf(scope('read'), called))).toBe('ok')
    expect(called).not.toHaveBeenCalled()
    expect(await reasonOf(anyOf(async () => false, called))).toBe('ok')
  })

  it('within nested combinations may be asynchronous, and the challenge still names all scopes', async () => {
    const either = anyOf(scope('admin'), async () => true)
    const decision = await gate.authorize(emma, allOf(either, scope('delete')))
    expect(String(!decision.ok && decision.headers['WWW-Authenticate'])).toContain('scope="delete"')
    const other = await gate.authorize(
      emma,
      allOf(
        anyOf(scope('admin'), async () => false),
        scope('write'),
      ),
    )
    expect(String(!other.ok && other.headers['WWW-Authenticate'])).toContain('scope="admin write"')
  })

  it('that throw after another one rejected leave no rejection unhandled', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    const fails = () => {
      throw new Error('broken')
    }
    for (const required of [
      allOf(() => Promise.reject(new Error('down')), fails),
      anyOf(() => Promise.reject(new Error('down')), fails),
      allOf(fails, () => Promise.reject(new Error('down'))),
    ])
      expect(await reasonOf(required)).toBe('unavailable')
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
  })
})

describe('a wrong call throws at start-up', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['allOf()', call(allOf), /"allOf"/],
    ['allOf of a text', call(allOf, 'read'), /"allOf"/],
    ['anyOf()', call(anyOf), /"anyOf"/],
    ['anyOf of an empty list', call(anyOf, []), /"anyOf"/],
    ['anyOf of a list of texts', call(anyOf, ['a']), /"anyOf"/],
  ])('%s', (_, create, message) => {
    expect(create).toThrow(TypeError)
    expect(create).toThrow(message)
  })
})
