/** Interoperation with oidc-provider: its JWT access tokens, its opaque ones, and what of it is no access token. */

import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { createGate, type Gate, opaque } from '@bearergate/core'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { Configuration, JWKS, Provider } from 'oidc-provider'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Api, startApis } from '../../examples/demo/apis.ts'
import { quietly } from '../../examples/demo/quietly.ts'
import { type Running, running } from '../../examples/demo/running.ts'
import { createSessions } from '../../examples/demo/sessions.ts'
import { type Answer, send } from '../support/server.ts'

const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const
const PROFILES = ['generic', 'rfc9068'] as const
const HOSTS = ['Express', 'Koa', 'fetch'] as const
const CLIENT = 'web'
const SECRET = 'web-secret'
const REDIRECT = 'https://web.example.com/callback'
const HOUR = 3600
/** A resource for each kind of token: the last part of its path says which. */
const resource = (kind: string) => `https://api.example.com/${kind}`

let provider: Provider
let server: Running
/** How far the gates' clock is ahead of the provider's, in seconds. */
let ahead = 0
const now = () => Date.now() + ahead * 1000
const stopping: (() => Promise<void>)[] = []

beforeAll(async () => {
  const keys = await Promise.all(ALGORITHMS.map(signingKey))
  const listener = createServer()
  server = await running(listener.listen(0, '127.0.0.1'))
  await quietly(async () => {
    const { Provider } = await import('oidc-provider')
    provider = new Provider(server.origin, configuration({ keys } as JWKS))
  })
  listener.on('request', provider.callback())
})

afterAll(async () => {
  await Promise.all(stopping.map((stop) => stop()))
  await server.close()
})

describe.each(PROFILES)('a gate of the profile %s', (profile) => {
  describe.each(ALGORITHMS)('for JWT access tokens signed with %s', (algorithm) => {
    const hosts = hostsBehind(() => issuerGate(resource(algorithm)))
    const issuerGate = (audience: string) => createGate({ issuer: server.origin, audience, profile, now })

    it.each(HOSTS)('accepts one of a client on %s', async (name) => {
      const { status, text } = await get(hosts(name), await clientToken(algorithm))
      expect(status).toBe(200)
      expect(JSON.parse(text)).toMatchObject({
        from: { subject: CLIENT, kind: 'jwt', scopes: ['read', 'write'] },
      })
    })

    it.each(HOSTS)('accepts one of a user on %s', async (name) => {
      const { access_token } = await userTokens(algorithm)
      const { status, text } = await get(hosts(name), access_token)
      expect(status).toBe(200)
      expect(JSON.parse(text)).toMatchObject({ from: { subject: 'emma', scopes: ['read', 'write'] } })
    })

    it.each(HOSTS)('rejects a JWT for another audience on %s', async (name) => {
      const other = algorithm === 'RS256' ? 'ES256' : 'RS256'
      expectRefusal(await get(hosts(name), await clientToken(other)), 'meant for another audience')
    })

    it.each(HOSTS)('rejects an expired JWT on %s that it accepted before', async (name) => {
      const token = await clientToken(algorithm)
      expect((await get(hosts(name), token)).status).toBe(200)
      await later(HOUR + 31, async () => expectRefusal(await get(hosts(name), token), 'expired'))
    })

    it.each(HOSTS)('rejects a JWT that is bound to a key on %s', async (name) => {
      const token = await clientToken(algorithm, { dpop: await dpopProof() })
      expectRefusal(await get(hosts(name), token), 'bound to a key')
    })
  })

  describe('for ID tokens', () => {
    const ofApi = hostsBehind(() =>
      createGate({ issuer: server.origin, audience: resource('ES256'), profile, now }),
    )
    const ofClient = hostsBehind(() => createGate({ issuer: server.origin, audience: CLIENT, profile, now }))

    it.each(HOSTS)('rejects an ID token on %s', async (name) => {
      const { id_token } = await userTokens('ES256')
      const description = profile === 'generic' ? 'meant for another audience' : 'not an access token'
      expectRefusal(await get(ofApi(name), id_token), description)
    })

    // By its type alone `generic` cannot tell an ID token, which may go without one: here the nonce does.
    it.each(HOSTS)(
      'rejects an ID token with a nonce on %s even if the client is the audience',
      async (name) => {
        const { id_token } = await userTokens('ES256', { nonce: 'n-0S6' })
        expectRefusal(await get(ofClient(name), id_token), 'not an access token')
      },
    )
  })
})

