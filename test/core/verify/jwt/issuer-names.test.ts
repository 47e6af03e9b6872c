/** Issuers that are names, and tokens that name none (RFC 7519 §4.1.1). */

import { chain, createGate, jwt, multiIssuerJwt } from '@bearergate/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { requestWith } from '../../../support/forge.ts'
import { AUDIENCE, createKey, ISSUER, NOW, type TestKey } from '../../../support/issuer.ts'

const now = () => NOW * 1000
let key: TestKey
let keys: { keys: readonly Readonly<Record<string, unknown>>[] }
beforeAll(async () => {
  key = await createKey('ES256')
  keys = { keys: [{ ...key.jwk }] }
})

const jwksUri = 'https://keys.example.com/jwks'
const served = async () => Response.json(keys)

describe('an issuer that is a name (FIELD07)', () => {
  it.each([
    'http://sts.corp.example/adfs/services/trust',
    'api.example.com',
    'urn:example:issuer',
    'https://id.example.com/?tenant=a',
    'https://ID.example.com',
    'joe',
  ])('%s is compared exactly if its keys are given or fetched elsewhere', async (issuer) => {
    for (const source of [{ keys }, { jwksUri, fetch: served }]) {
      const verifier = jwt({ issuer, audience: AUDIENCE, now, ...source })
      expect(await verifier.verify(await key.sign({ iss: issuer }))).toMatchObject({
        active: true,
        identity: { issuer },
      })
      for (const iss of [`${issuer}/`, issuer.toUpperCase(), ISSUER, ''])
        expect(await verifier.verify(await key.sign({ iss }))).toMatchObject({ reason: 'issuer_mismatch' })
    }
  })

  it.each(['http://sts.corp.example/adfs/services/trust', 'joe', 'urn:example:issuer'])(
    '%s throws at creation if its keys are discovered, with and without keys beside',
    (issuer) => {
      for (const source of [{}, { keys, discovery: true } as const]) {
        const create = () => jwt({ issuer, audience: AUDIENCE, ...source })
        expect(create).toThrow(TypeError)
        expect(create).toThrow(/"issuer" must be an https URL.*"jwksUri" or "keys"/)
      }
    },
  )
})

describe('issuer: null (FIELD22)', () => {
  const verifier = () => jwt({ issuer: null, audience: AUDIENCE, keys, now })

  it('accepts a token without iss, and its identity has no issuer', async () => {
    const result = await verifier().verify(await key.sign({ iss: undefined }))
    expect(result).toMatchObject({ active: true, identity: { subject: 'emma', source: { verifier: 'jwt' } } })
    expect(result.active && result.identity.issuer).toBeUndefined()
  })

  it.each([ISSUER, '', 'null', null, 7, []])('rejects a token whose iss is %j', async (iss) => {
    expect(await verifier().verify(await key.sign({ iss }))).toMatchObject({
      active: false,
      reason: 'issuer_mismatch',
      detail: expect.stringContaining('but "issuer" is null'),
    })
  })

  it('relaxes nothing else', async () => {
    const other = await createKey('ES256')
    for (const [token, reason] of [
      [await key.sign({ iss: undefined, aud: 'other' }), 'audience_mismatch'],
      [await key.sign({ iss: undefined, exp: NOW - 60 }), 'expired'],
      [await key.sign({ iss: undefined, exp: undefined }), 'missing_claim'],
      [await key.sign({ iss: undefined, nonce: 'n' }, { typ: 'JWT' }), 'not_an_access_token'],
      [await other.sign({ iss: undefined }), 'invalid_signature'],
      [`${await key.sign({ iss: undefined })}=`, 'malformed_token'],
    ] as const)
      expect(await verifier().verify(token)).toMatchObject({ active: false, reason })
  })

  it('rejects a token without iss if an issuer is configured', async () => {
    const named = jwt({ issuer: ISSUER, audience: AUDIENCE, keys, now })
    expect(await named.verify(await key.sign({ iss: undefined }))).toMatchObject({
      reason: 'missing_claim',
      detail: 'iss is missing, but the option "issuer" requires it',
    })
  })

  it('is shown by describe(), and names no authorization server in the metadata', () => {
    expect(verifier().describe?.()).toMatchObject({ kind: 'jwt', issuer: null })
    expect(verifier().issuers).toEqual([])
  })

  it('a verifier with issuer null works beside one of an issuer in a chain', async () => {
    const theirs = await createKey('ES256', 'theirs')
    const gate = createGate({
      verifier: chain(
        jwt({ issuer: ISSUER, audience: AUDIENCE, keys: { keys: [{ ...theirs.jwk }] }, now }),
        verifier(),
      ),
      now,
    })
    const told = async (token: string) => {
      const decision = await gate.authenticate(requestWith(token))
      return decision.ok ? 'ok' : decision.reason
    }
    expect(await told(await key.sign({ iss: undefined }))).toBe('ok')
    expect(await told(await theirs.sign())).toBe('ok')
    expect(await told(await key.sign())).toBe('unknown_key')
    expect(await told(await theirs.sign({ iss: undefined }))).toBe('unknown_key')
    expect(await told(await key.sign({ iss: 'https://evil.example.com' }))).not.toBe('ok')
  })

  it('revokes by the id of a token', async () => {
    const gate = createGate({ issuer: null, audience: AUDIENCE, keys, now })
    const token = await key.sign({ iss: undefined })
    expect(await gate.authenticate(requestWith(token))).toMatchObject({ ok: true })
    await gate.revoke({ tokenId: 'token-1' })
    expect(await gate.authenticate(requestWith(token))).toMatchObject({ ok: false, reason: 'revoked' })
  })

  it.each([
    ['no keys', () => ({})],
    ['fetched keys', () => ({ jwksUri })],
    ['keys beside fetched ones', () => ({ keys, jwksUri })],
    ['keys beside discovered ones', () => ({ keys, discovery: true })],
    ['the profile rfc9068', () => ({ keys, profile: 'rfc9068' })],
  ])('throws at creation with %s', (_, options) => {
    const create = () => jwt({ issuer: null, audience: AUDIENCE, ...options() } as never)
    expect(create).toThrow(TypeError)
    expect(create).toThrow('"issuer"')
  })

  it('throws at creation in multiIssuerJwt, and is 503 from its function', async () => {
    expect(() => multiIssuerJwt([{ issuer: null, audience: AUDIENCE, keys }])).toThrow(
      /"issuer" must not be null/,
    )
    const verifier = multiIssuerJwt(() => ({ issuer: null, audience: AUDIENCE, keys }), { now })
    await expect(async () => verifier.verify(await key.sign())).rejects.toThrow(
      'must return options with the "issuer" that it was called with',
    )
  })
})
