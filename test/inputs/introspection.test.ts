/** BI12: answers of every odd kind: each gets a definite decision, and only what says so plainly is accepted. */

import { createGate, introspection } from '@bearergate/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Introspector, json, type Reply, startIntrospector } from '../support/introspector.ts'
import { AUDIENCE, ISSUER, NOW } from '../support/issuer.ts'

const GOOD = {
  active: true,
  iss: ISSUER,
  aud: AUDIENCE,
  sub: 'emma',
  client_id: 'web',
  scope: 'read',
  token_type: 'Bearer',
  exp: NOW + 600,
  nbf: NOW - 600,
  iat: NOW - 10,
  jti: 'one',
}

let server: Introspector
beforeAll(async () => {
  server = await startIntrospector(json(GOOD))
})
afterAll(() => server.close())

async function outcome(reply: Reply): Promise<string> {
  server.reply = reply
  const verifier = introspection({
    endpoint: server.endpoint,
    issuer: ISSUER,
    clientId: 'api',
    clientSecret: 'secret',
    audience: AUDIENCE,
    now: () => NOW * 1000,
  })
  const gate = createGate({ verifier })
  const decision = await gate.authenticate({
    header: (name) => (name === 'authorization' ? 'Bearer opaque' : undefined),
  })
  return decision.ok ? 'ok' : `${decision.status} ${decision.reason}`
}

function typed(type: string | undefined, body: string | Buffer = JSON.stringify(GOOD)): Reply {
  return (_asked, response) => {
    if (type !== undefined) response.setHeader('content-type', type)
    response.end(body)
  }
}

const UNAVAILABLE = '503 unavailable'
const TEXT = JSON.stringify(GOOD)

const TYPES: readonly (readonly [string, Reply, string])[] = [
  ['application/json', typed('application/json'), 'ok'],
  ['application/json;charset=utf-8', typed('application/json;charset=utf-8'), 'ok'],
  ['Application/JSON ; Charset="UTF-8"', typed('Application/JSON ; Charset="UTF-8"'), 'ok'],
  ['no content type', typed(undefined), UNAVAILABLE],
  ['text/json', typed('text/json'), UNAVAILABLE],
  ['text/plain', typed('text/plain'), UNAVAILABLE],
  ['application/jsonp', typed('application/jsonp'), UNAVAILABLE],
  ['application/problem+json', typed('application/problem+json'), UNAVAILABLE],
  ['a signed response', typed('application/token-introspection+jwt', 'e30.e30.e30'), UNAVAILABLE],
  ['a byte order mark', typed('application/json', `\ufeff${TEXT}`), UNAVAILABLE],
  ['UTF-16', typed('application/json; charset=utf-16', Buffer.from(TEXT, 'utf16le')), UNAVAILABLE],
  ['malformed UTF-8', typed('application/json', Buffer.from([123, 255, 125])), UNAVAILABLE],
  ['an empty body', typed('application/json', ''), UNAVAILABLE],
  ['a trailing comma', typed('application/json', TEXT.replace('}', ',}')), UNAVAILABLE],
  ['two objects', typed('application/json', TEXT + TEXT), UNAVAILABLE],
  ['a string', typed('application/json', '"active"'), UNAVAILABLE],
  ['true', typed('application/json', 'true'), UNAVAILABLE],
  ['null', typed('application/json', 'null'), UNAVAILABLE],
  ['a list', typed('application/json', `[${TEXT}]`), UNAVAILABLE],
  ['{}', json({}), UNAVAILABLE],
  ['33 levels', json({ ...GOOD, more: JSON.parse('['.repeat(33) + ']'.repeat(33)) }), UNAVAILABLE],
  ['active twice, true last', typed('application/json', TEXT.replace('{', '{"active":false,')), 'ok'],
  [
    'active twice, false last',
    typed('application/json', TEXT.replace('}', ',"active":false}')),
    '401 unknown_token',
  ],
]

