/** The URLs of the options: one canonical text is compared, fetched and passed on, and nothing else is accepted. */

import { createGate, introspection, jwt, multiIssuerJwt, privateKeyJwt } from '@bearergate/core'
import { keycloak, okta } from '@bearergate/core/presets'
import { describe, expect, it } from 'vitest'
import { AUDIENCE, createKey, ISSUER } from '../../support/issuer.ts'

const key = await createKey()
const keys = { keys: [key.jwk as Record<string, unknown>] }
const jwksUri = `${ISSUER}/keys`
const client = { clientId: 'api', clientSecret: 'secret', audience: AUDIENCE }

function messageOf(create: () => unknown): string {
  try {
    create()
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError)
    return (error as TypeError).message
  }
  return ''
}

/** Every option that names an issuer whose metadata is fetched. */
const FETCHED: Readonly<Record<string, (issuer: string) => unknown>> = {
  'the issuer of jwt': (issuer) => jwt({ issuer, audience: AUDIENCE }),
  'the issuer of a gate': (issuer) => createGate({ issuer, audience: AUDIENCE }),
  'an issuer of a list': (issuer) => multiIssuerJwt([{ issuer, audience: AUDIENCE }]),
  'the issuer of introspection': (issuer) => introspection({ issuer, ...client }),
}

/** What is refused, and what the message says to write instead. */
const REFUSED: readonly (readonly [given: string, meant: string | undefined])[] = [
  ['https://id.example.com\n', 'https://id.example.com'],
  ['https://id.example.com/ ', 'https://id.example.com/'],
  [' https://id.example.com', 'https://id.example.com'],
  ['\thttps://id.example.com', 'https://id.example.com'],
  ['\ufeffhttps://id.example.com', 'https://id.example.com'],
  ['https://id.example.com\u00a0', 'https://id.example.com'],
  ['https://id.exam\tple.com', 'https://id.example.com'],
  ['https://id.example.com/a\r\nb', 'https://id.example.com/ab'],
  ['https:id.example.com', 'https://id.example.com'],
  ['https:/id.example.com', 'https://id.example.com'],
  ['https:///id.example.com', 'https://id.example.com'],
  ['https:\\\\id.example.com', 'https://id.example.com'],
  ['https://id.example.com\\tenant', 'https://id.example.com/tenant'],
  ['https://evil.example\\.okta.com', 'https://evil.example/.okta.com'],
  ['HTTPS://id.example.com', 'https://id.example.com'],
  ['https://ID.example.com', 'https://id.example.com'],
  ['https://id.example.com:443', 'https://id.example.com'],
  ['https://id.example.com:', 'https://id.example.com'],
  ['https://id.example.com:08443/', 'https://id.example.com:8443/'],
  ['https://id.example.com/a/../b', 'https://id.example.com/b'],
  ['https://id.example.com/a/./b', 'https://id.example.com/a/b'],
  ['https://id.example.com/a/%2e%2E/b', 'https://id.example.com/b'],
  ['https://id.example.com/a b', 'https://id.example.com/a%20b'],
  ['https://id.example.com/"a"', 'https://id.example.com/%22a%22'],
  ['https://id.example.com/a|b', undefined],
  ['https://id.example.com/%zz', undefined],
  ['https://id.example.com/é', 'https://id.example.com/%C3%A9'],
  ['https://idé.example.com', 'https://xn--id-cja.example.com'],
  ['https://id.example。com', 'https://id.example.com'],
  ['https://ⅰd.example.com', 'https://id.example.com'],
  ['https://i%64.example.com', 'https://id.example.com'],
  ['https://id.example\u00ad.com', 'https://id.example.com'],
  ['https://0x7f.1', 'https://127.0.0.1'],
  ['https://2130706433/', 'https://127.0.0.1/'],
  ['https://[0:0:0:0:0:0:0:1]', 'https://[::1]'],
  ['https://id.example.com?', 'https://id.example.com'],
  ['https://id.example.com/?tenant=a', 'https://id.example.com/'],
  ['https://id.example.com#', 'https://id.example.com'],
  ['https://user@id.example.com', 'https://id.example.com'],
  ['https://user:hunter2@id.example.com/a', 'https://id.example.com/a'],
  ['https://:@id.example.com', 'https://id.example.com'],
  ['https://id.example.com,evil.example', undefined],
  ['https://', undefined],
  ['https://:8443', undefined],
  ['//id.example.com', undefined],
  ['id.example.com', 'https://id.example.com'],
  ['id.example.com/tenant/', 'https://id.example.com/tenant/'],
  ['http://id.example.com', undefined],
  ['http://localhost.example.com', undefined],
  ['http://0.0.0.0', undefined],
  ['ftp://id.example.com', undefined],
  ['urn:example:issuer', undefined],
  ['https://id.example.com/.well-known/openid-configuration', 'https://id.example.com'],
  ['https://id.example.com/tenant/.well-known/openid-configuration', 'https://id.example.com/tenant'],
  ['https://id.example.com/.well-known/openid-configuration/tenant', 'https://id.example.com/tenant'],
  ['https://id.example.com/.well-known/oauth-authorization-server', 'https://id.example.com'],
  ['https://id.example.com/.well-known/oauth-authorization-server/tenant', 'https://id.example.com/tenant'],
  ['https://id.example.com/.well-known/openid-configuration/', 'https://id.example.com/'],
]

