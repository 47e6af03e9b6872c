/** Access tokens of Cognito, which have no audience as a rule, and its ID tokens, which do. */

import { cognito } from '@bearergate/core/presets'
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

const POOL = 'eu-central-1_AbCdEf123'
const ISSUER = `https://cognito-idp.eu-central-1.amazonaws.com/${POOL}`
const UPDATED = `https://issuer-cognito-idp.eu-central-1.amazonaws.com/${POOL}`
const CLIENT = '1example23456789'

const ACCESS: Claims = {
  sub: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
  'cognito:groups': ['admins', 'night shift'],
  iss: ISSUER,
  version: 2,
  client_id: CLIENT,
  origin_jti: 'aaaaaaaa-bbbb-cccc-dddd-ffffffffffff',
  event_id: '64f513be-32db-42b0-b78e-b02127b4f463',
  token_use: 'access',
  scope: 'phone openid messages/read',
  auth_time: 1767225500,
  jti: 'aaaaaaaa-bbbb-cccc-dddd-000000000000',
  username: 'emma',
}
const ID: Claims = {
  sub: ACCESS.sub,
  'cognito:groups': ['admins'],
  iss: ISSUER,
  aud: CLIENT,
  'cognito:username': 'emma',
  token_use: 'id',
  email: 'emma@example.com',
}

let key: TestKey
let ec: TestKey
let provider: Provider

beforeAll(async () => {
  ;[key, ec] = await Promise.all([rsaKey(), createKey('ES256')])
  provider = await startProvider({
    [`${ISSUER}/.well-known/jwks.json`]: [key, ec],
    [`${UPDATED}/.well-known/jwks.json`]: [key],
  })
})
afterAll(() => provider.close())

const verifier = (options: object = {}) =>
  cognito({ userPoolId: POOL, clientId: CLIENT, fetch: provider.fetch, now, ...options })

describe('cognito', () => {
  it('accepts an access token, by the keys of the pool', async () => {
    const from = provider.asked.length
    expect(await identityOf(verifier(), await sign(key, ACCESS, { typ: undefined }))).toMatchObject({
      kind: 'jwt',
      issuer: ISSUER,
      subject: ACCESS.sub,
      clientId: CLIENT,
      audience: [],
      scopes: ['phone', 'openid', 'messages/read'],
      roles: ['admins', 'night shift'],
      tokenId: ACCESS.jti,
      authenticatedAt: ACCESS.auth_time,
    })
    expect(provider.asked.slice(from)).toEqual([`${ISSUER}/.well-known/jwks.json`])
  })

  it('accepts the token of a machine, which has no groups', async () => {
    const claims = { ...ACCESS, sub: CLIENT, username: undefined, 'cognito:groups': undefined }
    expect((await identityOf(verifier(), await sign(key, claims))).roles).toEqual([])
  })

  it('accepts the tokens of each of its clients', async () => {
    const clientId = ['another', CLIENT]
    expect(await outcome(verifier({ clientId }), await sign(key, ACCESS))).toBe('active')
    expect(await outcome(verifier({ clientId: ['another'] }), await sign(key, ACCESS))).toBe(
      'invalid_claim: client_id',
    )
  })

  it('accepts the issuer that the pool is configured for, and not the other one', async () => {
    const updated = verifier({ issuerType: 'updated' })
    const from = provider.asked.length
    expect(await outcome(updated, await sign(key, { ...ACCESS, iss: UPDATED }))).toBe('active')
    expect(provider.asked.slice(from)).toEqual([`${UPDATED}/.well-known/jwks.json`])
    expect(await outcome(updated, await sign(key, ACCESS))).toMatch(/^issuer_mismatch/)
    expect(await outcome(verifier(), await sign(key, { ...ACCESS, iss: UPDATED }))).toMatch(
      /^issuer_mismatch/,
    )
  })

  it('requires the resource as well if one is configured', async () => {
    const audience = 'https://api.example.com'
    const bound = verifier({ audience })
    expect(await outcome(bound, await sign(key, { ...ACCESS, aud: audience }))).toBe('active')
    expect(await outcome(bound, await sign(key, ACCESS))).toBe('missing_claim: aud')
    expect(await outcome(bound, await sign(key, { ...ACCESS, aud: 'https://b.example.com' }))).toBe(
      'audience_mismatch',
    )
    expect(await outcome(bound, await sign(key, { ...ACCESS, aud: audience, client_id: 'evil' }))).toBe(
      'invalid_claim: client_id',
    )
  })

  it.each<[string, Claims, string]>([
    ['an ID token', ID, 'not_an_access_token: the claim "token_use" is "id"'],
    [
      'an ID token that names its client',
      { ...ID, client_id: CLIENT },
      'not_an_access_token: the claim "token_use" is "id"',
    ],
    [
      'another use',
      { ...ACCESS, token_use: 'refresh' },
      'not_an_access_token: the claim "token_use" is "refresh"',
    ],
    ['no use', { ...ACCESS, token_use: undefined }, 'missing_claim: token_use'],
    ['another client', { ...ACCESS, client_id: 'evil' }, 'invalid_claim: client_id'],
    ['no client', { ...ACCESS, client_id: undefined }, 'missing_claim: client_id'],
    ['a client in aud alone', { ...ACCESS, client_id: undefined, aud: CLIENT }, 'missing_claim: client_id'],
    [
      'another pool',
      { ...ACCESS, iss: 'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Evil' },
      'issuer_mismatch',
    ],
    [
      'the same pool id in another region',
      { ...ACCESS, iss: `https://cognito-idp.us-east-1.amazonaws.com/${POOL}` },
      'issuer_mismatch',
    ],
  ])('rejects %s', async (_what, claims, reason) => {
    expect(await outcome(verifier(), await sign(key, claims))).toBe(reason)
  })

  it('rejects an ID token even if its type says otherwise', async () => {
    expect(await outcome(verifier(), await sign(key, { ...ID, client_id: CLIENT }, { typ: 'at+jwt' }))).toBe(
      'invalid_claim: token_use',
    )
  })

  it('rejects another algorithm and another key', async () => {
    expect(await outcome(verifier(), await sign(ec, ACCESS))).toBe('algorithm_not_allowed')
    expect(await outcome(verifier(), await sign(await rsaKey(), ACCESS))).toBe('invalid_signature')
  })
})
