/** From an issuer to the URLs that are fetched: what its metadata may name, and which `iss` reaches the function of `issuers`. */

import {
  chain,
  createGate,
  type IssuerOptions,
  introspection,
  jwt,
  multiIssuerJwt,
  type TokenVerifier,
} from '@bearergate/core'
import { keycloak } from '@bearergate/core/presets'
import { describe, expect, it } from 'vitest'
import { AUDIENCE, createKey, ISSUER, NOW } from '../../../support/issuer.ts'

const key = await createKey()
const keys = { keys: [key.jwk as Record<string, unknown>] }
const now = () => NOW * 1000

interface Asked {
  readonly reason: string
  /** The URLs that were fetched, without those of the metadata. */
  readonly urls: readonly string[]
  readonly cause: string
}

/** Sends a good token to a gate whose issuer publishes metadata with this member. */
async function ask(
  member: 'jwks_uri' | 'introspection_endpoint',
  value: unknown,
  issuer: string,
): Promise<Asked> {
  const urls: string[] = []
  const fetch = async (url: string) => {
    if (url.includes('/.well-known/')) return Response.json({ issuer, [member]: value })
    urls.push(url)
    return Response.json(member === 'jwks_uri' ? keys : { active: true, aud: AUDIENCE, sub: 'emma' })
  }
  let cause: unknown
  const settings = {
    onDecision: (event: { readonly cause?: unknown }) => {
      cause = event.cause
    },
  }
  const client = { clientId: 'api', clientSecret: 'secret' }
  const gate =
    member === 'jwks_uri'
      ? createGate({ issuer, audience: AUDIENCE, fetch, now, ...settings })
      : createGate({ verifier: introspection({ issuer, ...client, audience: AUDIENCE, fetch }), ...settings })
  const decision = await gate.authenticate(requestWith(await key.sign({ iss: issuer })))
  const causes: string[] = []
  for (let error = cause; error instanceof Error; error = error.cause) causes.push(error.message)
  return { reason: decision.ok ? 'ok' : decision.reason, urls, cause: causes.join('; ') }
}

const requestWith = (token: string) =>
  new Request('https://api.example.com/', { headers: { authorization: `Bearer ${token}` } })

