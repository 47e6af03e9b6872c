/** Back-channel logout by oidc-provider: users log in, get access tokens and log out, and APIs reject their tokens from then on. */

import { createServer } from 'node:http'
import { type DecisionEvent, memoryRevocations, type RevocationStore } from '@bearergate/core'
import { backChannelLogout, type RejectedSignal, type Signal } from '@bearergate/core/signals'
import { bearer } from '@bearergate/express'
import { redisRevocations } from '@bearergate/redis'
import express from 'express'
import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair } from 'jose'
import type { Configuration, JWKS } from 'oidc-provider'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { quietly } from '../../examples/demo/quietly.ts'
import { type Running, running } from '../../examples/demo/running.ts'
import { connect, hasRedis, startRedis } from '../support/redis.ts'

const AUDIENCE = 'https://api.example.com'
const REDIRECT = 'https://web.example.com/callback'
const SECRET = 'the-secret-of-the-clients'
const HOUR = 3600
const LOGOUT = 'http://schemas.openid.net/event/backchannel-logout'

/** `by-session` requires `sid` in its logout tokens, `by-subject` gets `sub` alone. */
const CLIENTS = { 'by-session': 'RS256', 'by-subject': 'ES256' } as const
type ClientId = keyof typeof CLIENTS

let provider: Running
/** The provider sends its logouts to this server, which passes them to the API that was started last. */
let receiver: Running
let receiving: Pick<Api, 'app'>
const closing: (() => unknown)[] = []

beforeAll(async () => {
  receiver = await running(
    createServer((request, response) => receiving.app(request, response)).listen(0, '127.0.0.1'),
  )
  const keys = await Promise.all(Object.values(CLIENTS).map(signingKey))
  const listener = createServer()
  provider = await running(listener.listen(0, '127.0.0.1'))
  await quietly(async () => {
    const { Provider } = await import('oidc-provider')
    const created = new Provider(provider.origin, configuration({ keys } as JWKS, receiver.origin))
    listener.on('request', created.callback())
  })
})

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

afterAll(async () => {
  await provider?.close()
  await receiver?.close()
})

