/** What presets can be told: impossible options name themselves, and what `jwt` takes does what it does there. */

import { createGate, type Identity, type TokenVerifier } from '@bearergate/core'
import { auth0, cognito, entra, google, keycloak, okta } from '@bearergate/core/presets'
import { beforeAll, describe, expect, it } from 'vitest'
import { createKey, NOW, type TestKey } from '../../support/issuer.ts'
import { type Claims, identityOf, now, outcome, rsaKey, sign } from './provider.ts'

const AUDIENCE = 'https://api.example.com'
const TENANT = '6babcaad-604b-40ac-a9d7-9fd97c0b779f'
const POOL = 'eu-central-1_AbCdEf123'
const CALLER = 'caller@acme-prod.iam.gserviceaccount.com'

type Options = Readonly<Record<string, unknown>>

interface Preset {
  readonly name: string
  readonly create: (options: Options) => TokenVerifier<Identity<unknown>>
  readonly options: Options
  readonly claims: Claims
  /** The claims that the preset requires by name. */
  readonly required: readonly string[]
}

const PRESETS: readonly Preset[] = [
  {
    name: 'auth0',
    create: auth0 as never,
    options: { domain: 'acme.eu.auth0.com', audience: AUDIENCE },
    claims: { iss: 'https://acme.eu.auth0.com/', aud: AUDIENCE, azp: 'web' },
    required: [],
  },
  {
    name: 'cognito',
    create: cognito as never,
    options: { userPoolId: POOL, clientId: 'web' },
    claims: {
      iss: `https://cognito-idp.eu-central-1.amazonaws.com/${POOL}`,
      client_id: 'web',
      token_use: 'access',
    },
    required: ['token_use', 'client_id'],
  },
  {
    name: 'entra',
    create: entra as never,
    options: { tenant: TENANT, audience: AUDIENCE, version: 2 },
    claims: {
      iss: `https://login.microsoftonline.com/${TENANT}/v2.0`,
      aud: AUDIENCE,
      azp: 'web',
      tid: TENANT,
      ver: '2.0',
    },
    required: ['azp', 'tid', 'ver'],
  },
  {
    name: 'google',
    create: google as never,
    options: { audience: AUDIENCE, serviceAccounts: [CALLER] },
    claims: {
      iss: 'https://accounts.google.com',
      aud: AUDIENCE,
      azp: '1',
      email: CALLER,
      email_verified: true,
    },
    required: ['email', 'email_verified'],
  },
  {
    name: 'keycloak',
    create: keycloak as never,
    options: { url: 'https://sso.example.com', realm: 'acme', audience: AUDIENCE },
    claims: { iss: 'https://sso.example.com/realms/acme', aud: AUDIENCE, azp: 'web', typ: 'Bearer' },
    required: ['typ'],
  },
  {
    name: 'okta',
    create: okta as never,
    options: { domain: 'dev-1234.okta.com', audience: AUDIENCE },
    claims: { iss: 'https://dev-1234.okta.com/oauth2/default', aud: AUDIENCE, cid: 'web' },
    required: ['cid'],
  },
]

let key: TestKey
let ec: TestKey

beforeAll(async () => {
  ;[key, ec] = await Promise.all([rsaKey(), createKey('ES256')])
})

const nothing = () => {
  throw new Error('nothing is to be fetched')
}

