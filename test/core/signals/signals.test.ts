/** Receivers of logout tokens and security events: what they accept, what they revoke, and what they answer. */

import { createGate, type Gate, memoryRevocations } from '@bearergate/core'
import { backChannelLogout, type Signal, securityEvents } from '@bearergate/core/signals'
import { describe, expect, it } from 'vitest'
import { BARE, CAEP, type Claims, signEvent } from '../../support/event-token.ts'
import { outcome } from '../../support/forge.ts'
import { AUDIENCE, createKey, goodClaims, ISSUER, NOW } from '../../support/issuer.ts'

const key = await createKey('ES256')
const other = await createKey('ES256')
const now = () => NOW * 1000
const keys = { keys: [key.jwk] } as never
const LOGOUT = 'http://schemas.openid.net/event/backchannel-logout'
const RISC = 'https://schemas.openid.net/secevent/risc/event-type/'

function gateOf(): Gate {
  return createGate({ issuer: ISSUER, audience: AUDIENCE, keys, now })
}

/** A logout token with changes. What is `undefined` is left out. */
function logoutToken(claims: Claims = {}, header: Claims = {}, signer = key): Promise<string> {
  const good = {
    ...BARE,
    aud: 'web',
    sub: 'emma',
    iat: NOW - 1,
    exp: NOW + 120,
    jti: 'l1',
    events: { [LOGOUT]: {} },
  }
  return signer.sign({ ...good, ...claims }, { typ: 'logout+jwt', ...header })
}

const eventToken = (claims: Claims = {}, header: Claims = {}) => signEvent(key, claims, header)

const asLogout = (token: string) => ({
  contentType: 'application/x-www-form-urlencoded',
  body: String(new URLSearchParams({ logout_token: token })),
})
const asEvent = (token: string) => ({ contentType: 'application/secevent+jwt', body: token })

const accessToken = (claims: Claims = {}) => key.sign(claims)

