/** Access tokens of Okta's custom authorization servers. */

import { okta } from '@bearergate/core/presets'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKey, type TestKey } from '../../support/issuer.ts'
import {
  type Claims,
  identityOf,
  now,
  outcome,
  type Provider,
  rsaKey,
  sign,
  startProvider,
} from './provider.ts'

const DOMAIN = 'dev-1234.okta.com'
const ISSUER = `https://${DOMAIN}/oauth2/default`
const OTHER = `https://${DOMAIN}/oauth2/aus9s3ami4MXPMEyi0h7`
const AUDIENCE = 'api://default'

const ACCESS: Claims = {
  ver: 1,
  jti: 'AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE',
  iss: ISSUER,
  aud: AUDIENCE,
  sub: 'emma@example.com',
  cid: 'nmdP1fcyvdVO11AL7ECm',
  uid: '00ujmkLgagxeRrAg20g3',
  scp: ['openid', 'messages:read'],
  groups: ['Everyone', 'Night Shift'],
}
const ID: Claims = {
  ver: 1,
  jti: 'ID.ewMNfSvcpuqyS93OgVeCN3F2LseqROkyYjz7DNb9yhs',
  iss: ISSUER,
  aud: AUDIENCE,
  sub: '00ujmkLgagxeRrAg20g3',
  idp: '00o1mkLgagxeRrAg20g3',
  amr: ['pwd'],
  auth_time: 1767225500,
}

let key: TestKey
let ec: TestKey
let provider: Provider

beforeAll(async () => {
  ;[key, ec] = await Promise.all([rsaKey(), createKey('ES256')])
  provider = await startProvider({ [`${ISSUER}/v1/keys`]: [key, ec], [`${OTHER}/v1/keys`]: [key] })
})
afterAll(() => provider.close())

const verifier = (options: object = {}) =>
  okta({ domain: DOMAIN, audience: AUDIENCE, fetch: provider.fetch, now, ...options })

describe('okta', () => {
  it('accepts an access token, by the keys of the authorization server', async () => {
    const from = provider.asked.length
    expect(await identityOf(verifier(), await sign(key, ACCESS, { typ: undefined }))).toMatchObject({
      kind: 'jwt',
      issuer: ISSUER,
      subject: 'emma@example.com',
      clientId: ACCESS.cid,
      audience: [AUDIENCE],
      scopes: ['openid', 'messages:read'],
      roles: ['Everyone', 'Night Shift'],
      tokenId: ACCESS.jti,
    })
    expect(provider.asked.slice(from)).toEqual([`${ISSUER}/v1/keys`])
  })

  it('accepts the token of a machine, which has no user and no groups', async () => {
    const claims = { ...ACCESS, sub: ACCESS.cid, uid: undefined, groups: undefined }
    expect((await identityOf(verifier(), await sign(key, claims))).roles).toEqual([])
  })

  it('accepts the tokens of the configured authorization server', async () => {
    const other = verifier({ authorizationServer: 'aus9s3ami4MXPMEyi0h7' })
    expect(await outcome(other, await sign(key, { ...ACCESS, iss: OTHER }))).toBe('active')
    expect(provider.asked.at(-1)).toBe(`${OTHER}/v1/keys`)
    expect(await outcome(other, await sign(key, ACCESS))).toBe('issuer_mismatch')
  })

  it('accepts only the tokens of the configured clients, if there are any', async () => {
    const token = await sign(key, ACCESS)
    expect(await outcome(verifier({ clientId: ['another', ACCESS.cid] }), token)).toBe('active')
    expect(await outcome(verifier({ clientId: 'another' }), token)).toBe('invalid_claim: cid')
  })

  it.each<[string, Claims, string]>([
    ['an ID token for the same audience', ID, 'missing_claim: cid'],
    [
      'an ID token with a nonce',
      { ...ID, nonce: 'n' },
      'not_an_access_token: it has the claim "nonce", which marks another kind of token',
    ],
    [
      'an ID token with a hash',
      { ...ID, at_hash: 'h' },
      'not_an_access_token: it has the claim "at_hash", which marks another kind of token',
    ],
    ['a client without a name', { ...ACCESS, cid: '' }, 'invalid_claim: cid'],
    ['another server', { ...ACCESS, iss: OTHER }, 'issuer_mismatch'],
    ['the organization’s server', { ...ACCESS, iss: `https://${DOMAIN}` }, 'issuer_mismatch'],
    ['another organization', { ...ACCESS, iss: 'https://evil.okta.com/oauth2/default' }, 'issuer_mismatch'],
    ['another audience', { ...ACCESS, aud: 'api://other' }, 'audience_mismatch'],
  ])('rejects %s', async (_what, claims, reason) => {
    expect(await outcome(verifier(), await sign(key, claims))).toBe(reason)
  })

  it('rejects a token of the organization’s server by its type as well', async () => {
    const internal = await sign(key, ACCESS, { typ: 'application/okta-internal-at+jwt' })
    expect(await outcome(verifier(), internal)).toBe(
      'not_an_access_token: typ is "application/okta-internal-at+jwt", allowed are "jwt", "at+jwt", or no typ',
    )
  })

  it('rejects another algorithm and another key', async () => {
    expect(await outcome(verifier(), await sign(ec, ACCESS))).toBe('algorithm_not_allowed')
    expect(await outcome(verifier(), await sign(await rsaKey(), ACCESS))).toBe('invalid_signature')
  })
})