describe.each(PRESETS)('$name', ({ name, create, options, claims, required }) => {
  const verifier = (more: Options = {}) =>
    create({ ...options, keys: { keys: [key.jwk] }, now, fetch: nothing, ...more })
  const told = async (more: Options, changed: Claims = {}) =>
    outcome(verifier(more), await sign(key, { ...claims, ...changed }))

  it('uses configured keys, and fetches nothing', async () => {
    expect(await told({})).toBe('active')
  })

  it('is a verifier for a gate', async () => {
    const gate = createGate({ verifier: verifier() as TokenVerifier })
    const sent = (token: string) => ({
      header: (header: string) => (header === 'authorization' ? `Bearer ${token}` : undefined),
    })
    expect(await gate.authenticate(sent(await sign(key, claims)))).toMatchObject({ ok: true })
    expect(await gate.authenticate(sent(await sign(key, { ...claims, iss: 'x' })))).toMatchObject({
      status: 401,
      reason: 'issuer_mismatch',
    })
  })

  it('names its issuer, and claims the tokens of it', async () => {
    expect(verifier().issuers).toEqual([claims.iss])
    expect(verifier().canVerify?.(await sign(key, claims))).toBe(true)
    expect(verifier().canVerify?.(await sign(key, { ...claims, iss: 'x' }))).toBe(false)
  })

  it('has no options but its own and those of jwt that it does not decide', () => {
    for (const option of ['issuer', 'jwksUri', 'algorithms', 'profile', 'tokenUse', '__proto__'])
      expect(() => verifier(Object.fromEntries([[option, {}]]))).toThrow(
        new RegExp(`^"${name}" has no option "${option}"`),
      )
    for (const wrong of [undefined, null, 'x', []])
      expect(() => create(wrong as never)).toThrow(`the options of "${name}" must be a plain object`)
  })

  it('reads no option from Object.prototype', async () => {
    const polluted = {
      roles: () => ['admin'],
      scopes: () => ['all'],
      keys: { keys: [ec.jwk] },
      clientId: 'evil',
    }
    Object.assign(Object.prototype, polluted)
    try {
      const identity = await identityOf(verifier(), await sign(key, claims))
      expect([...identity.roles, ...identity.scopes]).toEqual([])
    } finally {
      for (const option of Object.keys(polluted)) Reflect.deleteProperty(Object.prototype, option)
    }
  })

  it('passes the options of jwt to it', async () => {
    const minute = { exp: NOW - 60 }
    expect(await told({ clockTolerance: 120 }, minute)).toBe('active')
    expect(await told({}, minute)).toBe('expired')
    expect(await told({ maxTokenAge: 5, clockTolerance: 0 })).toBe('max_age_exceeded')
    expect(await told({ now: () => (NOW + 3600) * 1000 })).toBe('expired')
    expect(await told({ requiredClaims: { plan: ['pro', 'team'] } }, { plan: 'team' })).toBe('active')
    expect(await told({ requiredClaims: { plan: ['pro', 'team'] } }, { plan: 'free' })).toBe(
      'invalid_claim: plan',
    )
    const own = verifier({ scopes: () => ['read'], roles: () => ['reader'] })
    expect(await identityOf(own, await sign(key, claims))).toMatchObject({
      scopes: ['read'],
      roles: ['reader'],
    })
  })

  it('caches verified tokens, unless cache is false', async () => {
    const token = await sign(key, claims)
    const [keeping, forgetful] = [verifier(), verifier({ cache: false })]
    expect(await identityOf(keeping, token)).toBe(await identityOf(keeping, token))
    expect(await identityOf(forgetful, token)).not.toBe(await identityOf(forgetful, token))
    expect(verifier({ cache: { max: 7 } }).describe?.()).toMatchObject({ cache: { max: 7 } })
  })

  it('requires the claims that the application requires, in addition to its own', async () => {
    const more = { requiredClaims: { plan: 'pro' } }
    for (const claim of required)
      expect(await told(more, { plan: 'pro', [claim]: undefined })).toBe(`missing_claim: ${claim}`)
  })

  it('keeps its own requirements if the application requires the same claims', () => {
    for (const claim of required)
      expect(() => verifier({ requiredClaims: { [claim]: () => true } })).toThrow(
        `"requiredClaims" must not have "${claim}", which the preset checks itself`,
      )
  })

  it.each<[string, unknown]>([
    ['cache', true],
    ['cache', { size: 5 }],
    ['claims', () => ({})],
    ['clockTolerance', 301],
    ['fetch', 'https://id.example.com'],
    ['keys', [{}]],
    ['keys', { keys: [] }],
    ['maxTokenAge', 0],
    ['now', 5],
    ['requiredClaims', ['plan']],
    ['requiredClaims', 'plan'],
    ['requiredClaims', null],
    ['requiredClaims', { plan: [] }],
    ['requiredClaims', { plan: null }],
    ['roles', ['admin']],
    ['roles', null],
    ['scopes', 'read'],
    ['scopes', null],
  ])('names "%s" in a TypeError for %j', (option, value) => {
    expect(() => verifier({ [option]: value })).toThrow(TypeError)
    expect(() => verifier({ [option]: value })).toThrow(`"${option}"`)
  })

  it('names "cacheMaxAge", "timeout" and "onJwks" in the error if they are invalid', () => {
    for (const [option, value] of Object.entries({
      cacheMaxAge: 1,
      staleIfError: -1,
      timeout: 61,
      onJwks: 'log',
    }))
      expect(() => verifier({ keys: undefined, [option]: value })).toThrow(`"${option}"`)
  })
})

