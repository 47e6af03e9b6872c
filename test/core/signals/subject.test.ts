/** Subject identifiers: which session, user or token they name, and which they do not. */

import { describe, expect, it } from 'vitest'
import { effectsOf } from '#core/signals/events.ts'
import { namedBy } from '#core/signals/subject.ts'
import { CAEP } from '../../support/event-token.ts'
import { ISSUER, NOW } from '../../support/issuer.ts'

const OTHER = 'https://other.example'
const emma = { format: 'iss_sub', iss: ISSUER, sub: 'emma' }
const foreign = { format: 'iss_sub', iss: OTHER, sub: 'emma' }
const session = { format: 'opaque', id: 's1' }
const USER = { subject: 'emma', issuer: ISSUER }
const SESSION = { sessionId: 's1', issuer: ISSUER }
const TOKEN = { tokenId: 't1', issuer: ISSUER }

describe('a simple identifier (P08)', () => {
  it.each([
    ['iss_sub', emma, USER],
    ['iss_sub without an issuer', { format: 'iss_sub', sub: 'emma' }, USER],
    ['iss_sub with a jti', { ...emma, jti: 't1' }, USER],
    ['iss_sub with a number', { ...emma, sub: 7 }, { subject: '7', issuer: ISSUER }],
    ['opaque', { format: 'opaque', id: 'emma' }, USER],
    ['opaque with a jti', { format: 'opaque', id: 'emma', jti: 't1' }, USER],
    ['opaque with a number', { format: 'opaque', id: 0 }, { subject: '0', issuer: ISSUER }],
    ['no format', { iss: ISSUER, sub: 'emma' }, USER],
    ['no format, and a jti', { iss: ISSUER, sub: 'emma', jti: 't1' }, USER],
    ['no format, and a jti only', { iss: ISSUER, jti: 't1' }, TOKEN],
    ['jwt_id', { format: 'jwt_id', iss: ISSUER, jti: 't1' }, TOKEN],
    ['jwt_id with a sub', { format: 'jwt_id', iss: ISSUER, jti: 't1', sub: 'emma' }, TOKEN],
    ['jwt_id with a number', { format: 'jwt_id', iss: ISSUER, jti: 7 }, { tokenId: '7', issuer: ISSUER }],
  ])('names a user or a token if it is %s', (_, id, expected) => {
    expect(namedBy(id, ISSUER)).toEqual(expected)
  })

  it.each([
    ['of another issuer', foreign],
    ['a token of another issuer', { format: 'jwt_id', iss: OTHER, jti: 't1' }],
    ['of an issuer that is no text', { ...emma, iss: [ISSUER] }],
    ['iss_sub without a sub', { format: 'iss_sub', iss: ISSUER, jti: 't1' }],
    ['an email address', { format: 'email', email: 'emma@example.com', sub: 'emma', jti: 't1' }],
    ['a list of aliases', { format: 'aliases', identifiers: [emma] }],
    ['empty', {}],
    ['an empty text', { format: 'opaque', id: '' }],
    ['an object', { format: 'opaque', id: { id: 'emma' } }],
  ])('names nothing if it is %s', (_, id) => {
    expect(namedBy(id, ISSUER)).toBeUndefined()
  })
})

describe('a complex identifier (P08)', () => {
  it.each([
    ['a session', { session }, SESSION],
    ['a session and a user', { session, user: emma }, SESSION],
    ['a session that is a number', { session: { id: 7 } }, { sessionId: '7', issuer: ISSUER }],
    ['a session by its sid', { session: { sid: 's1' } }, SESSION],
    ['a session and a device of another issuer', { session, device: foreign }, SESSION],
    ['a user', { user: emma }, USER],
    ['a user and a session without an id', { session: { format: 'opaque' }, user: emma }, USER],
    ['a user and a session of another issuer', { session: { ...session, iss: OTHER }, user: emma }, USER],
    [
      'a user and a session that is an email address',
      { session: { format: 'email', id: 's1' }, user: { format: 'opaque', id: 'emma' } },
      USER,
    ],
  ])('names what it can if it has %s', (_, id, expected) => {
    expect(namedBy({ format: 'complex', ...id }, ISSUER)).toEqual(expected)
  })

  it.each([
    ['a user of another issuer', { user: foreign }],
    ['a session and a user of another issuer', { session, user: foreign }],
    ['a session and a tenant of another issuer', { session, tenant: { iss: OTHER, id: 't' } }],
    ['a session and another issuer for all', { session, iss: OTHER }],
    ['a session of another issuer', { session: { ...session, iss: OTHER } }],
    [
      'a session of another issuer and a user of no certain issuer',
      { session: { ...session, iss: OTHER }, user: { format: 'opaque', id: 'emma' } },
    ],
    ['a session that is an email address', { session: { format: 'email', email: 'e@x', id: 's1' } }],
    ['a device only', { device: session }],
  ])('names nothing if it has %s', (_, id) => {
    expect(namedBy({ format: 'complex', ...id }, ISSUER)).toBeUndefined()
  })
})

it.each([
  ['emma', 'emma'],
  [7, '7'],
])('a token without "sub_id" is about its "sub" %o (P08)', (sub, subject) => {
  const events = { [`${CAEP}session-revoked`]: {} }
  expect(effectsOf({ id: 'e1', issuedAt: NOW - 1, claims: { sub }, events }, ISSUER)).toEqual({
    revocations: [{ subject, issuer: ISSUER, issuedBefore: NOW }],
    ignored: [],
  })
})
