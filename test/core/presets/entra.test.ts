/** Access tokens of Entra ID: both versions, several tenants, and what does not fit together. */

import { entra } from '@bearergate/core/presets'
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

const A = '6babcaad-604b-40ac-a9d7-9fd97c0b779f'
const B = '72f988bf-86f1-41af-91ab-2d7cd011db47'
const STRANGER = '9188040d-6c67-4c5b-b112-36a304b66dad'
const API = '6e74172b-be56-4843-9ff4-e66a39bb12e3'
const LOGIN = 'https://login.microsoftonline.com'
const keysOf = (tenant: string) => `${LOGIN}/${tenant}/discovery/v2.0/keys`
const keysOfV1 = (tenant: string) => `${LOGIN}/${tenant}/discovery/keys`

const V2: Claims = {
  aud: API,
  iss: `${LOGIN}/${A}/v2.0`,
  azp: '1f7f48ec-eb08-4bf5-a5d5-0f5a4c4b1d45',
  azpacr: '0',
  name: 'Emma',
  oid: '690222be-ff1a-4d56-abd1-7e4f7d38e474',
  preferred_username: 'emma@example.com',
  rh: '0.AAAA',
  roles: ['Task.Write', 'Admin'],
  scp: 'access_as_user files.read',
  sub: 'HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ',
  tid: A,
  uti: 'fqiBqXLPj0eQa82S-IYFAA',
  ver: '2.0',
}
const V1: Claims = {
  ...V2,
  aud: `api://${API}`,
  iss: `https://sts.windows.net/${A}/`,
  azp: undefined,
  azpacr: undefined,
  appid: V2.azp,
  appidacr: '0',
  ver: '1.0',
}
/** Of a single-page application that shares its registration with the API. */
const ID: Claims = { ...V2, azp: undefined, azpacr: undefined, scp: undefined, aio: 'Df2UVXL1ix' }
const ID_V1: Claims = { ...V1, aud: API, appid: undefined, appidacr: undefined, scp: undefined, amr: ['pwd'] }

let key: TestKey
let keyOfB: TestKey
let ec: TestKey
let provider: Provider

beforeAll(async () => {
  ;[key, keyOfB, ec] = await Promise.all([rsaKey('a'), rsaKey('b'), createKey('ES256')])
  // Entra does not name the algorithm of its keys.
  const unnamed = ({ jwk: { alg: _alg, ...jwk }, ...from }: TestKey): TestKey => ({ ...from, jwk })
  provider = await startProvider({
    [keysOf(A)]: [unnamed(key), ec],
    [keysOfV1(A)]: [unnamed(key)],
    [keysOf(B)]: [unnamed(keyOfB)],
    [keysOfV1(B)]: [unnamed(keyOfB)],
  })
})
afterAll(() => provider.close())

const verifier = (options: object = {}) =>
  entra({ tenant: A, audience: API, version: 2, fetch: provider.fetch, now, ...options })
const v1 = (options: object = {}) => verifier({ version: 1, audience: [API, `api://${API}`], ...options })

