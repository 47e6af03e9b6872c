/** Claims that decide nothing by themselves reject no token: the identity leaves them out (RFC 7519 §4.1). */

import { createGate, type DecisionEvent, type Identity, jwt, maxAge, scope } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { identity, sign, verifier, verify } from '../../../support/claims.ts'
import { requestWith } from '../../../support/forge.ts'
import { createKey, ISSUER, NOW } from '../../../support/issuer.ts'

const ODD: readonly (readonly [string, unknown, keyof Identity, unknown])[] = [
  ['auth_time', '2026-01-01T00:00:00Z', 'authenticatedAt', undefined],
  ['auth_time', 1e15, 'authenticatedAt', undefined],
  ['auth_time', {}, 'authenticatedAt', undefined],
  ['sub', 42, 'subject', undefined],
  ['sub', '', 'subject', undefined],
  ['sub', ['emma'], 'subject', undefined],
  ['client_id', ['web'], 'clientId', undefined],
  ['azp', 7, 'clientId', undefined],
  ['jti', 7, 'tokenId', undefined],
  ['jti', '', 'tokenId', undefined],
  ['act', 'service', 'actor', undefined],
  ['act', ['service'], 'actor', undefined],
  ['acr', 2, 'acr', undefined],
  ['scope', { read: true }, 'scopes', []],
  ['scp', ['read', 7], 'scopes', []],
  ['permissions', 7, 'scopes', []],
  ['roles', { admin: true }, 'roles', []],
]

async function eventOf(claims: object, options: object = {}): Promise<DecisionEvent> {
  const events: DecisionEvent[] = []
  const gate = createGate({
    verifier: await verifier(),
    now: () => NOW * 1000,
    onDecision: (event) => events.push(event),
    ...options,
  })
  await gate.authenticate(requestWith(await sign(claims)))
  return events[0] as DecisionEvent
}

describe('a claim that decides nothing (FIELD08)', () => {
  it.each(ODD)(
    '%s of %j is left out of the identity, and stays in its claims',
    async (name, value, member, left) => {
      const made = await identity({ [name]: value })
      expect(made[member]).toEqual(left)
      expect(made.claims[name]).toEqual(value)
    },
  )

  it.each(ODD)('%s of %j is named to the operator', async (name, value) => {
    const { decision, ignoredClaims } = await eventOf({ [name]: value })
    expect([decision.ok, ignoredClaims]).toEqual([true, [name]])
  })

  it('is named together with all others, and nothing but names', async () => {
    const claims = Object.fromEntries(ODD.map(([name]) => [name, { secret: 'value' }]))
    const { ignoredClaims } = await eventOf({ ...claims, act: 'secret' })
    expect(ignoredClaims).toHaveLength(11)
    expect(JSON.stringify(ignoredClaims)).not.toMatch(/secret|value/)
    expect(Object.isFrozen(ignoredClaims)).toBe(true)
  })

  it('names an ignored claim again for a cached token, in any place', async () => {
    const events: DecisionEvent[] = []
    const gate = createGate({
      verifier: await verifier(),
      tokenFrom: { cookie: 'token' },
      now: () => NOW * 1000,
      onDecision: (event) => events.push(event),
    })
    const token = await sign({ auth_time: 'now' })
    for (const [name, value] of [
      ['authorization', `Bearer ${token}`],
      ['authorization', `Bearer ${token}`],
      ['cookie', `token=${token}`],
    ] as const)
      await gate.authenticate({ header: (field) => (field === name ? value : undefined) })
    expect(events.map(({ ignoredClaims }) => ignoredClaims)).toEqual(Array(3).fill(['auth_time']))
  })

  it('is not reported if it is null or has its form, nor with what a route needs', async () => {
    expect(
      (await eventOf({ auth_time: null, sub: null, scope: null, jti: null, act: null })).ignoredClaims,
    ).toBeUndefined()
    expect((await eventOf({ auth_time: NOW })).ignoredClaims).toBeUndefined()
    const events: DecisionEvent[] = []
    const gate = createGate({ verifier: await verifier(), onDecision: (event) => events.push(event) })
    gate.authorize(await identity({ auth_time: 'now', scope: 'read' }), scope('read'))
    expect(events).toMatchObject([{ stage: 'authorize', decision: { ok: true } }])
    expect(events[0]).not.toHaveProperty('ignoredClaims')
  })

  it('decides as soon as a requirement needs it', async () => {
    const stepUp = await eventOf({ auth_time: '2026-01-01T00:00:00Z' }, { requirement: maxAge(60) })
    expect(stepUp.decision).toMatchObject({ status: 401, reason: 'insufficient_user_authentication' })
    const lacking = await eventOf({ scope: { read: true } }, { requirement: scope('read') })
    expect(lacking.decision).toMatchObject({ status: 403, reason: 'insufficient_scope' })
  })

  it('decides as soon as an option asks for it', async () => {
    const claims = { auth_time: 'now' }
    const required = { auth_time: (value: unknown) => typeof value === 'number' }
    expect(await verify(claims, { requiredClaims: required })).toMatchObject({ reason: 'invalid_claim' })
    const key = await createKey()
    const strict = jwt({
      issuer: ISSUER,
      audience: null,
      keys: { keys: [{ ...key.jwk }] },
      profile: 'rfc9068',
      now: () => NOW * 1000,
    })
    for (const name of ['auth_time', 'sub', 'client_id', 'jti', 'act', 'scope'])
      expect(await strict.verify(await key.sign({ [name]: true }))).toMatchObject({
        reason: 'invalid_claim',
        detail: `${name} must have the form that the profile "rfc9068" requires`,
      })
  })

  it('grants nothing by another claim in its place', async () => {
    expect((await identity({ scope: 7, scp: 'admin', permissions: ['admin'] })).scopes).toEqual([])
  })
})

describe('a claim that decides (FIELD08)', () => {
  it.each([
    ['exp', '2026-01-01T01:00:00Z'],
    ['exp', null],
    ['nbf', '0'],
    ['iat', 'now'],
    ['aud', 7],
    ['cnf', 'key'],
    ['cnf', null],
  ])('%s of %j still rejects the token', async (name, value) => {
    expect(await verify({ [name]: value })).toMatchObject({ active: false, reason: 'invalid_claim' })
  })

  it('iss of another type still rejects the token', async () => {
    expect(await verify({ iss: [ISSUER] })).toMatchObject({ active: false, reason: 'issuer_mismatch' })
  })

  it('cnf still rejects a token that is bound to a key', async () => {
    expect((await eventOf({ cnf: { jkt: 'x' }, auth_time: 'now' })).decision).toMatchObject({
      reason: 'missing_proof',
    })
  })
})