describe('back-channel logout by oidc-provider', () => {
  it('revokes the tokens of a session, also cached ones, and not those of another session of the user (P05)', async () => {
    const api = await startApi()
    const [laptop, phone] = [createBrowser(), createBrowser()]
    const [ofLaptop, ofPhone] = [await login(laptop, 'by-session'), await login(phone, 'by-session')]
    expect(decodeJwt(ofLaptop)).toMatchObject({ sub: 'emma', sid: expect.any(String) })
    expect(decodeJwt(ofPhone).sid).not.toBe(decodeJwt(ofLaptop).sid)
    const fresh = await login(laptop, 'by-session')
    for (const token of [ofLaptop, ofPhone, ofLaptop, ofPhone]) expect(await api.ask(token)).toBe('200')
    expect(api.decisions.slice(-2).map(({ cached }) => cached)).toEqual([true, true])

    await logout(laptop)

    expect(api.signals).toMatchObject([
      { revocations: [{ sessionId: decodeJwt(ofLaptop).sid, issuer: provider.origin }], isRepeated: false },
    ])
    expect(await api.ask(ofLaptop)).toBe('401 revoked')
    // A token of the same session that this API has not seen before.
    expect(await api.ask(fresh)).toBe('401 revoked')
    expect(await api.ask(ofPhone)).toBe('200')
    expect(await api.ask(await login(laptop, 'by-session'))).toBe('200')
    await logout(phone)
    expect(await api.ask(ofPhone)).toBe('401 revoked')
    expect([api.received.map(({ status }) => status), api.rejected]).toEqual([[200, 200], []])
  })

  it('revokes the tokens of all sessions, and not those of a later login, if the logout token has "sub" alone (P05)', async () => {
    const api = await startApi()
    const [laptop, phone] = [createBrowser(), createBrowser()]
    const tokens = [await login(laptop, 'by-subject'), await login(phone, 'by-subject')]
    const ofOther = await login(createBrowser(), 'by-subject', 'otto')
    expect(tokens.map((token) => decodeJwt(token).sid)).toEqual([undefined, undefined])
    for (const token of [...tokens, ofOther, ...tokens]) expect(await api.ask(token)).toBe('200')
    expect(api.decisions.slice(-2).map(({ cached }) => cached)).toEqual([true, true])

    await logout(laptop)

    expect(api.signals).toMatchObject([{ revocations: [{ subject: 'emma', issuer: provider.origin }] }])
    for (const token of tokens) expect(await api.ask(token)).toBe('401 revoked')
    expect(await api.ask(ofOther)).toBe('200')
    // Dates have no fractions, so the tokens of the same second are revoked too.
    const { iat = 0 } = decodeJwt(api.received[0]?.token ?? '')
    let later = await login(laptop, 'by-subject')
    while ((decodeJwt(later).iat ?? 0) <= iat) later = await login(createBrowser(), 'by-subject')
    expect(await api.ask(later)).toBe('200')
    expect([api.received.map(({ status }) => status), api.rejected]).toEqual([[200], []])
  })

  it.each(Object.entries(CLIENTS))(
    'accepts the logout token for the client %s, with the claims that the provider writes (P05)',
    async (clientId, alg) => {
      const api = await startApi()
      const browser = createBrowser()
      await login(browser, clientId as ClientId)
      await logout(browser)
      const { token = '' } = api.received[0] ?? {}
      expect(decodeProtectedHeader(token)).toEqual({ typ: 'logout+jwt', alg, kid: `key-${alg}` })
      const { iat = 0, exp = 0, ...claims } = decodeJwt(token)
      expect(exp - iat).toBe(120)
      expect([api.received[0]?.status, api.rejected]).toEqual([200, []])
      expect(claims).toEqual({
        iss: provider.origin,
        aud: clientId,
        sub: 'emma',
        jti: expect.any(String),
        events: { [LOGOUT]: {} },
        ...(clientId === 'by-session' && { sid: expect.any(String) }),
      })
    },
  )

  it('accepts a repeated logout token without effect, and neither kind of token in place of the other (P02, P07)', async () => {
    const api = await startApi()
    const browser = createBrowser()
    const token = await login(browser, 'by-session')
    await logout(browser)
    const { token: sent = '' } = api.received[0] ?? {}
    const again = await post(`${receiver.origin}/logout`, { logout_token: sent })
    expect([again.status, api.signals.map(({ isRepeated }) => isRepeated)]).toEqual([200, [false, true]])
    expect(await api.ask(sent)).toMatch(/^401 /)
    expect(await api.ask(sent)).not.toBe('401 revoked')
    const wrong = await post(`${receiver.origin}/logout`, { logout_token: token })
    expect([wrong.status, await wrong.json()]).toEqual([
      400,
      { error: 'invalid_request', error_description: expect.stringContaining('"typ"') },
    ])
  })

  it('answers 503 if the store of revocations is full, and revokes the tokens when the logout is sent again (P06)', async () => {
    let ahead = 0
    const revocations = memoryRevocations({ max: 1, now: () => Date.now() + ahead })
    await revocations.revoke({ tokenId: 'other', expiresAt: Date.now() / 1000 + 60 })
    const api = await startApi(revocations)
    const browser = createBrowser()
    const token = await login(browser, 'by-session')
    await logout(browser)
    expect([api.received[0]?.status, await api.ask(token)]).toEqual([503, '200'])
    expect(api.rejected).toMatchObject([{ status: 503, cause: expect.any(RangeError) }])
    ahead = 2 * HOUR * 1000
    const again = await post(`${receiver.origin}/logout`, { logout_token: api.received[0]?.token ?? '' })
    expect([again.status, await api.ask(token)]).toEqual([200, '401 revoked'])
  })

  it.skipIf(!hasRedis)(
    'revokes the tokens at an API that shares revocations by Redis with the API that received the logout',
    async () => {
      const redis = await startRedis()
      closing.push(() => redis.close())
      const [other, receiving] = [
        await startApi(await sharedRevocations(redis.url)),
        await startApi(await sharedRevocations(redis.url)),
      ]
      const [laptop, phone] = [createBrowser(), createBrowser()]
      const [ofLaptop, ofPhone] = [await login(laptop, 'by-session'), await login(phone, 'by-session')]
      for (const token of [ofLaptop, ofPhone]) {
        for (const api of [receiving, other, other]) expect(await api.ask(token)).toBe('200')
        expect(other.decisions.at(-1)?.cached).toBe(true)
      }

      await logout(laptop)

      expect([receiving.signals.length, other.signals.length]).toEqual([1, 0])
      expect(await receiving.ask(ofLaptop)).toBe('401 revoked')
      // The entry is on its way to the other API.
      while ((await other.ask(ofLaptop)) !== '401 revoked')
        await new Promise((resolve) => setTimeout(resolve, 2))
      expect([await receiving.ask(ofPhone), await other.ask(ofPhone)]).toEqual(['200', '200'])
    },
  )
})

