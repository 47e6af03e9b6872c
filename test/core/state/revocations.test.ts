/** What is revoked in this process, at once and for good, whatever is cached or under way. */

import {
  cached,
  createGate,
  type Identity,
  introspection,
  type Revocation,
  type TokenVerifier,
} from '@bearergate/core'
import { describe, expect, it, vi } from 'vitest'
import { sign, verifier } from '../../support/claims.ts'
import { AUDIENCE, createKey, ISSUER, NOW } from '../../support/issuer.ts'

const identity = (members: Partial<Identity> = {}): Identity => ({
  kind: 'jwt',
  subject: 'emma',
  issuer: 'https://id.example.com',
  tokenId: 'one',
  issuedAt: NOW - 10,
  audience: [],
  scopes: [],
  roles: [],
  claims: {},
  ...members,
})

const gateOf = (members: Partial<Identity> = {}, settings: object = {}) =>
  createGate({
    verifier: { verify: () => ({ active: true, identity: identity(members) }) },
    now: () => NOW * 1000,
    ...settings,
  })

const request = { header: (name: string) => (name === 'authorization' ? 'Bearer a-token' : undefined) }

describe('gate.revoke', () => {
  it.each<[string, Revocation, Partial<Identity>, boolean]>([
    ['the token', 'a-token', {}, true],
    ['another token', 'b-token', {}, false],
    ['its id', { tokenId: 'one' }, {}, true],
    ['its id, of its issuer', { tokenId: 'one', issuer: 'https://id.example.com' }, {}, true],
    ['its id, of another issuer', { tokenId: 'one', issuer: 'https://other.example.com' }, {}, false],
    ['another id', { tokenId: 'on' }, {}, false],
    ['an id where it has none', { tokenId: 'undefined' }, { tokenId: undefined }, false],
    ['all of the subject until now', { subject: 'emma' }, {}, true],
    ['all of the subject until now, for one from just now', { subject: 'emma' }, { issuedAt: NOW }, true],
    [
      'all of the subject until now, for one from 29 s ahead',
      { subject: 'emma' },
      { issuedAt: NOW + 29 },
      true,
    ],
    [
      'all of the subject until now, for one from 30 s ahead',
      { subject: 'emma' },
      { issuedAt: NOW + 30 },
      false,
    ],
    ['all of another subject', { subject: 'em' }, {}, false],
    [
      'all of the subject, of another issuer',
      { subject: 'emma', issuer: 'https://other.example.com' },
      {},
      false,
    ],
    ['all before it was issued', { subject: 'emma', issuedBefore: NOW - 10 }, {}, false],
    ['all before later', { subject: 'emma', issuedBefore: NOW - 9 }, {}, true],
    [
      'all, for one that does not say when it was issued',
      { subject: 'emma', issuedBefore: 1 },
      { issuedAt: undefined },
      true,
    ],
    ['an id and an issuer that read like one id', { tokenId: 'one","https://id.example.com' }, {}, false],
  ])('of %s', async (_, revocation, members, revoked) => {
    const gate = gateOf(members)
    expect(gate.authenticate(request)).toMatchObject({ ok: true })
    await gate.revoke(revocation)
    expect(await gate.authenticate(request)).toMatchObject(
      revoked ? { status: 401, reason: 'revoked' } : { ok: true },
    )
    expect(gate.describe()).toMatchObject({ revocations: 1 })
  })

  it('the revocation of a JWT matches each of its signatures: ECDSA has two (FX53)', async () => {
    const key = await createKey('ES256')
    const token = await key.sign()
    const [header, payload, signature = ''] = token.split('.')
    const bytes = Buffer.from(signature, 'base64url')
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
    const s = order - BigInt(`0x${bytes.subarray(32).toString('hex')}`)
    const other = Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')])
    const gate = createGate({
      issuer: ISSUER,
      audience: AUDIENCE,
      keys: { keys: [key.jwk as never] },
      now: () => NOW * 1000,
    })
    const ask = (text: string) => gate.authenticate({ header: () => `Bearer ${text}` })
    const twin = `${header}.${payload}.${other.toString('base64url')}`
    expect(await ask(twin)).toMatchObject({ ok: true })
    await gate.revoke(token)
    expect(await ask(token)).toMatchObject({ reason: 'revoked' })
    expect(await ask(twin)).toMatchObject({ reason: 'revoked' })
    expect(await ask(await key.sign({ jti: 'two' }))).toMatchObject({ ok: true })
  })

  describe('of a claim that is a number', () => {
    const BIG = '1234567890123456789'
    const ROUNDED = Number(BIG)
    /** Leaves out every claim that it does not know, as objects of zod do. */
    const tenantOnly = {
      '~standard': { version: 1, vendor: 'test', validate: () => ({ value: { tenant: 'a' } }) },
    } as const

    it.each<[string, Revocation, object, boolean]>([
      ['its id', { tokenId: '123' }, { jti: 123 }, true],
      ['its id 0', { tokenId: '0' }, { jti: 0 }, true],
      ['another id', { tokenId: '12' }, { jti: 123 }, false],
      ['its subject', { subject: '42' }, { sub: 42 }, true],
      ['its subject, of its issuer', { subject: '42', issuer: ISSUER }, { sub: 42 }, true],
      ['its subject, of another issuer', { subject: '42', issuer: 'urn:other' }, { sub: 42 }, false],
      ['its id above 2^53', { tokenId: BIG }, { jti: ROUNDED }, true],
      ['its subject above 2^53', { subject: BIG }, { sub: ROUNDED }, true],
      ['its subject above 2^53, of its issuer', { subject: BIG, issuer: ISSUER }, { sub: ROUNDED }, true],
      ['the text of its rounded subject', { subject: String(ROUNDED) }, { sub: ROUNDED }, true],
      ['2^53 + 1, which is rounded to 2^53', { subject: '9007199254740993' }, { sub: 2 ** 53 }, true],
      ['a subject above 2^53, of another issuer', { subject: BIG, issuer: 'urn:b' }, { sub: ROUNDED }, false],
      ['another subject above 2^53', { subject: '1234567890123459999' }, { sub: ROUNDED }, false],
      ['a text that is rounded to the same number', { subject: BIG }, { sub: `${BIG.slice(0, -1)}8` }, false],
    ])('rejects the token, or not: %s', async (_, revocation, claims, revoked) => {
      for (const schema of [undefined, tenantOnly])
        for (const [tokenFrom, name] of [
          [undefined, 'authorization'],
          [{ cookie: 'session' }, 'cookie'],
        ] as const) {
          const gate = createGate({ verifier: await verifier({ claims: schema }), tokenFrom })
          const token = await sign(claims)
          const value = name === 'cookie' ? `session=${token}` : `Bearer ${token}`
          const ask = () => gate.authenticate({ header: (field) => (field === name ? value : undefined) })
          expect(await ask()).toMatchObject({ ok: true })
          await gate.revoke(revocation)
          expect(await ask()).toMatchObject(revoked ? { status: 401, reason: 'revoked' } : { ok: true })
        }
    })

    it('rejects an introspected token whose issuer is not known: a subject above 2^53', async () => {
      const gate = createGate({
        verifier: introspection({
          endpoint: 'https://id.example.com/introspect',
          clientId: 'api',
          clientSecret: 'secret',
          audience: null,
          fetch: async () => Response.json({ active: true, sub: ROUNDED }),
        }),
      })
      expect(await gate.authenticate(request)).toMatchObject({ ok: true })
      await gate.revoke({ subject: BIG, issuer: ISSUER })
      expect(await gate.authenticate(request)).toMatchObject({ reason: 'revoked' })
    })
  })

  it('of a token with two dots that is no JWT is of that one alone', async () => {
    const gate = gateOf()
    await gate.revoke('v1.emma.one')
    expect(await gate.authenticate({ header: () => 'Bearer v1.emma.one' })).toMatchObject({
      reason: 'revoked',
    })
    expect(await gate.authenticate({ header: () => 'Bearer v1.emma.two' })).toMatchObject({ ok: true })
  })

  it('keeps the later of two points in time', async () => {
    const gate = gateOf()
    await gate.revoke({ subject: 'emma', issuedBefore: NOW })
    await gate.revoke({ subject: 'emma', issuedBefore: 1 })
    expect(gate.authenticate(request)).toMatchObject({ reason: 'revoked' })
  })

  it('a revocation takes effect at once: before its promise settles, for cached results, and for pending verifications (FX53)', async () => {
    let finish = () => {}
    const pending = new Promise<void>((resolve) => {
      finish = resolve
    })
    const verify = vi.fn<TokenVerifier['verify']>(async () => {
      await pending
      return { active: true, identity: identity() }
    })
    const gate = createGate({ verifier: cached({ verify }, { ttl: 60 }) })
    const underWay = gate.authenticate(request)
    void gate.revoke('a-token')
    finish()
    expect(await underWay).toMatchObject({ reason: 'revoked' })
    expect(await gate.authenticate(request)).toMatchObject({ reason: 'revoked' })
    expect(verify).toHaveBeenCalledTimes(1)
  })

  it('the store is asked after isRevoked, so a revocation during isRevoked takes effect', async () => {
    let finish = (_revoked: boolean) => {}
    const isRevoked = () =>
      new Promise<boolean>((resolve) => {
        finish = resolve
      })
    const gate = gateOf({}, { isRevoked })
    const underWay = gate.authenticate(request)
    void gate.revoke({ tokenId: 'one' })
    finish(false)
    expect(await underWay).toMatchObject({ reason: 'revoked' })
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['a token with its scheme', 'Bearer a-token'],
    ['null', null],
    ['an empty text', ''],
    ['a number', 7],
    ['a list', ['a']],
    ['an empty object', {}],
    ['an id that is no text', { tokenId: 7 }],
    ['an empty id', { tokenId: '' }],
    ['an id and a subject', { tokenId: 'a', subject: 'b' }],
    ['an id and a time', { tokenId: 'a', issuedBefore: 5 }],
    ['a time alone', { issuedBefore: 5 }],
    ['a time in milliseconds', { subject: 'a', issuedBefore: NOW * 1000 }],
    ['a date', { subject: 'a', issuedBefore: new Date() }],
    ['an empty issuer', { subject: 'a', issuer: '' }],
    ['an unknown member', { jti: 'a' }],
  ])('rejects %s with a TypeError (BI20)', async (_, revocation) => {
    const gate = gateOf()
    await expect(gate.revoke(revocation as never)).rejects.toThrow(TypeError)
    expect(gate.authenticate(request)).toMatchObject({ ok: true })
  })
})