/** What the metadata of `https://id.example.com` must not name. */
const REFUSED: readonly unknown[] = [
  // Not https.
  'http://id.example.com/keys',
  'http://127.0.0.1:8080/admin',
  'http://localhost:8080/admin',
  'http://[::1]/admin',
  'http://8.8.8.8/keys',
  'ftp://id.example.com/keys',
  'file:///etc/passwd',
  'data:application/json,{"keys":[]}',
  'blob:https://id.example.com/a',
  'javascript:alert(1)',
  'wss://id.example.com/keys',
  // Loopback, by name and in every spelling.
  'https://localhost/keys',
  'https://LOCALHOST/keys',
  'https://localhost./keys',
  'https://localhost../keys',
  'https://keys.localhost/keys',
  'https://keys.localhost.:8443/keys',
  'https://127.0.0.1/keys',
  'https://127.0.0.1./keys',
  'https://127.1/keys',
  'https://127.255.255.254/keys',
  'https://2130706433/keys',
  'https://0x7f000001/keys',
  'https://0x7f.0.0.1/keys',
  'https://0177.0.0.1/keys',
  'https://017700000001/keys',
  'https://[::1]/keys',
  'https://[0:0:0:0:0:0:0:1]/keys',
  'https://[::ffff:127.0.0.1]/keys',
  'https://[::ffff:7f00:1]/keys',
  'https://[::127.0.0.1]/keys',
  // Unspecified.
  'https://0.0.0.0/keys',
  'https://0/keys',
  'https://[::]/keys',
  // Private.
  'https://10.0.0.1/keys',
  'https://10.1/keys',
  'https://172.16.0.1/keys',
  'https://172.31.255.255/keys',
  'https://192.168.1.1/keys',
  'https://0xc0.0xa8.1.1/keys',
  'https://3232235777/keys',
  'https://100.64.0.1/keys',
  'https://100.127.255.255/keys',
  'https://[fc00::1]/keys',
  'https://[fd12:3456:789a::1]/keys',
  'https://[fec0::1]/keys',
  // Link-local, with the metadata services of clouds.
  'https://169.254.169.254/latest/meta-data',
  'https://169.254.43518/keys',
  'https://2852039166/keys',
  'https://[fe80::1]/keys',
  'https://[febf::1]/keys',
  'https://[fe80::1%25eth0]/keys',
  'https://[fd00:ec2::254]/keys',
  'https://[::ffff:169.254.169.254]/keys',
  'https://[::ffff:a9fe:a9fe]/keys',
  // IPv6 addresses that contain an IPv4 address.
  'https://[::ffff:8.8.8.8]/keys',
  'https://[64:ff9b::7f00:1]/keys',
  'https://[64:ff9b::169.254.169.254]/keys',
  'https://[64:ff9b:1::1]/keys',
  'https://[2002:7f00:1::]/keys',
  'https://[2002:a9fe:a9fe::1]/keys',
  'https://[2001:0:7f00:1::]/keys',
  'https://[2001::1]/keys',
  // Multicast, reserved, broadcast, documentation, benchmarks.
  'https://224.0.0.1/keys',
  'https://239.255.255.255/keys',
  'https://240.0.0.1/keys',
  'https://255.255.255.255/keys',
  'https://4294967295/keys',
  'https://192.0.0.1/keys',
  'https://192.0.2.1/keys',
  'https://192.88.99.1/keys',
  'https://198.18.0.1/keys',
  'https://198.19.255.255/keys',
  'https://198.51.100.1/keys',
  'https://203.0.113.1/keys',
  'https://[ff02::1]/keys',
  'https://[100::1]/keys',
  'https://[2001:db8::1]/keys',
  'https://[3fff::1]/keys',
  'https://[4000::1]/keys',
  // Hosts that only some parsers read.
  'https://１２７.0.0.1/keys',
  'https://127。0。0。1/keys',
  'https://ⓛocalhost/keys',
  'https://loc%61lhost/keys',
  'https://%31%32%37.0.0.1/keys',
  'https://id.example.com\\@127.0.0.1/keys',
  'https://127.0.0.1\\@id.example.com/keys',
  'https://id.example.com@127.0.0.1/keys',
  'https://id.example.com:443@127.0.0.1/keys',
  'https://127.0.0.1#@id.example.com/keys',
  'https://id.example.com#/keys',
  'https:127.0.0.1/keys',
  'https:///127.0.0.1/keys',
  'https:\\\\127.0.0.1\\keys',
  'https://127.0.0.1\t/keys',
  '\nhttps://id.example.com/keys',
  'https://id.example.com/keys ',
  'https://id.exam\nple.com/keys',
  'https://user:hunter2@id.example.com/keys',
  'https://256.256.256.256/keys',
  'https://[::1/keys',
  '//id.example.com/keys',
  '/keys',
  '',
  null,
  5,
  true,
  ['https://id.example.com/keys'],
  { href: 'https://id.example.com/keys' },
  undefined,
]

/** What it may name, and the URL that is fetched then. */
const ACCEPTED: readonly (readonly [value: string, fetched: string])[] = [
  ['https://id.example.com/keys', 'https://id.example.com/keys'],
  ['https://keys.example.net/keys?v=2', 'https://keys.example.net/keys?v=2'],
  ['https://id.example.com:8443/keys', 'https://id.example.com:8443/keys'],
  ['HTTPS://ID.Example.com:443/a/../keys', 'https://id.example.com/keys'],
  ['https://id.example.com/%2e%2e/keys', 'https://id.example.com/keys'],
  ['https://notlocalhost/keys', 'https://notlocalhost/keys'],
  ['https://localhost.example.com/keys', 'https://localhost.example.com/keys'],
  ['https://10.example.com/keys', 'https://10.example.com/keys'],
  ['https://8.8.8.8/keys', 'https://8.8.8.8/keys'],
  ['https://134744072/keys', 'https://8.8.8.8/keys'],
  ['https://9.255.255.255/keys', 'https://9.255.255.255/keys'],
  ['https://11.0.0.0/keys', 'https://11.0.0.0/keys'],
  ['https://100.63.255.255/keys', 'https://100.63.255.255/keys'],
  ['https://100.128.0.0/keys', 'https://100.128.0.0/keys'],
  ['https://172.15.255.255/keys', 'https://172.15.255.255/keys'],
  ['https://172.32.0.0/keys', 'https://172.32.0.0/keys'],
  ['https://192.167.255.255/keys', 'https://192.167.255.255/keys'],
  ['https://223.255.255.255/keys', 'https://223.255.255.255/keys'],
  ['https://[2606:4700::1111]/keys', 'https://[2606:4700::1111]/keys'],
  ['https://[2001:4860:4860:0:0:0:0:8888]/keys', 'https://[2001:4860:4860::8888]/keys'],
]