type Api = Awaited<ReturnType<typeof startApi>>

/** Starts an API, which receives the logouts from now on. */
async function startApi(revocations = memoryRevocations()) {
  const decisions: DecisionEvent[] = []
  const signals: Signal[] = []
  const rejected: RejectedSignal[] = []
  /** The logout tokens as they arrived, and the status of each answer: the provider does not report it. */
  const received: { token: string; status: number }[] = []
  const issuer = provider.origin
  const onDecision = (event: DecisionEvent) => void decisions.push(event)
  const auth = bearer({ issuer, audience: AUDIENCE, revocations, onDecision })
  const logout = backChannelLogout({
    issuer,
    clientId: Object.keys(CLIENTS),
    gate: auth.gate,
    onSignal: (signal) => void signals.push(signal),
    onRejected: (reason) => void rejected.push(reason),
  })
  const app = express()
  app.post('/logout', express.text({ type: '*/*', limit: '64kb' }), async (req, res) => {
    const sent = String(req.body)
    const { status, headers, body } = await logout.receive({
      contentType: req.get('content-type'),
      body: sent,
    })
    received.push({ token: new URLSearchParams(sent).get('logout_token') ?? '', status })
    res.status(status).set(headers).send(body)
  })
  app.get('/me', auth, (req, res) => void res.json({ subject: auth.identity(req).subject }))
  const server = await running(app.listen(0, '127.0.0.1'))
  closing.push(server.close)

  /** Sends a request with a token. */
  async function ask(token: string): Promise<string> {
    const { status } = await fetch(`${server.origin}/me`, { headers: { authorization: `Bearer ${token}` } })
    const decision = decisions.at(-1)?.decision
    return decision?.ok === false ? `${status} ${decision.reason}` : String(status)
  }

  const api = { app, ask, decisions, signals, rejected, received }
  receiving = api
  return api
}

async function sharedRevocations(url: string): Promise<RevocationStore> {
  const client = await connect(url)
  const store = redisRevocations(client)
  closing.push(() => {
    store.close()
    client.destroy()
  })
  await store.ready()
  return store
}

interface Browser {
  /** Opens a page of the provider, or submits a form. Returns the page, or where a redirect leads that leaves the provider. */
  open(url: string, form?: Record<string, string>): Promise<{ url: string; text: string }>
}

