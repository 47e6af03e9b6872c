/** Known tokens: asked for by their hash before their text is looked at, and judged like any other. */

import {
  cached,
  chain,
  createGate,
  type Gate,
  generateToken,
  hashToken,
  type Identity,
  jwt,
  opaque,
  type RequestLike,
  staticTokens,
  type TokenVerifier,
} from '@bearergate/core'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { AUDIENCE, createKey, ISSUER, NOW, type TestKey } from '../../support/issuer.ts'

const now = () => NOW * 1000
let key: TestKey
let token: string
beforeAll(async () => {
  key = await createKey('ES256')
  token = await key.sign()
})

const ofIssuer = () => jwt({ issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk as never] }, now })
const view = (
  headers: Readonly<Record<string, string | readonly string[]>>,
  more: object = {},
): RequestLike => ({
  header: (name) => headers[name],
  ...more,
})
const withToken = (text: string) => view({ authorization: `Bearer ${text}` })

describe('a known token', () => {
  it('is recalled by its hash alone, and nothing else is', async () => {
    const verifier = ofIssuer()
    const hash = await hashToken(token)
    expect(verifier.getCached?.(hash)).toBeUndefined()
    const verification = await verifier.verify(token)
    expect(verifier.getCached?.(hash)).toBe(verification)
    expect(verifier.getCached?.(token)).toBeUndefined()
    expect(verifier.getCached?.(await hashToken(`${token}A`))).toBeUndefined()
  })

  it('rejects a cached token in two lines, in a joined line, and in two places (A03, B07)', async () => {
    const known = createGate({ verifier: ofIssuer() })
    await known.authenticate(withToken(token))
    expect(await known.authenticate(withToken(token))).toMatchObject({ ok: true })
    for (const authorization of [
      [`Bearer ${token}`, `Bearer ${token}`],
      `Bearer ${token}, Bearer ${token}`,
      `Bearer ${token} `,
      `Bearer ${token},`,
    ])
      expect(await known.authenticate(view({ authorization }))).toMatchObject({ ok: false, status: 400 })
    const places = createGate({ verifier: ofIssuer(), tokenFrom: { query: true } })
    expect(await places.authenticate(withToken(token))).toMatchObject({ ok: true })
    const twice = view({ authorization: `Bearer ${token}` }, { url: `/?access_token=${token}` })
    expect(await places.authenticate(twice)).toMatchObject({ reason: 'multiple_credentials' })
  })

  it('accepts a cached token with other spellings of the scheme, and with more spaces', async () => {
    const gate = createGate({ verifier: ofIssuer() })
    await gate.authenticate(withToken(token))
    for (const authorization of [`bearer ${token}`, `BEARER   ${token}`, `Bearer  ${token}`])
      expect(await gate.authenticate(view({ authorization }))).toMatchObject({ ok: true })
  })

  it('rejects a cached token that came without TLS (A15)', async () => {
    const gate = createGate({ verifier: ofIssuer(), requireTls: true })
    const over = (secure: boolean) => view({ authorization: `Bearer ${token}` }, { secure })
    expect(await gate.authenticate(over(true))).toMatchObject({ ok: true })
    expect(await gate.authenticate(over(false))).toMatchObject({ reason: 'insecure_transport' })
  })

  it('is revoked by its text, and by isRevoked (FX53)', async () => {
    let isRevoked = false
    const gate = createGate({ verifier: ofIssuer(), isRevoked: () => isRevoked })
    await gate.authenticate(withToken(token))
    expect(await gate.authenticate(withToken(token))).toMatchObject({ ok: true })
    isRevoked = true
    expect(await gate.authenticate(withToken(token))).toMatchObject({ reason: 'revoked' })
    isRevoked = false
    await gate.revoke(token)
    expect(await gate.authenticate(withToken(token))).toMatchObject({ reason: 'revoked' })
  })

  it.each(
    (['requirement', 'loadUser'] as const).flatMap((option) =>
      (['its text', 'its subject', 'nothing', 'its end'] as const).map((what) => [what, option] as const),
    ),
  )('is rejected if %s is revoked or passes while %s is pending (FX53)', async (what, option) => {
    let time = NOW * 1000
    const during = async () => {
      await new Promise((resolve) => setImmediate(resolve))
      if (what === 'its text') await gate.revoke(token)
      if (what === 'its subject') await gate.revoke({ subject: 'emma' })
      if (what === 'its end') time += 86_400_000
      return option === 'loadUser' ? {} : true
    }
    const gate: Gate = createGate({ verifier: ofIssuer(), [option]: during, now: () => time })
    const decision = await gate.authenticate(withToken(token))
    const expected = { 'its end': 'expired', nothing: undefined }[what as string]
    expect(decision.ok ? undefined : decision.reason).toBe(
      what in { 'its end': 0, nothing: 0 } ? expected : 'revoked',
    )
  })

  it('a chain returns the cached result of the member that verified the token', async () => {
    const session = generateToken('acme')
    const lookup = vi.fn(() => ({ subject: 'session' }))
    const gate = createGate({
      verifier: chain(
        ofIssuer(),
        opaque({ prefix: 'acme', lookup, cache: { ttl: 60 }, now }),
        staticTokens([{ token: 'fixed-token', subject: 'service' }]),
      ),
    })
    await gate.authenticate(withToken(token))
    await gate.authenticate(withToken(session))
    expect(await gate.authenticate(withToken(token))).toMatchObject({ identity: { kind: 'jwt' } })
    expect(await gate.authenticate(withToken(session))).toMatchObject({ identity: { kind: 'opaque' } })
    expect(await gate.authenticate(withToken('fixed-token'))).toMatchObject({ identity: { kind: 'static' } })
    expect(lookup).toHaveBeenCalledTimes(1)
  })
})