describe.each(['jwks_uri', 'introspection_endpoint'] as const)('the %s of metadata', (member) => {
  it.each(REFUSED)('is not fetched from a public issuer as %j (ATK11)', async (value) => {
    const { reason, urls, cause } = await ask(member, value, ISSUER)
    expect({ reason, urls }).toEqual({ reason: 'unavailable', urls: [] })
    expect(cause).toContain(`"${member}"`)
    expect(cause).not.toContain('hunter2')
  })

  it.each(ACCEPTED)('is fetched from a public issuer as %j from %j (ATK11)', async (value, expected) => {
    const { reason, urls } = await ask(member, value, ISSUER)
    expect({ reason, urls }).toEqual({ reason: 'ok', urls: [expected] })
  })

  it.each([
    ['http://localhost:8080', 'http://localhost:8080/keys'],
    ['http://localhost:8080', 'http://127.0.0.1:9090/keys'],
    ['http://127.0.0.1:8080', 'http://[::1]:9090/keys'],
    ['http://[::1]:8080', 'https://localhost/keys'],
    ['https://127.0.0.1', 'http://localhost:8080/keys'],
    ['https://10.0.0.5', 'https://10.0.0.5/keys'],
    ['https://10.0.0.5', 'https://192.168.1.1/keys'],
    ['https://[fd12::5]', 'https://[fd12::6]/keys'],
    ['https://auth.localhost', 'https://auth.localhost/keys'],
    ['https://10.0.0.5', 'https://id.example.com/keys'],
  ])(
    'is fetched for the issuer %j, which is on the same kind of network, from %j (ATK11)',
    async (issuer, url) => {
      expect(await ask(member, url, issuer)).toMatchObject({ reason: 'ok', urls: [url] })
    },
  )

  it.each([
    ['http://localhost:8080', 'http://id.example.com/keys'],
    ['http://localhost:8080', 'http://10.0.0.5/keys'],
    ['https://10.0.0.5', 'http://10.0.0.5/keys'],
    ['https://10.0.0.5', 'http://127.0.0.1/keys'],
    ['https://10.0.0.5', 'http://localhost/keys'],
  ])('is not fetched for the issuer %j over http from %j (ATK11)', async (issuer, url) => {
    expect(await ask(member, url, issuer)).toMatchObject({ reason: 'unavailable', urls: [] })
  })
})

it('says which issuer the metadata names instead of the configured one', async () => {
  const fetch = async () => Response.json({ issuer: `${ISSUER}/`, jwks_uri: `${ISSUER}/keys` })
  let message = ''
  const gate = createGate({
    issuer: ISSUER,
    audience: AUDIENCE,
    fetch,
    now,
    onJwks: (event) => {
      if (event.type === 'failed') message = event.cause.message
    },
  })
  await gate.authenticate(requestWith(await key.sign()))
  expect(message).toContain(`must name the issuer "${ISSUER}", but names "${ISSUER}/"`)
})