describe('backChannelLogout (P05, P06)', () => {
  const receiver = (gate: Pick<Gate, 'revoke'> = gateOf(), options = {}) =>
    backChannelLogout({ issuer: ISSUER, clientId: 'web', keys, now, gate, ...options } as never)

  it('revokes the tokens of the session, and no others, if the token has "sid" (P05)', async () => {
    const gate = gateOf()
    const [ofSession, ofOther] = [await accessToken({ sid: 's1' }), await accessToken({ sid: 's2' })]
    expect([await outcome(gate, ofSession), await outcome(gate, ofOther)]).toEqual(['ok', 'ok'])
    const answer = await receiver(gate).receive(asLogout(await logoutToken({ sid: 's1' })))
    expect(answer).toEqual({ status: 200, headers: { 'Cache-Control': 'no-store' }, body: '' })
    expect([await outcome(gate, ofSession), await outcome(gate, ofOther)]).toEqual(['401 revoked', 'ok'])
  })

  it('revokes the tokens of the subject that were issued until then, if the token has "sub" only (P05)', async () => {
    const gate = gateOf()
    const [before, same, after] = [
      await accessToken({ iat: NOW - 50 }),
      await accessToken({ iat: NOW - 1 }),
      await accessToken({ iat: NOW }),
    ]
    expect((await receiver(gate).receive(asLogout(await logoutToken()))).status).toBe(200)
    expect([await outcome(gate, before), await outcome(gate, same), await outcome(gate, after)]).toEqual([
      '401 revoked',
      '401 revoked',
      'ok',
    ])
  })

  it.each([
    ['another issuer', { iss: 'https://evil.example' }, {}],
    ['another client', { aud: 'other' }, {}],
    ['no jti', { jti: undefined }, {}],
    ['no iat', { iat: undefined }, {}],
    ['an iat in the future', { iat: NOW + 3600 }, {}],
    ['no exp', { exp: undefined }, {}],
    ['an exp that has passed', { exp: NOW - 60 }, {}],
    ['a nonce', { nonce: 'n' }, {}],
    ['no events', { events: undefined }, {}],
    ['another event', { events: { other: {} } }, {}],
    ['an event that is no object', { events: { [LOGOUT]: true } }, {}],
    ['an event that is no object beside another', { events: { [LOGOUT]: true, other: {} } }, {}],
    ['a list of events', { events: [{}] }, {}],
    ['neither sub nor sid', { sub: undefined }, {}],
    ['an empty sid', { sid: '' }, {}],
    ['a sid that is a list', { sid: ['s1'] }, {}],
    ['the type of an access token', {}, { typ: 'at+jwt' }],
    ['the type of a security event', {}, { typ: 'secevent+jwt' }],
  ])('answers 400 without an effect to a token with %s (P05, P06)', async (_, claims, header) => {
    const revoked: unknown[] = []
    const gate = { revoke: async (revocation: unknown) => void revoked.push(revocation) }
    const { status, headers, body } = await receiver(gate as never).receive(
      asLogout(await logoutToken(claims, header)),
    )
    expect([status, headers['Cache-Control'], JSON.parse(body).error]).toEqual([
      400,
      'no-store',
      'invalid_request',
    ])
    expect(revoked).toEqual([])
  })

  it('accepts a token without typ, or with that of any JWT, as providers send it (P05)', async () => {
    for (const typ of [undefined, 'JWT'])
      expect((await receiver().receive(asLogout(await logoutToken({}, { typ })))).status).toBe(200)
  })

  it('accepts members of "events" that are no objects beside the logout, as Keycloak writes them (P05)', async () => {
    const gate = gateOf()
    const sent = await accessToken({ sid: 's1' })
    const events = { [LOGOUT]: {}, revoke_offline_access: true }
    expect((await receiver(gate).receive(asLogout(await logoutToken({ sid: 's1', events })))).status).toBe(
      200,
    )
    expect(await outcome(gate, sent)).toBe('401 revoked')
  })

  it('revokes the session only, if its "sid" is a number', async () => {
    const revoked: unknown[] = []
    const gate = { revoke: async (revocation: unknown) => void revoked.push(revocation) }
    await receiver(gate as never).receive(asLogout(await logoutToken({ sid: 7 })))
    expect(revoked).toEqual([{ sessionId: '7', issuer: ISSUER }])
    expect((await receiver().receive({ contentType: undefined, body: undefined } as never)).status).toBe(400)
  })

  it('tells operators what was not accepted, and why', async () => {
    const rejected: object[] = []
    const options = { onRejected: (event: object) => rejected.push(event) }
    await receiver(gateOf(), options).receive(asLogout(await logoutToken({ aud: 'other' })))
    const cause = new RangeError('full')
    await receiver({ revoke: () => Promise.reject(cause) }, options).receive(asLogout(await logoutToken()))
    expect(rejected).toEqual([
      { status: 400, description: '"aud" does not contain "web"' },
      { status: 503, cause },
    ])
  })

  it.each([
    [{ clientId: '' }, /"clientId"/],
    [{ clientId: undefined }, /"clientId"/],
    [{ audience: 'web' }, /has no option "audience"/],
  ])('throws a TypeError for %o', (options, message) => {
    expect(() => receiver(gateOf(), options)).toThrow(message)
  })

  it('answers 400 to forged tokens, unsigned tokens, and requests without a token (P05)', async () => {
    const token = await logoutToken()
    const [, payload] = token.split('.')
    const none = `${btoa('{"alg":"none"}').replaceAll('=', '')}.${payload}.AA`
    const forged = await logoutToken({}, { kid: key.kid }, other)
    for (const text of [none, forged, await accessToken(), 'x', ''])
      expect((await receiver().receive(asLogout(text))).status).toBe(400)
    expect((await receiver().receive({ contentType: undefined, body: '' })).status).toBe(400)
  })

  it('answers 503 if the store is unavailable, so that the sender tries again (P06)', async () => {
    const full = receiver({ revoke: () => Promise.reject(new RangeError('full')) })
    const answer = await full.receive(asLogout(await logoutToken()))
    expect([answer.status, answer.headers['Retry-After'], answer.body]).toEqual([503, '5', ''])
  })

  it('accepts a token again without an effect, unless storing it failed (P07)', async () => {
    let isDown = true
    const revoked: unknown[] = []
    const revoke = async (revocation: unknown) => {
      if (isDown) throw new Error('down')
      revoked.push(revocation)
    }
    const signals: Signal[] = []
    const one = receiver({ revoke } as never, { onSignal: (signal: Signal) => signals.push(signal) })
    const message = asLogout(await logoutToken({ sid: 's1' }))
    expect((await one.receive(message)).status).toBe(503)
    isDown = false
    for (let time = 0; time < 2; time += 1) expect((await one.receive(message)).status).toBe(200)
    expect(revoked).toEqual([{ sessionId: 's1', issuer: ISSUER }])
    expect(signals.map(({ isRepeated }) => isRepeated)).toEqual([false, true])
  })
})

