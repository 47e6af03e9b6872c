/** Tokens of services that have no preset of their own, or whose tokens are sent in an unusual way. */

import { createHash } from 'node:crypto'
import { claim, createGate, type Decision, type Gate } from '@bearergate/core'
import { entra, google } from '@bearergate/core/presets'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKey, NOW, type TestKey } from '../../support/issuer.ts'
import { type Claims, now, type Provider, rsaKey, sign, startProvider } from './provider.ts'

const GITHUB = 'https://token.actions.githubusercontent.com'
const GOOGLE_KEYS = 'https://www.googleapis.com/oauth2/v3/certs'
const FIREBASE_KEYS =
  'https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com'
const IAP_KEYS = 'https://www.gstatic.com/iap/verify/public_key-jwk'
const EVE_KEYS = 'https://login.eveonline.com/oauth/jwks'
const TENANT = '6babcaad-604b-40ac-a9d7-9fd97c0b779f'
const LOGIN = `https://login.microsoftonline.com/${TENANT}`
const API = 'https://api.example.com'

let key: TestKey
let ec: TestKey
let eve: TestKey
let provider: Provider

beforeAll(async () => {
  ;[key, ec, eve] = await Promise.all([rsaKey(), createKey('ES256'), rsaKey('JWT-Signature-Key')])
  provider = await startProvider({
    [`${GITHUB}/.well-known/jwks`]: [key],
    [GOOGLE_KEYS]: [key],
    [FIREBASE_KEYS]: [key],
    [IAP_KEYS]: [ec],
    [EVE_KEYS]: [eve, ec],
    [`${LOGIN}/discovery/keys`]: [key],
    [`${LOGIN}/discovery/v2.0/keys`]: [key],
  })
})
afterAll(() => provider.close())

const gateFor = (options: object): Gate => createGate({ fetch: provider.fetch, now, ...options } as never)

/** Sends a token in `Authorization`, or alone in another field. */
async function decide(gate: Gate, token: string, field = 'authorization'): Promise<Decision> {
  const value = field === 'authorization' ? `Bearer ${token}` : token
  return gate.authenticate(new Request(`${API}/`, { headers: { [field]: value } }))
}

const outcome = (decision: Decision) => (decision.ok ? 'ok' : `${decision.status} ${decision.reason}`)

async function identityOf(decision: Promise<Decision>) {
  const decided = await decision
  if (!decided.ok) throw new Error(decided.reason)
  return decided.identity
}

describe('GitHub Actions', () => {
  const claims: Claims = {
    iss: GITHUB,
    aud: API,
    sub: 'repo:acme/api:ref:refs/heads/main',
    repository: 'acme/api',
    repository_owner: 'acme',
    ref: 'refs/heads/main',
    event_name: 'push',
    runner_environment: 'github-hosted',
    job_workflow_ref: 'acme/api/.github/workflows/release.yml@refs/heads/main',
  }
  const options = { issuer: GITHUB, audience: API, jwksUri: `${GITHUB}/.well-known/jwks` }
  const isRelease = (sub: unknown) =>
    /^repo:acme\/api:(?:ref:refs\/heads\/(?:main|release\/[\w.-]+)|environment:production)$/.test(String(sub))

  it.each([
    ['repo:acme/api:ref:refs/heads/main', 'ok'],
    ['repo:acme/api:ref:refs/heads/release/1.2', 'ok'],
    ['repo:acme/api:environment:production', 'ok'],
    ['repo:acme/api:ref:refs/heads/mainly', '401 invalid_claim'],
    ['repo:acme/api:pull_request', '401 invalid_claim'],
    ['repo:evil/api:ref:refs/heads/main', '401 invalid_claim'],
    ['repo:evil/repo:acme/api:ref:refs/heads/main', '401 invalid_claim'],
  ])(
    'a job with sub %j is answered %j by a pattern for sub in requiredClaims (FIELD-HELD-05)',
    async (sub, expected) => {
      const gate = gateFor({ ...options, requiredClaims: { sub: isRelease } })
      expect(outcome(await decide(gate, await sign(key, { ...claims, sub })))).toBe(expected)
    },
  )

  it('claim() allows the named sub and repository only, and answers others 403 (FIELD-HELD-05)', async () => {
    const gate = gateFor(options)
    const identity = await identityOf(decide(gate, await sign(key, claims)))
    for (const [required, expected] of [
      [claim('sub', 'repo:acme/api:environment:production', 'repo:acme/api:ref:refs/heads/main'), 'ok'],
      [claim('repository', 'acme/api'), 'ok'],
      [claim('sub', 'repo:acme/api:environment:production'), '403 insufficient_scope'],
      [claim('sub', 'repo:acme/api:*'), '403 insufficient_scope'],
      [claim('repository', 'acme/web'), '403 insufficient_scope'],
    ] as const)
      expect(outcome(gate.authorize(identity, required))).toBe(expected)
  })
})