describe('entra', () => {
  it('accepts an access token of v2.0, by the keys of the tenant', async () => {
    const from = provider.asked.length
    expect(await identityOf(verifier(), await sign(key, V2))).toMatchObject({
      kind: 'jwt',
      issuer: `${LOGIN}/${A}/v2.0`,
      subject: V2.sub,
      clientId: V2.azp,
      audience: [API],
      scopes: ['access_as_user', 'files.read'],
      roles: ['Task.Write', 'Admin'],
    })
    expect(provider.asked.slice(from)).toEqual([keysOf(A)])
  })

  it('accepts an access token of v1.0 if that version is configured', async () => {
    const from = provider.asked.length
    expect(await identityOf(v1(), await sign(key, V1))).toMatchObject({
      issuer: `https://sts.windows.net/${A}/`,
      clientId: V2.azp,
      audience: [`api://${API}`],
      scopes: ['access_as_user', 'files.read'],
    })
    expect(provider.asked.slice(from)).toEqual([keysOfV1(A)])
  })

  it('accepts the token of a daemon, which has roles and no scopes', async () => {
    const daemon = { ...V2, scp: undefined, idtyp: 'app', sub: V2.oid }
    expect(await identityOf(verifier(), await sign(key, daemon))).toMatchObject({
      scopes: [],
      roles: ['Task.Write', 'Admin'],
    })
  })

  it('accepts both versions if configured, each with its own keys', async () => {
    const both = verifier({ version: 'both', audience: [API, `api://${API}`] })
    expect(await outcome(both, await sign(key, V2))).toBe('active')
    expect(await outcome(both, await sign(key, V1))).toBe('active')
    expect(both.issuers).toEqual([`${LOGIN}/${A}/v2.0`, `https://sts.windows.net/${A}/`])
  })

  it('accepts a tenant in upper case', async () => {
    expect(await outcome(verifier({ tenant: A.toUpperCase() }), await sign(key, V2))).toBe('active')
    expect(verifier({ tenant: [A, A.toUpperCase()] }).issuers).toEqual([`${LOGIN}/${A}/v2.0`])
  })

  it.each<[string, Claims, string]>([
    ['an ID token for the same audience', ID, 'missing_claim: azp'],
    [
      'an ID token with a nonce',
      { ...ID, nonce: '678910' },
      'not_an_access_token: it has the claim "nonce", which marks another kind of token',
    ],
    ['an ID token with the client of v1.0', { ...ID, appid: V2.azp }, 'missing_claim: azp'],
    ['a client without a name', { ...V2, azp: '' }, 'invalid_claim: azp'],
    ['a tid that does not fit iss', { ...V2, tid: B }, 'invalid_claim: tid'],
    ['no tid', { ...V2, tid: undefined }, 'missing_claim: tid'],
    ['a version that does not fit iss', { ...V2, ver: '1.0' }, 'invalid_claim: ver'],
    ['no version', { ...V2, ver: undefined }, 'missing_claim: ver'],
    ['a token of v1.0', { ...V1, aud: API }, 'issuer_mismatch'],
    ['another tenant', { ...V2, iss: `${LOGIN}/${B}/v2.0`, tid: B }, 'issuer_mismatch'],
    ['the issuer of "common"', { ...V2, iss: `${LOGIN}/common/v2.0` }, 'issuer_mismatch'],
    ['the template of an issuer', { ...V2, iss: `${LOGIN}/{tenantid}/v2.0` }, 'issuer_mismatch'],
    ['another API', { ...V2, aud: V2.azp }, 'audience_mismatch'],
    ['Microsoft Graph', { ...V2, aud: '00000003-0000-0000-c000-000000000000' }, 'audience_mismatch'],
  ])('rejects %s', async (_what, claims, reason) => {
    expect(await outcome(verifier(), await sign(key, claims))).toBe(reason)
  })

  it.each<[string, Claims, string]>([
    ['an ID token', ID_V1, 'missing_claim: appid'],
    ['a token of v2.0', V2, 'issuer_mismatch'],
    ['a tid that does not fit iss', { ...V1, tid: B }, 'invalid_claim: tid'],
    ['a version that does not fit iss', { ...V1, ver: '2.0' }, 'invalid_claim: ver'],
  ])('rejects as v1.0 %s', async (_what, claims, reason) => {
    expect(await outcome(v1(), await sign(key, claims))).toBe(reason)
  })

  it('accepts only the tokens of the configured clients, if there are any', async () => {
    for (const [make, claims, name] of [
      [verifier, V2, 'azp'],
      [v1, V1, 'appid'],
    ] as const) {
      const token = await sign(key, claims)
      expect(await outcome(make({ clientId: ['another', V2.azp] }), token)).toBe('active')
      expect(await outcome(make({ clientId: 'another' }), token)).toBe(`invalid_claim: ${name}`)
    }
  })

  it('rejects another algorithm and another key', async () => {
    expect(await outcome(verifier(), await sign(ec, V2))).toBe('algorithm_not_allowed')
    expect(await outcome(verifier(), await sign(keyOfB, V2))).toBe('unknown_key')
  })
})

describe('entra for several tenants', () => {
  const several = (options: object = {}) => verifier({ tenant: [A, B], ...options })
  const ofB = { ...V2, iss: `${LOGIN}/${B}/v2.0`, tid: B }

  it('accepts the tokens of each, by the keys of that tenant alone', async () => {
    const both = several()
    const from = provider.asked.length
    expect(await outcome(both, await sign(keyOfB, ofB))).toBe('active')
    expect(provider.asked.slice(from)).toEqual([keysOf(B)])
    expect(await outcome(both, await sign(key, V2))).toBe('active')
    expect(await outcome(both, await sign(key, ofB))).toBe('unknown_key')
    expect(both.issuers).toEqual([`${LOGIN}/${A}/v2.0`, `${LOGIN}/${B}/v2.0`])
  })

  it('rejects the tid of another tenant, and a tenant that is not configured', async () => {
    expect(await outcome(several(), await sign(keyOfB, { ...ofB, tid: A }))).toBe('invalid_claim: tid')
    expect(await outcome(several(), await sign(key, { ...V2, tid: B }))).toBe('invalid_claim: tid')
    const stranger = { ...V2, iss: `${LOGIN}/${STRANGER}/v2.0`, tid: STRANGER }
    expect(await outcome(several(), await sign(key, stranger))).toMatch(/^issuer_mismatch/)
  })

  it('caches verified tokens, unless cache is false', async () => {
    const token = await sign(key, V2)
    const keeping = several()
    const first = await identityOf(keeping, token)
    expect(await identityOf(keeping, token)).toBe(first)
    const forgetful = several({ cache: false })
    expect(await identityOf(forgetful, token)).not.toBe(await identityOf(forgetful, token))
  })

  it('compares dates with the configured clock', async () => {
    const late = several({ now: () => now() + 3_600_000 })
    expect(await outcome(late, await sign(key, V2))).toBe('expired')
  })

  it('uses configured keys, and fetches nothing', async () => {
    const from = provider.asked.length
    const given = several({ keys: { keys: [key.jwk] } })
    expect(await outcome(given, await sign(key, ofB))).toBe('active')
    expect(provider.asked.length).toBe(from)
  })
})