describe('securityEvents (P01, P03, P08)', () => {
  const receiver = (gate: Pick<Gate, 'revoke'> = gateOf(), options = {}) =>
    securityEvents({ issuer: ISSUER, audience: AUDIENCE, keys, now, gate, ...options } as never)

  it.each([
    [
      'session-revoked of a session',
      `${CAEP}session-revoked`,
      { user: { format: 'opaque', id: 'emma' }, session: { format: 'opaque', id: 's1' } },
      { sessionId: 's1', issuer: ISSUER },
    ],
    [
      'session-revoked of a subject',
      `${CAEP}session-revoked`,
      { format: 'iss_sub', iss: ISSUER, sub: 'emma' },
      { subject: 'emma', issuer: ISSUER, issuedBefore: NOW },
    ],
    [
      'token-claims-change of a token',
      `${CAEP}token-claims-change`,
      { format: 'jwt_id', iss: ISSUER, jti: 't1' },
      { tokenId: 't1', issuer: ISSUER },
    ],
    [
      'credential-change',
      `${CAEP}credential-change`,
      { format: 'opaque', id: 'emma' },
      { subject: 'emma', issuer: ISSUER, issuedBefore: NOW },
    ],
    [
      'account-disabled',
      `${RISC}account-disabled`,
      { format: 'opaque', id: 'emma' },
      { subject: 'emma', issuer: ISSUER, issuedBefore: NOW },
    ],
    [
      'sessions-revoked',
      `${RISC}sessions-revoked`,
      { format: 'opaque', id: 'emma' },
      { subject: 'emma', issuer: ISSUER, issuedBefore: NOW },
    ],
  ])('turns %s into a revocation (P08)', async (_, type, sub_id, expected) => {
    const revoked: unknown[] = []
    const gate = { revoke: async (revocation: unknown) => void revoked.push(revocation) }
    const answer = await receiver(gate as never).receive(
      asEvent(await eventToken({ sub_id, events: { [type]: {} } })),
    )
    expect(answer).toEqual({ status: 202, headers: { 'Cache-Control': 'no-store' }, body: '' })
    expect(revoked).toEqual([expected])
  })

  it('takes the time of the event, in seconds or milliseconds, and the subject of earlier drafts (P08)', async () => {
    for (const event_timestamp of [NOW - 100, (NOW - 100) * 1000]) {
      const revoked: unknown[] = []
      const gate = { revoke: async (revocation: unknown) => void revoked.push(revocation) }
      const subject = { format: 'iss_sub', iss: ISSUER, sub: 'emma' }
      const events = { [`${CAEP}session-revoked`]: { subject, event_timestamp } }
      await receiver(gate as never).receive(asEvent(await eventToken({ sub_id: undefined, events })))
      expect(revoked).toEqual([{ subject: 'emma', issuer: ISSUER, issuedBefore: NOW - 99 }])
    }
  })

  it('ignores events about tokens of another issuer, unless the sender may report about it', async () => {
    const other = 'https://other.example'
    const ids = [
      { format: 'iss_sub', iss: other, sub: 'emma' },
      { format: 'jwt_id', iss: other, jti: 't1' },
      {
        user: { format: 'opaque', id: 'emma' },
        session: { format: 'iss_sub', iss: other, sub: 'x', id: 's1' },
      },
    ]
    const revoked: unknown[] = []
    const gate = { revoke: async (revocation: unknown) => void revoked.push(revocation) }
    for (const [index, sub_id] of ids.entries()) {
      const token = await eventToken({ sub_id, jti: `j${index}` })
      expect((await receiver(gate as never).receive(asEvent(token))).status).toBe(202)
      expect(revoked).toEqual([])
    }
    const named = receiver(gate as never, { tokenIssuer: other })
    await named.receive(asEvent(await eventToken({ sub_id: ids[0] })))
    expect(revoked).toEqual([{ subject: 'emma', issuer: other, issuedBefore: NOW }])
  })

  it('takes no time in the future, and no identifier that names no user', async () => {
    const revoked: unknown[] = []
    const gate = { revoke: async (revocation: unknown) => void revoked.push(revocation) }
    const events = { [`${CAEP}session-revoked`]: { event_timestamp: NOW + 9999 } }
    await receiver(gate as never).receive(asEvent(await eventToken({ events })))
    expect(revoked).toEqual([{ subject: 'emma', issuer: ISSUER, issuedBefore: NOW }])
    for (const format of ['email', 'did', 'phone_number'])
      await receiver(gate as never).receive(asEvent(await eventToken({ sub_id: { format, id: 'emma' } })))
    expect(revoked).toHaveLength(1)
  })

  it('acknowledges other events, and tells operators (P08)', async () => {
    const signals: Signal[] = []
    const type = 'https://schemas.openid.net/secevent/ssf/event-type/verification'
    const one = receiver(
      { revoke: () => Promise.reject(new Error('not needed')) },
      { onSignal: (signal: Signal) => signals.push(signal) },
    )
    expect(
      (await one.receive(asEvent(await eventToken({ events: { [type]: { state: 'x' } } })))).status,
    ).toBe(202)
    expect(signals).toEqual([{ id: 'e1', revocations: [], ignored: [type], isRepeated: false }])
  })

  it.each([
    ['an exp', { exp: NOW + 60 }, {}, 'invalid_request'],
    ['no jti', { jti: undefined }, {}, 'invalid_request'],
    ['no events', { events: undefined }, {}, 'invalid_request'],
    ['an empty object of events', { events: {} }, {}, 'invalid_request'],
    [
      'a member of events that is no object',
      { events: { [`${CAEP}session-revoked`]: {}, other: true } },
      {},
      'invalid_request',
    ],
    ['another issuer', { iss: 'https://evil.example' }, {}, 'invalid_issuer'],
    ['another audience', { aud: 'x' }, {}, 'invalid_audience'],
    ['no typ', {}, { typ: undefined }, 'invalid_request'],
    ['the type of an access token', {}, { typ: 'at+jwt' }, 'invalid_request'],
    ['a key that the issuer does not have', {}, { kid: 'x' }, 'invalid_key'],
  ])('answers 400 to a token with %s (P01, P02, P03)', async (_, claims, header, err) => {
    const { status, headers, body } = await receiver().receive(asEvent(await eventToken(claims, header)))
    expect([status, JSON.parse(body).err]).toEqual([400, err])
    expect(headers).toEqual({
      'Cache-Control': 'no-store',
      'Content-Type': 'application/json',
      'Content-Language': 'en',
    })
  })

  it('answers 400 to another content type, and to access and ID tokens (P02, P03)', async () => {
    const token = await eventToken()
    expect((await receiver().receive({ contentType: 'application/jwt', body: token })).status).toBe(400)
    for (const text of [await accessToken(), await key.sign({ nonce: 'n' }, { typ: 'JWT' })])
      expect((await receiver().receive(asEvent(text))).status).toBe(400)
  })

  it('is not accepted as an access token, nor is a logout token (P02)', async () => {
    const gate = gateOf()
    expect(await outcome(gate, await eventToken({ exp: NOW + 60 }))).toBe('401 not_an_access_token')
    expect(await outcome(gate, await logoutToken({ aud: AUDIENCE }))).toBe('401 not_an_access_token')
    expect(await outcome(gate, await logoutToken({ aud: AUDIENCE }, { typ: undefined }))).toBe(
      '401 not_an_access_token',
    )
  })

  it.each([
    [{ gate: undefined }, /"gate" must be a gate/],
    [{ audience: null }, /must not be null/],
    [{ issuer: undefined }, /issuer/],
    [{ audiences: 'x' }, /"audiences"/],
  ])('throws a TypeError for %o', (options, message) => {
    const good = { issuer: ISSUER, audience: AUDIENCE, keys, gate: gateOf() }
    expect(() => securityEvents({ ...good, ...options } as never)).toThrow(message)
  })
})