describe.each(Object.entries(FETCHED))('%s', (_name, create) => {
  it.each(REFUSED)('is rejected as %j, and the message says to write %j (ATK02)', (given, meant) => {
    const message = messageOf(() => create(given))
    expect(message).toContain('"issuer" must be an https URL')
    if (meant === undefined) expect(message).not.toContain('write "')
    else {
      expect(message).toContain(`write "${meant}"`)
      expect(messageOf(() => create(meant))).toBe('')
    }
    expect(message).toMatch(/^[ -~…]+$/)
    expect(message).not.toContain('hunter2')
  })

  it.each([
    'https://id.example.com',
    'https://id.example.com/',
    'https://id.example.com:8443/realms/acme',
    "https://id.example.com/a;b=c/~d/!$&'()*+,:@%2F%c3%A9",
    'https://id.example.com//tenant//',
    'https://xn--id-cja.example.com',
    'https://id_1.example.com',
    'https://id.example.com.',
    'https://10.0.0.5/realms/acme',
    'https://[2001:db8::1]:8443/a',
    'http://localhost:8080/realms/acme',
    'http://127.0.0.1',
    'http://[::1]:8080',
  ])('is accepted as %j (ATK02)', (given) => {
    expect(messageOf(() => create(given))).toBe('')
  })
})

it.each([
  ['https://id.example.com\n', '"https://id.example.com\\n"'],
  ['https://іd.example.com', '"https://\\u0456d.example.com"'],
  ['https://id.example.com\u202e', '"https://id.example.com\\u202e"'],
  ['https://user:hunter2@id.example.com', '"…@id.example.com"'],
  ['https://id.example.com?key=hunter2', '"https://id.example.com?…"'],
  [null, 'null'],
  [5, 'number'],
  [['https://id.example.com'], 'object'],
])(
  'shows the rejected issuer %j as %s, without secrets, and with odd characters escaped (ATK02)',
  (given, shown) => {
    const message = messageOf(() => jwt({ issuer: given as string, audience: AUDIENCE }))
    expect(message).toContain(`received ${shown}`)
    expect(message).not.toContain('hunter2')
  },
)

it('shows the first 200 characters of a rejected issuer (ATK02)', () => {
  const message = messageOf(() => jwt({ issuer: `https://${'a'.repeat(10_000)}\n`, audience: AUDIENCE }))
  expect(message).toContain(`${'a'.repeat(192)}…"`)
  expect(message).not.toContain('a'.repeat(193))
})

it('says how to configure an issuer from which nothing is to be fetched (ATK02)', () => {
  const issuer = 'http://sts.corp.example/adfs/services/trust'
  expect(messageOf(() => jwt({ issuer, audience: AUDIENCE }))).toContain('or give "jwksUri" or "keys"')
  expect(messageOf(() => introspection({ issuer, ...client }))).toContain('or give "endpoint"')
})

describe.each<[string, (issuer: string) => unknown]>([
  ['with jwksUri', (issuer) => jwt({ issuer, audience: AUDIENCE, jwksUri })],
  ['with keys', (issuer) => jwt({ issuer, audience: AUDIENCE, keys })],
  ['with endpoint', (issuer) => introspection({ issuer, endpoint: `${ISSUER}/introspect`, ...client })],
])('an issuer that is only compared, %s,', (_name, create) => {
  it.each([
    'http://sts.corp.example/adfs/services/trust',
    'login.eveonline.com',
    'joe',
    'urn:example:issuer',
    'HTTPS://ID.example.com:443/?a=b#c',
    'https://user@id.example.com',
    'spiffe://acme/service',
    "!$&'()*+,;=:@/?#[]%-._~",
  ])('is accepted as %j (ATK02)', (issuer) => {
    expect(messageOf(() => create(issuer))).toBe('')
  })

  it.each([
    '',
    'joe ',
    ' joe',
    'joe\n',
    '\u0000joe',
    'joe\u007f',
    'https://evil.example\\.okta.com',
    '"joe"',
    '`joe`',
    '<joe>',
    '{joe}',
    'a|b',
    'a^b',
    'josé',
    '\ufeffjoe',
    'https://id.example.com\u00a0',
  ])('is rejected as %j (ATK02)', (issuer) => {
    expect(messageOf(() => create(issuer))).toContain('"issuer" must be')
  })
})

