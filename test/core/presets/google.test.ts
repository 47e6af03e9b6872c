/** ID tokens that Google signs for service accounts, which everyone can get for any audience. */

import { google } from '@bearergate/core/presets'
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

const KEYS = 'https://www.googleapis.com/oauth2/v3/certs'
const AUDIENCE = 'https://messages-abc-ew.a.run.app'
const CALLER = 'caller@acme-prod.iam.gserviceaccount.com'

const SERVICE: Claims = {
  iss: 'https://accounts.google.com',
  aud: AUDIENCE,
  azp: '115600943120287654321',
  sub: '115600943120287654321',
  email: CALLER,
  email_verified: true,
}
const USER: Claims = { ...SERVICE, email: 'emma@example.com', hd: 'example.com' }

let key: TestKey
let ec: TestKey
let provider: Provider

beforeAll(async () => {
  ;[key, ec] = await Promise.all([rsaKey(), createKey('ES256')])
  provider = await startProvider({ [KEYS]: [key, ec] })
})
afterAll(() => provider.close())

const verifier = (options: object = {}) =>
  google({ audience: AUDIENCE, serviceAccounts: [CALLER], fetch: provider.fetch, now, ...options })

describe('google', () => {
  it('accepts the ID token of a service account, by the keys of Google', async () => {
    const from = provider.asked.length
    expect(await identityOf(verifier(), await sign(key, SERVICE))).toMatchObject({
      kind: 'jwt',
      issuer: 'https://accounts.google.com',
      subject: SERVICE.sub,
      clientId: SERVICE.azp,
      audience: [AUDIENCE],
      scopes: [],
      roles: [],
      claims: { email: CALLER },
    })
    expect(provider.asked.slice(from)).toEqual([KEYS])
  })

  it('accepts one address like a list with one entry', async () => {
    expect(await outcome(verifier({ serviceAccounts: CALLER }), await sign(key, SERVICE))).toBe('active')
  })

  it.each<[string, Claims, string]>([
    ['another account', { ...SERVICE, email: 'evil@evil.iam.gserviceaccount.com' }, 'invalid_claim: email'],
    ['no address', { ...SERVICE, email: undefined }, 'missing_claim: email'],
    [
      'an address that is not verified',
      { ...SERVICE, email_verified: false },
      'invalid_claim: email_verified',
    ],
    ['a verification in words', { ...SERVICE, email_verified: 'true' }, 'invalid_claim: email_verified'],
    ['no verification', { ...SERVICE, email_verified: undefined }, 'missing_claim: email_verified'],
    ['another service', { ...SERVICE, aud: 'https://other-abc-ew.a.run.app' }, 'audience_mismatch'],
    ['an issuer without scheme', { ...SERVICE, iss: 'accounts.google.com' }, 'issuer_mismatch'],
    ['what an account signed itself', { ...SERVICE, iss: CALLER }, 'issuer_mismatch'],
    ['a token of Firebase', { ...SERVICE, iss: 'https://securetoken.google.com/acme' }, 'issuer_mismatch'],
    [
      'the ID token of a sign-in',
      { ...SERVICE, at_hash: 'h' },
      'not_an_access_token: it has the claim "at_hash", which marks another kind of token',
    ],
  ])('rejects %s', async (_what, claims, reason) => {
    expect(await outcome(verifier(), await sign(key, claims))).toBe(reason)
  })

  it('accepts only the accounts of a Workspace if one is configured', async () => {
    for (const serviceAccounts of [undefined, null]) {
      const workspace = verifier({ serviceAccounts, hostedDomain: 'example.com' })
      expect(await outcome(workspace, await sign(key, USER))).toBe('active')
      expect(await outcome(workspace, await sign(key, { ...USER, hd: 'evil.com' }))).toBe('invalid_claim: hd')
      expect(await outcome(workspace, await sign(key, SERVICE))).toBe('missing_claim: hd')
    }
  })

  it('requires both the address and the Workspace if both are configured', async () => {
    const both = verifier({ serviceAccounts: ['emma@example.com'], hostedDomain: 'example.com' })
    expect(await outcome(both, await sign(key, USER))).toBe('active')
    expect(await outcome(both, await sign(key, { ...USER, email: 'max@example.com' }))).toBe(
      'invalid_claim: email',
    )
  })

  it('accepts every account only if the option is null', async () => {
    expect(await outcome(verifier({ serviceAccounts: null }), await sign(key, USER))).toBe('active')
    for (const serviceAccounts of [undefined, '', [], false, 0, {}])
      expect(() => verifier({ serviceAccounts })).toThrow(/"serviceAccounts"/)
  })

  it('rejects another algorithm and another key', async () => {
    expect(await outcome(verifier(), await sign(ec, SERVICE))).toBe('algorithm_not_allowed')
    expect(await outcome(verifier(), await sign(await rsaKey(), SERVICE))).toBe('invalid_signature')
  })
})
