/** Secrets that introspection and key sets handle, and that must not be shown: the query of a URL, and the token itself. */

import { createGate, introspection, type JwksEvent, jwt } from '@bearergate/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Introspector, json, type Reply, startIntrospector } from '../../../support/introspector.ts'
import { AUDIENCE, createKey, ISSUER, NOW } from '../../../support/issuer.ts'

const SECRET = 'TOPSECRET'
const QUERY = `?apikey=${SECRET}`
const CLIENT = { clientId: 'api', clientSecret: 'api-secret', audience: AUDIENCE }
const TOKEN = 'opaque+token/1=='

let server: Introspector
beforeAll(async () => {
  server = await startIntrospector(json({}))
})
afterAll(() => server.close())

/** Everything that a log may get of a value: its members, and an error's message, stack and causes. */
function shown(value: unknown): string {
  if (value instanceof Error) return `${value.name}${value.message}${value.stack}${shown(value.cause)}`
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([name, member]) => `${name}: ${shown(member)}`)
    .join()
}

/** Every way in which a request can fail at a URL. */
const FAULTS: readonly (readonly [string, Reply | undefined, object])[] = [
  ['answers 500', json({}, 500), {}],
  ['answers 404', json({}, 404), {}],
  [
    'answers with HTML',
    (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
    {},
  ],
  ['answers with an array', json([]), {}],
  ['resets the connection', (_, response) => response.socket?.destroy(), {}],
  [
    'is asked with a "fetch" whose error names the URL',
    undefined,
    {
      fetch: async (url: string) => {
        throw new TypeError('fetch failed', { cause: new Error(`request to ${url} failed`) })
      },
    },
  ],
  [
    'is asked with a "fetch" that throws a text with the URL',
    undefined,
    { fetch: (url: string) => Promise.reject(`no answer from ${url}`) },
  ],
]

const header = (token: string) => ({
  header: (name: string) => (name === 'authorization' ? `Bearer ${token}` : undefined),
})

describe('the query of the endpoint', () => {
  it.each(FAULTS)(
    'is in no event, description or error if the server %s (M05)',
    async (_, reply, options) => {
      if (reply !== undefined) server.reply = reply
      const log: unknown[] = []
      const verifier = introspection({
        endpoint: server.endpoint + QUERY,
        ...CLIENT,
        onIntrospection: (event) => log.push(event),
        ...options,
      })
      const gate = createGate({ verifier, onDecision: (event) => log.push(event) })
      expect(await gate.authenticate(header(TOKEN))).toMatchObject({ status: 503 })
      log.push(gate.describe())
      expect(shown(log)).toContain(server.endpoint)
      expect(shown(log)).not.toContain(SECRET)
    },
  )

  it('is sent to the server (M05)', async () => {
    server.reply = json({ active: true, aud: AUDIENCE })
    server.asked.length = 0
    const gate = createGate({ verifier: introspection({ endpoint: server.endpoint + QUERY, ...CLIENT }) })
    expect(await gate.authenticate(header(TOKEN))).toMatchObject({ ok: true })
    expect(server.asked.map(({ url }) => url)).toEqual([`/introspect${QUERY}`])
  })
})

describe('the query of "jwksUri"', () => {
  it.each(FAULTS)(
    'is in no event, description or error if the server %s (M05)',
    async (_, reply, options) => {
      if (reply !== undefined) server.reply = reply
      const log: unknown[] = []
      const verifier = jwt({
        issuer: ISSUER,
        audience: AUDIENCE,
        jwksUri: `${server.origin}/keys${QUERY}`,
        onJwks: (event: JwksEvent) => log.push(event),
        now: () => NOW * 1000,
        ...options,
      })
      const gate = createGate({ verifier, onDecision: (event) => log.push(event) })
      const token = await (await createKey()).sign()
      expect(await gate.authenticate(header(token))).toMatchObject({ status: 503 })
      log.push(gate.describe())
      expect(shown(log)).not.toContain(SECRET)
    },
  )
})

const hexOf = (character: string) => `%${character.charCodeAt(0).toString(16)}`

describe('a member of the response', () => {
  const identityOf = async (members: object, token = TOKEN) => {
    server.reply = json({ active: true, aud: AUDIENCE, sub: 'emma', ...members })
    const gate = createGate({ verifier: introspection({ endpoint: server.endpoint, ...CLIENT }) })
    const decision = await gate.authenticate(header(token))
    if (!decision.ok) throw new Error(decision.reason)
    return decision.identity
  }

  it.each<[string, object]>([
    ['is the token', { token: TOKEN }],
    ['contains the token', { echo: `Bearer ${TOKEN}, as it was sent` }],
    ['contains the token in percent-encoding', { url: `/introspect?token=${encodeURIComponent(TOKEN)}` }],
    ['has the token in a list', { list: ['a', TOKEN] }],
    ['has the token deep in an object', { request: { form: [{ token: TOKEN }] } }],
    ['has the token as a name', { request: { [TOKEN]: true } }],
    ['is named as the token', { [TOKEN]: true }],
    ['is "jti" and the token', { jti: TOKEN }],
    ['is "act" and has the token', { act: { sub: TOKEN } }],
  ])('is not in the identity if it %s (M05)', async (_, members) => {
    const identity = await identityOf({ ...members, kept: 'yes' })
    expect(JSON.stringify(identity)).not.toContain(TOKEN)
    expect(decodeURIComponent(JSON.stringify(identity))).not.toContain(TOKEN)
    expect(identity).toMatchObject({ subject: 'emma', claims: { active: true, sub: 'emma', kept: 'yes' } })
  })

  it.each<[string, object]>([
    ['in percent-encoding with lower-case letters', { url: `/?token=opaque%2btoken%2f1%3d%3d` }],
    ['in percent-encoding of every character', { url: TOKEN.replace(/./g, hexOf) }],
  ])('is not in the identity if it contains the token %s (M05)', async (_, members) => {
    expect((await identityOf(members)).claims).toEqual({ active: true, aud: AUDIENCE, sub: 'emma' })
  })

  it('is not in the identity if it contains a part of a token that is a JWT (M05)', async () => {
    const token = await (await createKey()).sign()
    const [header, payload, signature] = token.split('.')
    const parts = { list: [header, payload, signature], header, payload, deep: { signature } }
    const { claims } = await identityOf({ ...parts, kept: 'yes' }, token)
    expect(claims).toEqual({ active: true, aud: AUDIENCE, sub: 'emma', kept: 'yes' })
  })

  it('is in the identity if it contains a part of a token that is no JWT', async () => {
    const client_id = 'client-of-the-application'
    const { clientId } = await identityOf({ client_id }, `${client_id}.and.a-secret-of-the-token`)
    expect(clientId).toBe(client_id)
  })

  it('still binds a token to a key if it is "cnf" and contains the token (K15, M05)', async () => {
    server.reply = json({ active: true, aud: AUDIENCE, sub: 'emma', cnf: { jkt: 'x', kid: TOKEN } })
    const verifier = introspection({ endpoint: server.endpoint, ...CLIENT })
    const result = await verifier.verify(TOKEN)
    expect(result).toMatchObject({ active: true, identity: { confirmation: {} } })
    expect(JSON.stringify(result)).not.toContain(TOKEN)
    expect(await createGate({ verifier }).authenticate(header(TOKEN))).toMatchObject({
      reason: 'missing_proof',
    })
  })

  it('grants no scope if it is "scope" and contains the token, even if another member lists some (M05)', async () => {
    const identity = await identityOf({ scope: `read ${TOKEN}`, permissions: ['admin'] })
    expect(identity).toMatchObject({ scopes: [] })
  })

  it('still ends the token if it is "exp" and has the digits of the token', async () => {
    const exp = Math.floor(Date.now() / 1000) + 600
    expect(await identityOf({ exp }, String(exp))).toMatchObject({ expiresAt: exp })
  })

  it('is in the identity if it is "sub" and contains the token (M05)', async () => {
    expect(await identityOf({ sub: `owner of ${TOKEN}` })).toMatchObject({ subject: `owner of ${TOKEN}` })
    expect(await identityOf({ sub: TOKEN })).toMatchObject({ subject: undefined })
  })

  it('is in the identity if it contains a text of a few letters that is the token (M05)', async () => {
    expect(await identityOf({ echo: 'em', note: 'em and more' }, 'em')).toMatchObject({
      subject: 'emma',
      claims: { note: 'em and more' },
    })
  })
})