/** Follows the redirects of the provider, and keeps its cookies. */
function createBrowser(): Browser {
  const cookies = new Map<string, string>()
  return {
    async open(url, form) {
      const cookie = [...cookies].map((pair) => pair.join('=')).join('; ')
      const response = await fetch(url, {
        method: form ? 'POST' : 'GET',
        headers: { cookie },
        redirect: 'manual',
        ...(form && { body: new URLSearchParams(form) }),
      })
      for (const line of response.headers.getSetCookie()) {
        const { name = '', value = '' } = /^(?<name>[^=]+)=(?<value>[^;]*)/.exec(line)?.groups ?? {}
        if (value === '') cookies.delete(name)
        else cookies.set(name, value)
      }
      const text = await response.text()
      const location = response.headers.get('location')
      if (location === null) {
        if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text}`)
        return { url, text }
      }
      const next = new URL(location, url).href
      return next.startsWith(provider.origin) ? this.open(next) : { url: next, text }
    },
  }
}

/** Logs a user in, unless the browser has a session already, and gets an access token for the API (RFC 6749 §4.1, RFC 8707). */
async function login(browser: Browser, clientId: ClientId, user = 'emma'): Promise<string> {
  const asked = {
    client_id: clientId,
    response_type: 'code',
    redirect_uri: REDIRECT,
    scope: 'openid read',
    resource: AUDIENCE,
  }
  let page = await browser.open(`${provider.origin}/auth?${new URLSearchParams(asked)}`)
  while (page.url.includes('/interaction/')) {
    const prompt = page.text.includes('name="login"')
      ? { prompt: 'login', login: user, password: 'any' }
      : { prompt: 'consent' }
    page = await browser.open(page.url, prompt)
  }
  const code = new URL(page.url).searchParams.get('code') ?? ''
  const response = await post(
    `${provider.origin}/token`,
    { grant_type: 'authorization_code', code, redirect_uri: REDIRECT, resource: AUDIENCE },
    { authorization: `Basic ${btoa(`${clientId}:${SECRET}`)}` },
  )
  const { access_token: token } = (await response.json()) as { access_token?: string }
  if (token === undefined) throw new Error(`The token endpoint answered ${response.status}`)
  return token
}

/** Ends the session of a browser at the provider, which tells the clients before it answers (OpenID Connect RP-Initiated Logout 1.0). */
async function logout(browser: Browser): Promise<void> {
  const { text } = await browser.open(`${provider.origin}/session/end`)
  const [, xsrf = ''] = /name="xsrf" value="([^"]+)"/.exec(text) ?? []
  await browser.open(`${provider.origin}/session/end/confirm`, { xsrf, logout: 'yes' })
}

function post(url: string, form: Record<string, string>, headers: Record<string, string> = {}) {
  return fetch(url, { method: 'POST', headers, body: new URLSearchParams(form) })
}

async function signingKey(alg: string) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  return { ...(await exportJWK(privateKey)), kid: `key-${alg}`, alg, use: 'sig' }
}

function configuration(jwks: JWKS, receiver: string): Configuration {
  return {
    jwks,
    scopes: ['openid', 'read'],
    ttl: {
      AccessToken: HOUR,
      AuthorizationCode: 60,
      Grant: HOUR,
      IdToken: HOUR,
      Interaction: 600,
      Session: HOUR,
    },
    clients: Object.entries(CLIENTS).map(([client_id, id_token_signed_response_alg]) => ({
      client_id,
      client_secret: SECRET,
      redirect_uris: [REDIRECT],
      id_token_signed_response_alg,
      backchannel_logout_uri: `${receiver}/logout`,
      backchannel_logout_session_required: client_id === 'by-session',
    })),
    findAccount: (_context, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    // The provider keeps the session of a token, but does not write it into the token by itself.
    extraTokenClaims: (_context, token) => ({ sid: (token as { sid?: string }).sid }),
    // Its dispatcher refuses to connect to loopback and to private addresses.
    fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined } as object),
    features: {
      backchannelLogout: { enabled: true },
      // Login and consent without a password.
      devInteractions: { enabled: true },
      rpInitiatedLogout: {
        logoutSource: (context, form) => {
          context.body = form
        },
        postLogoutSuccessSource: (context) => {
          context.body = 'Logged out'
        },
      },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({ audience: AUDIENCE, scope: 'read', accessTokenFormat: 'jwt' }),
      },
    },
  }
}