const WRONG: Readonly<Record<string, readonly unknown[]>> = {
  exp: ['never', String(NOW + 600), true, [NOW + 600], {}, -1, 1e15],
  nbf: ['now', {}, -1, [[]]],
  iat: ['now', [null], 1e15],
  aud: [7, {}, [], [7], [[AUDIENCE]], true],
  cnf: ['x', 7, [], ''],
}

/** FIELD08: these decide nothing by themselves, and are left out. */
const LEFT_OUT: Readonly<Record<string, readonly unknown[]>> = {
  auth_time: ['now', {}],
  sub: [7, {}, ['emma'], ['']],
  client_id: [7, {}, ['web']],
  jti: [7, {}, false],
  scope: [7, {}, [7], true],
  act: ['x', ['x']],
}

describe('an answer with', () => {
  it.each(TYPES)('%s (BI12)', async (_name, reply, expected) => {
    expect(await outcome(reply)).toBe(expected)
  })

  const rows = Object.entries(WRONG).flatMap(([name, values]) =>
    values.map((value) => [name, value] as const),
  )
  it.each(rows)('the member %s of a wrong type: %j (BI12)', async (name, value) => {
    expect(await outcome(json({ ...GOOD, [name]: value }))).toBe('401 invalid_claim')
  })

  const leftOut = Object.entries(LEFT_OUT).flatMap(([name, values]) =>
    values.map((value) => [name, value] as const),
  )
  it.each(leftOut)(
    'the member %s of a wrong type, which decides nothing: %j (FIELD08)',
    async (name, value) => {
      expect(await outcome(json({ ...GOOD, [name]: value }))).toBe('ok')
    },
  )

  it('exp that is infinite (BI12)', async () => {
    expect(await outcome(json(TEXT.replace(String(NOW + 600), '1e999')))).toBe('401 invalid_claim')
  })

  it.each([
    ['iss', 7, '401 issuer_mismatch'],
    ['iss', [ISSUER], '401 issuer_mismatch'],
    ['token_type', 7, '401 not_an_access_token'],
    ['token_type', ['Bearer'], '401 not_an_access_token'],
  ])(
    'the member %s of a wrong type: %j, rejected with another reason (BI12)',
    async (name, value, expected) => {
      expect(await outcome(json({ ...GOOD, [name]: value }))).toBe(expected)
    },
  )

  const others = Object.keys(GOOD).filter((name) => name !== 'active' && name !== 'aud')
  it.each(others)(
    'no %s, or one without a value, is accepted: the server has checked what it does not say (BI12)',
    async (name) => {
      for (const value of [undefined, null, '', []])
        expect(await outcome(json({ ...GOOD, [name]: value }))).toBe('ok')
    },
  )

  it.each([
    [{ aud: undefined }, '401 missing_claim'],
    [{ aud: null }, '401 missing_claim'],
    [{ aud: 'https://other.example.com' }, '401 audience_mismatch'],
    [{ aud: [`${AUDIENCE}/`, AUDIENCE.toUpperCase()] }, '401 audience_mismatch'],
    [{ exp: NOW - 30 }, '401 expired'],
    [{ exp: 0 }, '401 expired'],
    [{ nbf: NOW + 31 }, '401 not_yet_valid'],
    [{ iat: NOW + 31 }, '401 issued_in_future'],
  ])('%j (BI12)', async (members, expected) => {
    expect(await outcome(json({ ...GOOD, ...members }))).toBe(expected)
  })

  it.each(['active', 'aud', 'exp', 'scope', 'cnf', 'iss', 'token_type', 'typ'])(
    'nothing else, and %s on Object.prototype (BI15)',
    async (name) => {
      const prototype = Object.prototype as unknown as Record<string, unknown>
      for (const value of [true, AUDIENCE, 'Refresh']) {
        prototype[name] = value
        try {
          expect(await outcome(json({ sub: 'emma' }))).toBe(UNAVAILABLE)
          expect(await outcome(json({ active: true, sub: 'emma' }))).toBe('401 missing_claim')
          expect(await outcome(json(GOOD))).toBe('ok')
        } finally {
          delete prototype[name]
        }
      }
    },
  )
})