/** Texts that a careless pattern or another parser takes for an issuer at okta.com or example.com. */
const FOREIGN: readonly string[] = [
  'https://evil.example\\.okta.com',
  'https://evil.example/.okta.com?',
  'https://evil.example?.okta.com',
  'https://evil.example#.okta.com',
  'https://evil.example#@acme.okta.com',
  'https://evil.example\\@acme.okta.com',
  'https://acme.okta.com@evil.example',
  'https://user@acme.okta.com',
  'https://acme.okta.com\n',
  ' https://acme.okta.com',
  'https://acme.okta.com ',
  'https://acme.okta.com\t',
  'https://acme\u0000.okta.com',
  'https://evil.example\u00a0.okta.com',
  'https://evil.example,acme.okta.com',
  'https://evil.example;acme.okta.com',
  'https://evil.example%2f.okta.com',
  'https://evil.example%5c.okta.com',
  'https://evil.example／.okta.com',
  'https://evil.example＼.okta.com',
  'https:acme.okta.com',
  'https:/acme.okta.com',
  'https:///acme.okta.com',
  'https:\\\\acme.okta.com',
  'HTTPS://acme.okta.com',
  'https://ACME.okta.com',
  'https://acme.okta.com:443',
  'https://acme.okta.com/tenants/../admin',
  'https://acme.okta.com/%2e%2e/admin',
  'https://acme.okta.com/"',
  'https://acme.okta.com/.well-known/openid-configuration',
  'http://acme.okta.com',
  'http://0x7f.1',
  'ftp://acme.okta.com',
  'acme.okta.com',
  'joe',
  '',
]

describe('the function of issuers', () => {
  const gateOf = (seen: string[], fetched: string[]) =>
    createGate({
      verifier: multiIssuerJwt(
        (issuer): IssuerOptions => {
          seen.push(issuer)
          return { issuer, audience: AUDIENCE, fetch }
          async function fetch(url: string) {
            fetched.push(url)
            return Response.json(url.endsWith('/keys') ? keys : { issuer, jwks_uri: `${ISSUER}/keys` })
          }
        },
        { now },
      ),
    })

  it.each(FOREIGN)(
    'is not called for a token with the iss %j, which is answered 401 (ATK02)',
    async (iss) => {
      const [seen, fetched]: [string[], string[]] = [[], []]
      const decision = await gateOf(seen, fetched).authenticate(requestWith(await key.sign({ iss })))
      expect(decision).toMatchObject({ ok: false, status: 401, reason: 'issuer_mismatch' })
      expect({ seen, fetched }).toEqual({ seen: [], fetched: [] })
    },
  )

  it.each([
    'https://acme.okta.com',
    'https://acme.okta.com/',
    'https://acme.okta.com/oauth2/default',
    'http://localhost:8080',
  ])('is called with the iss %j, and the identity has the same issuer (ATK02)', async (iss) => {
    const [seen, fetched]: [string[], string[]] = [[], []]
    const decision = await gateOf(seen, fetched).authenticate(requestWith(await key.sign({ iss })))
    expect(decision).toMatchObject({ ok: true, identity: { issuer: iss } })
    expect(seen).toEqual([iss])
    expect(new URL(fetched[0] ?? '').origin).toBe(new URL(iss).origin)
  })

  it('leaves a token whose iss is only a name to the next verifier of a chain (ATK02)', async () => {
    const named = jwt({ issuer: 'joe', audience: AUDIENCE, keys, now })
    const gate = createGate({
      verifier: chain(
        multiIssuerJwt(() => undefined),
        named,
      ),
    })
    expect(await gate.authenticate(requestWith(await key.sign({ iss: 'joe' })))).toMatchObject({ ok: true })
  })
})

describe('the field Accept', () => {
  /** Answers 406 unless one of the types is acceptable. */
  const only =
    (type: string, answer: object): ((init: RequestInit) => Response) =>
    ({ headers }) => {
      const accepted = (new Headers(headers).get('accept') ?? '').split(/, */)
      return accepted.includes(type) ? Response.json(answer) : new Response(null, { status: 406 })
    }

  it.each(['application/json', 'application/jwk-set+json'])(
    'fits metadata, and a key set that is %s only (FIELD03, RFC 7517 §8.5)',
    async (type) => {
      const metadata = { issuer: ISSUER, jwks_uri: `${ISSUER}/keys` }
      const fetch = async (url: string, init: RequestInit) =>
        url.includes('/.well-known/') ? only('application/json', metadata)(init) : only(type, keys)(init)
      for (const jwksUri of [undefined, `${ISSUER}/keys`]) {
        const gate = createGate({ issuer: ISSUER, audience: AUDIENCE, fetch, now, jwksUri })
        expect(await gate.authenticate(requestWith(await key.sign()))).toMatchObject({ ok: true })
      }
    },
  )

  it('fits an introspection answer that is application/json only (FIELD03)', async () => {
    const answer = only('application/json', { active: true, aud: AUDIENCE, sub: 'emma' })
    const verifier = introspection({
      endpoint: `${ISSUER}/introspect`,
      clientId: 'api',
      clientSecret: 'secret',
      audience: AUDIENCE,
      fetch: async (_url, init) => answer(init),
    })
    expect(await createGate({ verifier }).authenticate(requestWith('opaque'))).toMatchObject({ ok: true })
  })
})