describe('Google', () => {
  const PUSH: Claims = {
    iss: 'https://accounts.google.com',
    aud: `${API}/push`,
    azp: '113774264463038321964',
    sub: '113774264463038321964',
    email: 'push@acme.iam.gserviceaccount.com',
    email_verified: true,
  }

  it('a Pub/Sub push of the configured service account is accepted, and of another one is answered 401 (FIELD-HELD-06)', async () => {
    const verifier = google({
      audience: `${API}/push`,
      serviceAccounts: 'push@acme.iam.gserviceaccount.com',
      fetch: provider.fetch,
      now,
    })
    const gate = createGate({ verifier, now })
    expect((await identityOf(decide(gate, await sign(key, PUSH)))).claims.email).toBe(PUSH.email)
    const foreign = { ...PUSH, email: 'push@evil.iam.gserviceaccount.com' }
    expect(outcome(await decide(gate, await sign(key, foreign)))).toBe('401 invalid_claim')
    expect(outcome(await decide(gate, await sign(key, { ...PUSH, aud: API })))).toBe('401 audience_mismatch')
  })

  const FIREBASE: Claims = {
    iss: 'https://securetoken.google.com/acme',
    aud: 'acme',
    auth_time: NOW - 60,
    user_id: 'JSOFHHiK8mZ9',
    sub: 'JSOFHHiK8mZ9',
    email: 'emma@example.com',
    email_verified: true,
    firebase: { identities: { email: ['emma@example.com'] }, sign_in_provider: 'password' },
  }

  it.each<[string, Claims, string]>([
    ['of the project', {}, 'ok'],
    [
      'of another project',
      { iss: 'https://securetoken.google.com/evil', aud: 'evil' },
      '401 issuer_mismatch',
    ],
    ['for another project', { aud: 'evil' }, '401 audience_mismatch'],
    ['in a session cookie', { iss: 'https://session.firebase.google.com/acme' }, '401 issuer_mismatch'],
  ])('a Firebase ID token %s is answered as configured (FIELD-HELD-07)', async (_, changes, expected) => {
    const gate = gateFor({ issuer: FIREBASE.iss, audience: 'acme', jwksUri: FIREBASE_KEYS })
    const decision = await decide(gate, await sign(key, { ...FIREBASE, ...changes }))
    expect(outcome(decision)).toBe(expected)
    if (decision.ok)
      expect(decision.identity).toMatchObject({ subject: 'JSOFHHiK8mZ9', authenticatedAt: NOW - 60 })
  })

  it('the assertion of the Identity-Aware Proxy is accepted in its own header field only (FIELD-HELD-08)', async () => {
    const audience = '/projects/1234567890/global/backendServices/987654321'
    const gate = gateFor({
      issuer: 'https://cloud.google.com/iap',
      audience,
      jwksUri: IAP_KEYS,
      algorithms: ['ES256'],
      tokenFrom: { header: 'x-goog-iap-jwt-assertion' },
    })
    const claims: Claims = {
      iss: 'https://cloud.google.com/iap',
      aud: audience,
      azp: audience,
      sub: 'accounts.google.com:118133858486581853996',
      email: 'emma@example.com',
      hd: 'example.com',
      google: { access_levels: ['accessPolicies/1/accessLevels/office'] },
    }
    const field = 'x-goog-iap-jwt-assertion'
    const token = await sign(ec, claims)
    expect((await identityOf(decide(gate, token, field))).subject).toBe(claims.sub)
    expect(outcome(await decide(gate, token))).toBe('401 no_credentials')
    const other = await sign(ec, { ...claims, aud: '/projects/1/apps/evil' })
    expect(outcome(await decide(gate, other, field))).toBe('401 audience_mismatch')
    expect(outcome(await decide(gate, await sign(key, claims), field))).toBe('401 algorithm_not_allowed')
  })
})