describe('a gate that looks opaque tokens up with the provider', () => {
  const hosts = hostsBehind(() => createGate({ verifier: opaque({ lookup: found, now }) }))

  it.each(HOSTS)('accepts one on %s', async (name) => {
    const { access_token } = await userTokens('opaque')
    const { status, text } = await get(hosts(name), access_token)
    expect(status).toBe(200)
    expect(JSON.parse(text)).toMatchObject({
      from: { subject: 'emma', kind: 'opaque', scopes: ['read', 'write'] },
    })
  })

  it.each(HOSTS)('rejects an opaque token on %s that the provider revoked', async (name) => {
    const { access_token } = await userTokens('opaque')
    expect((await get(hosts(name), access_token)).status).toBe(200)
    await fromProvider('/token/revocation', { token: access_token })
    expectRefusal(await get(hosts(name), access_token), 'not valid')
  })

  it.each(HOSTS)('rejects an expired opaque token on %s', async (name) => {
    const { access_token } = await userTokens('opaque')
    await later(HOUR, async () => expectRefusal(await get(hosts(name), access_token), 'expired'))
  })

  it.each(HOSTS)('rejects a token on %s that the provider does not know', async (name) => {
    expectRefusal(await get(hosts(name), await clientToken('ES256')), 'not valid')
  })
})

/** Starts the three hosts behind a gate that is made when the provider runs. */
function hostsBehind(createdGate: () => Gate): (name: Api['name']) => string {
  let apis: readonly Api[] = []
  beforeAll(async () => {
    apis = await startApis(createdGate(), createSessions())
    stopping.push(...apis.map(({ close }) => close))
  })
  return (wanted) => apis.find(({ name }) => name === wanted)?.origin ?? ''
}

/** What the provider's own storage knows of an opaque access token. */
async function found(token: string) {
  const known = await provider.AccessToken.find(token)
  if (known === undefined) return null
  const { accountId: subject, clientId, scopes, exp: expiresAt, iat: issuedAt, jti: tokenId } = known
  return { subject, clientId, scopes: [...scopes], expiresAt, issuedAt, tokenId }
}

function get(origin: string, token: string): Promise<Answer> {
  return send(`${origin}/echo/get/json`, { headers: ['authorization', `Bearer ${token}`] })
}

function expectRefusal({ status, challenges }: Answer, description: string): void {
  expect(challenges.join('\n')).toContain(description)
  expect(challenges.join('\n')).toContain('error="invalid_token"')
  expect(status).toBe(401)
}

async function later(seconds: number, run: () => Promise<void>): Promise<void> {
  ahead = seconds
  try {
    await run()
  } finally {
    ahead = 0
  }
}

interface Tokens {
  readonly access_token: string
  readonly id_token: string
}

async function fromProvider(
  path: string,
  form: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Partial<Tokens>> {
  const response = await fetch(server.origin + path, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${CLIENT}:${SECRET}`)}`, ...headers },
    body: new URLSearchParams(form),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`The provider answered ${response.status}: ${text}`)
  return text === '' ? {} : (JSON.parse(text) as Partial<Tokens>)
}

async function clientToken(kind: string, headers?: Record<string, string>): Promise<string> {
  const form = { grant_type: 'client_credentials', scope: 'read write', resource: resource(kind) }
  return (await fromProvider('/token', form, headers)).access_token ?? ''
}

/** The tokens of a user, for a code as the provider makes one when a user has logged in and consented. */
async function userTokens(kind: string, asked: { nonce?: string } = {}): Promise<Tokens> {
  const client = await provider.Client.find(CLIENT)
  if (client === undefined) throw new Error('The provider does not know the client')
  const grant = new provider.Grant({ accountId: 'emma', clientId: CLIENT })
  grant.addOIDCScope('openid')
  grant.addResourceScope(resource(kind), 'read write')
  const code = new provider.AuthorizationCode({
    ...asked,
    accountId: 'emma',
    client,
    gty: 'authorization_code',
    grantId: await grant.save(),
    redirectUri: REDIRECT,
    resource: resource(kind),
    scope: 'openid read write',
  })
  return (await fromProvider('/token', {
    grant_type: 'authorization_code',
    code: await code.save(),
    redirect_uri: REDIRECT,
    resource: resource(kind),
  })) as Tokens
}

/** A proof that binds the token which is asked for to a new key (RFC 9449 §4.2). */
async function dpopProof(): Promise<string> {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  return new SignJWT({ htm: 'POST', htu: `${server.origin}/token`, jti: randomUUID() })
    .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: await exportJWK(publicKey) })
    .setIssuedAt()
    .sign(privateKey)
}

async function signingKey(alg: string) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  return { ...(await exportJWK(privateKey)), kid: `key-${alg}`, alg, use: 'sig' }
}

function configuration(jwks: JWKS): Configuration {
  return {
    jwks,
    scopes: ['openid', 'read', 'write'],
    ttl: { AccessToken: HOUR, ClientCredentials: HOUR, AuthorizationCode: 60, Grant: HOUR, IdToken: HOUR },
    clients: [
      {
        client_id: CLIENT,
        client_secret: SECRET,
        grant_types: ['authorization_code', 'client_credentials'],
        redirect_uris: [REDIRECT],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    findAccount: (_context, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      revocation: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, indicator) => {
          const kind = new URL(indicator).pathname.slice(1)
          const isOpaque = kind === 'opaque'
          return {
            audience: indicator,
            scope: 'read write',
            accessTokenFormat: isOpaque ? 'opaque' : 'jwt',
            ...(isOpaque ? {} : { jwt: { sign: { alg: kind as (typeof ALGORITHMS)[number] } } }),
          }
        },
      },
    },
  }
}