describe('a key set with keys in odd spellings', () => {
  it('verifies tokens, and one key that is unusable leaves the others usable (FIELD04, FIELD06)', async () => {
    const [rsa, ec, leaked] = await Promise.all([createKey('RS256'), createKey('ES256'), createKey('ES384')])
    const unset = { d: '', oth: [], key_ops: [], x5c: [], use: null, alg: null }
    const spelled = Buffer.from(String(rsa.jwk.n), 'base64url').toString('base64')
    const published = {
      keys: [
        { ...rsa.jwk, ...unset, n: spelled, e: 'AQAB====' },
        { ...rsa.jwk, ...unset, n: spelled },
        { ...ec.jwk, ...unset, x: `${ec.jwk.x}=` },
        { ...leaked.jwk, ...unset, d: leaked.jwk.x },
      ],
    }
    const settings = { issuer: ISSUER, audience: AUDIENCE, now, jwksUri: `${ISSUER}/keys` }
    const gate = createGate({ ...settings, fetch: async () => Response.json(published) })
    for (const [signer, status] of [
      [rsa, 200],
      [ec, 200],
      [leaked, 401],
    ] as const) {
      const decision = await gate.authenticate(requestWith(await signer.sign()))
      expect(decision.ok ? 200 : decision.status).toBe(status)
    }
    const padded = await gate.authenticate(requestWith(`${await ec.sign()}=`))
    expect(padded).toMatchObject({ ok: false })
  })
})

