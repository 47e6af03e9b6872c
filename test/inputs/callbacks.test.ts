/** FX56: whatever an application's callbacks return, throw or reject with, a gate never accepts the token and never throws. */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import {
  allOf,
  createGate,
  type Gate,
  type Identity,
  opaque,
  scope,
  UnavailableError,
} from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { outcome } from '../support/forge.ts'

const identity: Identity = { kind: 'opaque', audience: [], scopes: ['read'], roles: [], claims: {} }
const UNAVAILABLE = '503 unavailable'

const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** Invalid results of a lookup or a verifier: neither a token nor the statement that there is none. */
const NONSENSE: Readonly<Record<string, () => unknown>> = {
  undefined: () => undefined,
  false: () => false,
  true: () => true,
  '0': () => 0,
  NaN: () => Number.NaN,
  'a bigint': () => 5n,
  'a symbol': () => Symbol('token'),
  'an empty string': () => '',
  'a string': () => 'emma',
  'an empty array': () => [],
  'a list of rows': () => [{ subject: 'emma' }],
  'a function': () => () => ({ subject: 'emma' }),
  'an error': () => new Error('no such token'),
  'a Map': () => new Map([['subject', 'emma']]),
  'a Set': () => new Set(['emma']),
  'a Date': () => new Date(0),
  'a RegExp': () => /emma/,
  'a Boolean object': () => new Boolean(false),
  'a String object': () => new String('emma'),
  'a Response': () => new Response('{}', { status: 404 }),
  'an iterator': () => [][Symbol.iterator](),
  'a revoked Proxy': revoked,
}

describe.each([
  ['at once', (value: unknown) => value],
  ['by a promise', (value: unknown) => Promise.resolve(value)],
])('a result %s', (_when, wrap) => {
  const records = Object.entries(NONSENSE).filter(([name]) => name !== 'undefined')
  it.each(records)('answers 503 if a lookup returns %s (FX56)', async (_name, make) => {
    const gate = createGate({ verifier: opaque({ lookup: () => wrap(make()) as null }) })
    expect(await outcome(gate, 'token')).toBe(UNAVAILABLE)
  })

  it.each(Object.entries(NONSENSE))('answers 503 if a verifier returns %s (FX56)', async (_name, make) => {
    const gate = createGate({ verifier: { verify: () => wrap(make()) as never } })
    expect(await outcome(gate, 'token')).toBe(UNAVAILABLE)
  })

  // An object may be an identity of the application's own class: its members are for TypeScript to check.
  const noObjects = Object.entries(NONSENSE).filter(([, make]) => typeof make() !== 'object')
  it.each(noObjects)('answers 503 if the identity is %s (FX56)', async (_name, make) => {
    const verify = () => wrap({ active: true, identity: make() }) as never
    expect(await outcome(createGate({ verifier: { verify } }), 'token')).toBe(UNAVAILABLE)
  })
})

describe('a failure', () => {
  const THROWN: Readonly<Record<string, () => unknown>> = {
    ...NONSENSE,
    null: () => null,
    'an UnavailableError': () => new UnavailableError('no', { retryAfter: 5 }),
    'an UnavailableError for NaN seconds': () => new UnavailableError('no', { retryAfter: Number.NaN }),
    'an UnavailableError for -1 seconds': () => new UnavailableError('no', { retryAfter: -1 }),
    'an UnavailableError for ever': () =>
      new UnavailableError('no', { retryAfter: Number.POSITIVE_INFINITY }),
    'an UnavailableError for "5" seconds': () => new UnavailableError('no', { retryAfter: '5' as never }),
    'an UnavailableError for 5n seconds': () => new UnavailableError('no', { retryAfter: 5n as never }),
    'an UnavailableError for a symbol': () =>
      new UnavailableError('no', { retryAfter: Symbol('soon') as never }),
    'an UnavailableError for a Date': () => new UnavailableError('no', { retryAfter: new Date(0) as never }),
  }

  it.each(Object.entries(THROWN))(
    'is answered 503 with a valid Retry-After if a lookup throws %s (FX56)',
    async (_name, make) => {
      const throwing = (): never => {
        throw make()
      }
      for (const lookup of [throwing, async () => throwing()]) {
        const gate = createGate({ verifier: opaque({ lookup }) })
        const decision = await gate.authenticate({ header: () => 'Bearer token' })
        expect(decision).toMatchObject({ ok: false, status: 503 })
        if (!decision.ok) expect(decision.headers['Retry-After']).toMatch(/^[1-9]\d{0,3}$/)
      }
    },
  )
})

describe('a requirement', () => {
  // Only a boolean is an answer.
  const UNAVAILABLE_FOR: Readonly<Record<string, () => unknown>> = {
    'a promise of a text': async () => 'false',
    'a promise of nothing': async () => {},
    'the text "false"': () => 'false',
    '1': () => 1,
    'an object': () => ({ met: false }),
    'an error': () => new Error('not met'),
    'a list': () => [],
    undefined: () => undefined,
    null: () => null,
    '0': () => 0,
    'no text': () => '',
    NaN: () => Number.NaN,
  }

  it.each(Object.entries(UNAVAILABLE_FOR))('that returns %s is answered 503 (FX56)', async (_name, isMet) => {
    const required = isMet as () => boolean
    const verifier = { verify: () => ({ active: true, identity }) as const }
    for (const requirement of [required, allOf(scope('read'), required)]) {
      const gate: Gate = createGate({ verifier, requirement })
      expect(await outcome(gate, 'token')).toBe(UNAVAILABLE)
      expect(await createGate({ verifier }).authorize(identity, requirement)).toMatchObject({ status: 503 })
    }
  })
})

describe('a listener', () => {
  it('that rejects does not end the process (FX56)', async () => {
    const script = `
      import { createGate } from '@bearergate/core'
      const onDecision = async () => { throw new Error('the log is full') }
      const verifier = { verify: () => ({ active: false, reason: 'revoked' }) }
      const decision = createGate({ verifier, onDecision }).authenticate({ header: () => 'Bearer token' })
      // Node would end the process before the next turn of its event loop.
      setImmediate(() => console.log(decision.status))`
    const flags = [
      '--conditions=@bearergate/source',
      '--import',
      'tsx',
      '--input-type=module',
      '--eval',
      script,
    ]
    const ended = await promisify(execFile)(process.execPath, flags, { timeout: 60_000 }).catch(
      (cause) => cause,
    )
    expect([ended.code, ended.stdout]).toEqual([undefined, '401\n'])
  })
})