describe('gate.revoke({ sessionId })', () => {
  it('rejects the tokens with this "sid", of this issuer, also in hot caches', async () => {
    const gate = gateOf()
    const [one, two] = [await accessToken({ sid: 's1' }), await accessToken({ sid: 7 })]
    expect([await outcome(gate, one), await outcome(gate, two)]).toEqual(['ok', 'ok'])
    await gate.revoke({ sessionId: 's1', issuer: 'https://other.example' })
    expect(await outcome(gate, one)).toBe('ok')
    await gate.revoke({ sessionId: 's1', issuer: ISSUER })
    await gate.revoke({ sessionId: '7' })
    expect([await outcome(gate, one), await outcome(gate, two)]).toEqual(['401 revoked', '401 revoked'])
    expect(gate.describe().revocations).toBe(3)
  })

  it('counts towards the limit of the store, like other entries', () => {
    const store = memoryRevocations({ max: 1, now })
    void store.revoke({ sessionId: 'a' })
    expect(() => store.revoke({ sessionId: 'b' })).toThrow(RangeError)
  })

  it('shows the session in the identity', async () => {
    const decision = await gateOf().authenticate(
      new Request('https://x', { headers: { authorization: `Bearer ${await accessToken({ sid: 's1' })}` } }),
    )
    expect(decision).toMatchObject({ ok: true, identity: { sessionId: 's1', subject: goodClaims().sub } })
  })
})