it('a chain ignores the cached result of a member for a token that another one claims (M01)', async () => {
  const other: Identity = {
    kind: 'opaque',
    subject: 'other',
    audience: [],
    scopes: [],
    roles: [],
    claims: {},
  }
  const anything = cached({ verify: () => ({ active: true, identity: other }) }, { ttl: 60 })
  await anything.verify(await key.sign({ aud: 'https://other.example.com' }))
  const foreign = await key.sign({ aud: 'https://other.example.com', jti: 'two' })
  await anything.verify(foreign)
  const gate = createGate({ verifier: chain(ofIssuer(), anything) })
  expect(await gate.authenticate(withToken(foreign))).toMatchObject({ reason: 'audience_mismatch' })
})

describe('a verifier of the application, if digests are computed at once', () => {
  const identity: Identity = { kind: 'opaque', audience: [], scopes: [], roles: [], claims: {} }

  it('receives the hash of the token if it is known, and never that of another text', async () => {
    const verify = vi.fn<TokenVerifier['verify']>(() => ({ active: true, identity }))
    const gate = createGate({ verifier: { verify, getCached: () => undefined } })
    const hash = await hashToken('abc')
    for (const authorization of ['Bearer abc', 'Bearer  abc', 'bearer abc'])
      await gate.authenticate(view({ authorization }))
    expect(verify.mock.calls.map(([token, presented]) => [token, presented?.hash])).toEqual([
      ['abc', hash],
      ['abc', hash],
      ['abc', hash],
    ])
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    ['gives something else', () => 'yes'],
  ])('whose getCached %s is answered 503 (FX56)', (_, getCached) => {
    const gate = createGate({ verifier: { verify: () => ({ active: true, identity }), getCached } as never })
    expect(gate.authenticate(withToken('abc'))).toMatchObject({ ok: false, status: 503 })
  })

  it('returns its cached results by the hash that it receives', async () => {
    const verify = vi.fn<TokenVerifier['verify']>(() => ({ active: true, identity }))
    const gate = createGate({ verifier: cached({ verify }, { ttl: 60 }) })
    for (let turn = 0; turn < 3; turn += 1) await gate.authenticate(withToken('abc'))
    expect(verify.mock.calls.map(([token, presented]) => [token, presented?.hash])).toEqual([
      ['abc', await hashToken('abc')],
    ])
  })
})