describe('Entra', () => {
  const GRAPH: Claims = {
    aud: '00000003-0000-0000-c000-000000000000',
    iss: `https://sts.windows.net/${TENANT}/`,
    appid: '1f7f48ec-eb08-4bf5-a5d5-0f5a4c4b1d45',
    scp: 'User.Read',
    sub: 'HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ',
    tid: TENANT,
    ver: '1.0',
  }
  const api = '6e74172b-be56-4843-9ff4-e66a39bb12e3'

  /** Signs as Entra does for Graph: `nonce` in the header is sent in plain, and signed as its hash. */
  async function graphToken(): Promise<string> {
    const nonce = 'AQABAAAAAAD'
    const signed = await sign(key, GRAPH, { nonce: createHash('sha256').update(nonce).digest('base64url') })
    const header = { ...JSON.parse(atob(signed.split('.')[0] ?? '')), nonce }
    return [btoa(JSON.stringify(header)).replaceAll('=', ''), ...signed.split('.').slice(1)].join('.')
  }

  it.each([
    [1, '401 audience_mismatch'],
    [2, '401 issuer_mismatch'],
    ['both', '401 audience_mismatch'],
  ] as const)(
    'a token for Microsoft Graph at an API of version %s is answered %s (FIELD-HELD-09)',
    async (version, expected) => {
      const verifier = entra({ tenant: TENANT, audience: api, version, fetch: provider.fetch, now })
      const gate = createGate({ verifier, now })
      expect(outcome(await decide(gate, await graphToken()))).toBe(expected)
    },
  )
})

describe('EVE Online', () => {
  it('a token whose iss has no scheme is accepted by the keys of its jwksUri (FIELD-HELD-10)', async () => {
    const gate = gateFor({ issuer: 'login.eveonline.com', audience: 'EVE Online', jwksUri: EVE_KEYS })
    const claims: Claims = {
      iss: 'login.eveonline.com',
      aud: ['my3rdpartyclientid', 'EVE Online'],
      azp: 'my3rdpartyclientid',
      sub: 'CHARACTER:EVE:2112625428',
      scp: ['esi-skills.read_skills.v1', 'esi-skills.read_skillqueue.v1'],
      name: 'Emma',
      tenant: 'tranquility',
    }
    expect(await identityOf(decide(gate, await sign(eve, claims)))).toMatchObject({
      issuer: 'login.eveonline.com',
      subject: 'CHARACTER:EVE:2112625428',
      clientId: 'my3rdpartyclientid',
    })
    const withScheme = await sign(eve, { ...claims, iss: 'https://login.eveonline.com' })
    expect(outcome(await decide(gate, withScheme))).toBe('401 issuer_mismatch')
  })
})

describe('an issuer that writes dates as fractions', () => {
  it('has its tokens accepted until exp, cached ones too (FIELD-HELD-11)', async () => {
    let time = NOW
    const gate = createGate({
      issuer: GITHUB,
      audience: API,
      keys: { keys: [key.jwk as never] },
      clockTolerance: 0,
      now: () => time * 1000,
    })
    const dates = { iat: NOW - 0.75, nbf: NOW - 0.5, auth_time: NOW - 9.25, exp: NOW + 10.5 }
    const token = await sign(key, { iss: GITHUB, aud: API, sub: 'emma', ...dates })
    for (const at of [0, 5, 10.25]) {
      time = NOW + at
      expect([at, outcome(await decide(gate, token))]).toEqual([at, 'ok'])
    }
    time = NOW + 10.5
    expect(outcome(await decide(gate, token))).toBe('401 expired')
    const fresh = await sign(key, { iss: GITHUB, aud: API, sub: 'emma', ...dates, jti: 'another' })
    expect(outcome(await decide(gate, fresh))).toBe('401 expired')
  })
})