describe('an impossible option of a preset', () => {
  const DOMAINS = [
    '',
    'https://acme.auth0.com',
    'acme.auth0.com/',
    'acme.auth0.com/oauth2',
    'acme.auth0.com:443',
    'acme.auth0.com?x',
    'acme.auth0.com#x',
    'emma@acme.auth0.com',
    'acme',
    'localhost',
    '.auth0.com',
    'acme..auth0.com',
    '-acme.auth0.com',
    'acme.auth0.com.',
    ' acme.auth0.com',
    'acme.auth0.com\n',
    'acme_.auth0.com',
    '127.0.0.1',
    `${'a'.repeat(64)}.com`,
    undefined,
    null,
    ['acme.auth0.com'],
    7,
  ]
  const LISTS = [undefined, null, '', [], [''], [7], {}, 7, true, ['a', undefined]]
  const given = LISTS.filter((value) => value !== undefined)
  const IDS = ['common', 'organizations', 'consumers', 'acme.onmicrosoft.com', `${TENANT}/`, `{${TENANT}}`]

  it.each<[string, string, readonly unknown[]]>([
    ['auth0', 'domain', DOMAINS],
    ['auth0', 'audience', LISTS],
    ['auth0', 'permissions', ['true', 1, null, []]],
    [
      'cognito',
      'userPoolId',
      [
        '',
        'eu-central-1',
        '_AbC',
        'eu-central-1_',
        'eu-central-1_A/b',
        'evil.com/#_A',
        `${POOL}\n`,
        null,
        [POOL],
      ],
    ],
    ['cognito', 'clientId', LISTS],
    ['cognito', 'audience', given],
    ['cognito', 'issuerType', ['', 'global', null, true]],
    ['entra', 'tenant', [...LISTS, ...IDS, [TENANT, 'common'], `${TENANT}\n`]],
    ['entra', 'audience', LISTS],
    ['entra', 'clientId', given],
    ['entra', 'version', [undefined, null, 0, 3, '1', '2', 'v2', [1, 2], 'Both']],
    ['google', 'audience', LISTS],
    [
      'google',
      'serviceAccounts',
      [...LISTS.filter((value) => value !== null), 'caller', ['a@b', 'c'], 'a b@c.d'],
    ],
    ['google', 'hostedDomain', DOMAINS.filter((value) => value !== undefined)],
    [
      'keycloak',
      'url',
      [
        undefined,
        null,
        '',
        'sso.example.com',
        'http://sso.example.com',
        'https://emma:pass@sso.example.com',
        'https://sso.example.com/#x',
        'https://sso.example.com/?x',
        'https://sso.example.com/realms/acme',
        'https://sso.example.com/realms',
        ['https://sso.example.com'],
      ],
    ],
    [
      'keycloak',
      'realm',
      [undefined, null, '', 'a/b', '..', '.', 'a?b', 'a#b', 'a b', 'a%2fb', 'acme\n', ['acme']],
    ],
    ['keycloak', 'audience', LISTS],
    ['keycloak', 'clientId', given],
    ['okta', 'domain', [...DOMAINS, 'dev-1234-admin.okta.com', 'DEV-1234-admin.oktapreview.com']],
    ['okta', 'audience', LISTS],
    [
      'okta',
      'authorizationServer',
      ['', 'a/b', '..', 'https://dev-1234.okta.com/oauth2/default', 'a?b', null, ['a']],
    ],
    ['okta', 'clientId', given],
  ])('of %s named %s is a TypeError', (name, option, values) => {
    const preset = PRESETS.find((each) => each.name === name)
    for (const value of values) {
      const create = () => preset?.create({ ...preset.options, [option]: value })
      expect(create, JSON.stringify(value)).toThrow(TypeError)
      expect(create, JSON.stringify(value)).toThrow(`"${option}"`)
    }
  })

  it('cannot be combined with an option that it replaces', () => {
    const options = { domain: 'acme.eu.auth0.com', audience: AUDIENCE, scopes: () => [] }
    expect(() => auth0({ ...options, permissions: true } as never)).toThrow(
      '"permissions" cannot be combined with "scopes"',
    )
    expect(() => auth0({ ...options, permissions: false })).not.toThrow()
  })

  it('a region of AWS is accepted, GovCloud included', () => {
    for (const userPoolId of ['us-gov-west-1_AbC', 'ap-southeast-2_AbC', 'mx-central-1_AbC'])
      expect(() => cognito({ userPoolId, clientId: 'web' })).not.toThrow()
  })

  it('http is accepted if Keycloak is on loopback', () => {
    const verifier = keycloak({ url: 'http://localhost:8080', realm: 'acme', audience: AUDIENCE })
    expect(verifier.issuers).toEqual(['http://localhost:8080/realms/acme'])
  })
})