/** Every other option that is a URL. */
const ENDPOINTS: readonly (readonly [option: string, create: (url: string) => unknown])[] = [
  ['jwksUri', (url) => jwt({ issuer: ISSUER, audience: AUDIENCE, jwksUri: url })],
  ['endpoint', (url) => introspection({ endpoint: url, ...client })],
  ['resource', (url) => createGate({ issuer: ISSUER, resource: url })],
  ['jwks_uri', (url) => createGate({ issuer: ISSUER, resource: { resource: AUDIENCE, jwks_uri: url } })],
  ['url', (url) => keycloak({ url, realm: 'acme', audience: AUDIENCE })],
  [
    'authorization_servers',
    (url) => createGate({ issuer: ISSUER, resource: { resource: AUDIENCE, authorization_servers: [url] } }),
  ],
]

describe.each(ENDPOINTS)('the option %s', (option, create) => {
  it.each([
    'https://id.example.com/a\n',
    ' https://id.example.com/a',
    'https://id.example.com/a\t',
    'https://id.exam\nple.com/a',
    'https:id.example.com/a',
    'https:/id.example.com/a',
    'https:///id.example.com/a',
    'HTTPS://id.example.com/a',
    'https:\\\\id.example.com\\a',
    'https://id.example.com\\@evil.example/a',
    'https://evil.example\\.okta.com/a',
    'https://id.example.com/"a"',
    'https://id.example.com/<a>',
    'https://id.example.com/a b',
    'https://id.example.com/é',
    'https://idé.example.com/a',
    'https://id.example。com/a',
    'https://i%64.example.com/a',
    'https://user@id.example.com/a',
    'https://user:hunter2@id.example.com/a',
    'https://@id.example.com/a',
    'https://id.example.com/a#',
    'https://id.example.com/a#b',
    'https://id.example.com:99999/a',
    'https://id.example.com/%',
    'http://id.example.com/a',
    'http://localhost.example.com/a',
    'http://2130706433.example/a',
    'ws://localhost/a',
    '//id.example.com/a',
    '/a',
    'https://',
    '',
  ])('is rejected as %j (ATK02)', (url) => {
    const message = messageOf(() => create(url))
    expect(message).toContain(`"${option}" must be`)
    expect(message).not.toContain('hunter2')
  })

  it.each([
    'https://id.example.com',
    'https://id.example.com:8443/a',
    'http://localhost:8080/a',
    'http://127.0.0.1:8080/a',
    'http://[::1]:8080/a',
  ])('is accepted as %j (ATK02)', (url) => {
    expect(messageOf(() => create(url))).toBe('')
  })
})

it.each([
  ['https://id.example.com', 'https://id.example.com'],
  ['https://ID.example.com:443/a/../b?c=%2F', 'https://id.example.com/b?c=%2F'],
  ['http://2130706433:8080/a', 'http://127.0.0.1:8080/a'],
])('fetches a configured key set at %j from %j, its canonical form (ATK02)', async (given, expected) => {
  const urls: string[] = []
  const fetch = async (url: string) => {
    urls.push(url)
    return Response.json(keys)
  }
  await jwt({ issuer: ISSUER, audience: AUDIENCE, jwksUri: given, fetch }).ready?.()
  expect(urls).toEqual([expected])
})

it('publishes only the issuers from which clients can get tokens (ATK02)', () => {
  const verifier = multiIssuerJwt([
    { issuer: ISSUER, audience: AUDIENCE },
    { issuer: 'http://sts.corp.example/adfs/services/trust', audience: AUDIENCE, jwksUri },
    { issuer: 'login.eveonline.com', audience: AUDIENCE, keys },
  ])
  const gate = createGate({ verifier, resource: AUDIENCE })
  const answer = gate.metadata({
    header: () => undefined,
    method: 'GET',
    url: '/.well-known/oauth-protected-resource',
  })
  expect(JSON.parse(answer?.body ?? '{}').authorization_servers).toEqual([ISSUER])
})

it.each(['https://id.example.com/token\n', 'https://idé.example.com', 'a b', ''])(
  'rejects the audience of a client assertion as %j (ATK02)',
  (audience) => {
    const privateKey = { kty: 'EC', d: 'a', alg: 'ES256' }
    const message = messageOf(() => privateKeyJwt({ clientId: 'api', privateKey, audience }))
    expect(message).toContain('"audience" must be')
  },
)

it.each([
  'acme.o\u212ata.com',
  'acme.okta.com\n',
  ' acme.okta.com',
  'acme.okta.com.',
  'acme\\.okta.com',
  'acme.okta.com:443',
])('rejects the domain of a preset as %j (ATK02)', (domain) => {
  expect(messageOf(() => okta({ domain, audience: AUDIENCE }))).toContain('"domain" must be a domain name')
})

it('composes the issuer of a preset from a domain in any case (ATK02)', () => {
  expect(okta({ domain: 'Acme.OKTA.com', audience: AUDIENCE }).issuers).toEqual([
    'https://acme.okta.com/oauth2/default',
  ])
})