describe('plain http within a private network', () => {
  const HTTP = 'http://keycloak:8080/realms/main'
  const client = { clientId: 'api', clientSecret: 'secret', audience: AUDIENCE }
  const allowHttp = ['keycloak:8080']
  /** An issuer on this origin, which notes the requests. */
  const serve = (urls: string[], members: object) => async (url: string) => {
    urls.push(url)
    if (url.includes('/.well-known/')) return Response.json(members)
    if (url.includes('introspect')) return Response.json({ active: true, aud: AUDIENCE, sub: 'emma' })
    return Response.json(keys)
  }
  async function status(verifier: TokenVerifier, iss: string): Promise<number> {
    const token = await key.sign({ iss, typ: 'Bearer', aud: [AUDIENCE] })
    const decision = await createGate({ verifier }).authenticate(requestWith(token))
    return decision.ok ? 200 : decision.status
  }

  it('is allowed for each place of an issuer whose host is in allowHttp (FIELD21)', async () => {
    const urls: string[] = []
    const fetch = serve(urls, {
      issuer: HTTP,
      jwks_uri: `${HTTP}/keys`,
      introspection_endpoint: `${HTTP}/introspect`,
    })
    const common = { audience: AUDIENCE, fetch, now, allowHttp }
    const url = 'http://keycloak:8080'
    for (const verifier of [
      jwt({ ...common, issuer: HTTP }),
      jwt({ ...common, issuer: HTTP, jwksUri: `${HTTP}/keys` }),
      multiIssuerJwt([{ audience: AUDIENCE, fetch, allowHttp, issuer: HTTP }], { now }),
      keycloak({ ...common, url, realm: 'main' }),
      introspection({ ...client, issuer: HTTP, fetch, allowHttp }),
      introspection({ ...client, endpoint: `${HTTP}/introspect`, fetch, allowHttp }),
    ])
      expect(await status(verifier, HTTP)).toBe(200)
    expect(urls.every((asked) => asked.startsWith('http://keycloak:8080/'))).toBe(true)
  })

  it('needs no allowHttp if nothing is fetched (FIELD21)', async () => {
    for (const verifier of [
      jwt({ issuer: HTTP, audience: AUDIENCE, keys, now }),
      keycloak({ url: 'http://keycloak:8080', realm: 'main', audience: AUDIENCE, keys, now }),
    ])
      expect(await status(verifier, HTTP)).toBe(200)
  })

  it.each([[[]], [['keycloak']], [['keycloak:8081']], [['keycloak.corp:8080']], [['other:8080']]])(
    'allowHttp rejects another host or port than %j, and the error says what to write (FIELD21)',
    (allowed) => {
      const hint = 'allowHttp: ["keycloak:8080"]'
      const common = { audience: AUDIENCE, allowHttp: allowed }
      expect(() => jwt({ ...common, issuer: HTTP })).toThrow(hint)
      expect(() => jwt({ ...common, issuer: HTTP, jwksUri: `${HTTP}/keys` })).toThrow(hint)
      expect(() => keycloak({ ...common, url: 'http://keycloak:8080', realm: 'main' })).toThrow(hint)
      expect(() => introspection({ ...client, issuer: HTTP, allowHttp: allowed })).toThrow(hint)
      expect(() => introspection({ ...client, endpoint: HTTP, allowHttp: allowed })).toThrow(hint)
    },
  )

  it.each([
    'keycloak:8080',
    ['http://keycloak:8080'],
    ['*'],
    ['*:8080'],
    ['*.corp:8080'],
    ['keycloak:8080/'],
    ['keycloak:8080/realms'],
    ['user@keycloak:8080'],
    ['keycloak:'],
    ['keycloak:65536'],
    ['key cloak'],
    ['127.1'],
    [''],
    [7],
    [null],
    null,
    {},
  ])('throws a TypeError with an example for allowHttp: %j (FIELD21)', (bad) => {
    const allowHttp = bad as string[]
    const message = /"allowHttp" must be an array .+ \["keycloak:8080"\]; received/
    expect(() => jwt({ issuer: ISSUER, audience: AUDIENCE, allowHttp })).toThrow(message)
    expect(() => jwt({ issuer: ISSUER, audience: AUDIENCE, keys, allowHttp })).toThrow(message)
    expect(() => introspection({ ...client, issuer: ISSUER, allowHttp })).toThrow(message)
  })

  it('compares hosts as URLs have them: in lower case, and 80 as the default port (FIELD21)', () => {
    const verifier = jwt({
      issuer: 'http://keycloak/a',
      audience: AUDIENCE,
      allowHttp: ['Keycloak:80', '[FD00::1]:8080'],
    })
    expect(verifier.describe?.()).toMatchObject({ allowHttp: ['keycloak', '[fd00::1]:8080'] })
    const introspecting = introspection({ ...client, issuer: ISSUER, allowHttp })
    expect(introspecting.describe?.()).toMatchObject({ allowHttp })
  })

  it.each([
    [ISSUER, 'http://keys.example.com/keys', 503],
    [ISSUER, 'http://keycloak:8081/keys', 503],
    [ISSUER, 'http://10.0.0.5:8080/keys', 503],
    [ISSUER, 'http://127.0.0.1:8080/keys', 503],
    [ISSUER, 'http://keycloak:8080/keys', 200],
    [HTTP, 'http://10.0.0.5:8080/keys', 503],
    [HTTP, 'http://169.254.169.254/keys', 503],
  ])(
    'the metadata of %s may name %s only if its host is allowed and not in our network: %i (FIELD21)',
    async (issuer, jwks_uri, expected) => {
      const urls: string[] = []
      const allowed = ['keycloak:8080', '10.0.0.5:8080', '127.0.0.1:8080']
      const fetch = serve(urls, { issuer, jwks_uri })
      const verifier = jwt({ issuer, audience: AUDIENCE, fetch, now, allowHttp: allowed })
      expect(await status(verifier, issuer)).toBe(expected)
      expect(urls.includes(jwks_uri)).toBe(expected === 200)
    },
  )

  it('follows no redirect to a host that is not allowed (FIELD21)', async () => {
    const urls: string[] = []
    const fetch = async (url: string, init: RequestInit) => {
      urls.push(url)
      expect(init.redirect).toBe('manual')
      return new Response(null, { status: 302, headers: { location: 'http://other/keys' } })
    }
    const verifier = jwt({ issuer: HTTP, audience: AUDIENCE, fetch, now, allowHttp, jwksUri: `${HTTP}/keys` })
    expect(await status(verifier, HTTP)).toBe(503)
    expect(urls).toEqual([`${HTTP}/keys`])
  })
})
