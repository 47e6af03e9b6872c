/** What a gate does, told by the runtime that it runs on: Web APIs only, no test framework. `run()` says what passed. */

import {
  allOf,
  chain,
  createGate,
  type Gate,
  generateToken,
  hashToken,
  introspection,
  issuers,
  jwt,
  maxAge,
  opaque,
  scope,
  staticTokens,
  webSocketHandshake,
} from '@bearergate/core'
import { lambda } from '@bearergate/core/lambda'
import { keycloak } from '@bearergate/core/presets'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

export interface Report {
  readonly passed: number
  readonly failed: readonly string[]
}

const ISSUER = 'https://id.example.com'
const AUDIENCE = 'https://api.example.com'
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'] as const

type Pair = Awaited<ReturnType<typeof generateKeyPair>>
const pairs = new Map<string, Pair>()
const jwks: { keys: object[] } = { keys: [] }
/** What the issuer answers with: its documents, or 500. */
let isDown = false
let fetches = 0

async function issuer(url: string, init: RequestInit): Promise<Response> {
  fetches += 1
  if (isDown) return new Response('', { status: 500 })
  const { pathname } = new URL(url)
  if (pathname === '/introspect') {
    const token = (init.body as URLSearchParams).get('token')
    return Response.json({ active: token === 'introspected', sub: 'emma', aud: AUDIENCE })
  }
  return Response.json(pathname === '/jwks' ? jwks : { issuer: ISSUER, jwks_uri: `${ISSUER}/jwks` })
}

function sign(claims: Record<string, unknown> = {}, alg = 'ES256', header: object = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const all = {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'emma',
    scope: 'read write',
    iat: now,
    exp: now + 600,
    ...claims,
  }
  return new SignJWT(all)
    .setProtectedHeader({ alg, kid: alg, typ: 'at+jwt', ...header })
    .sign((pairs.get(alg) as Pair).privateKey)
}

const SETTINGS = { issuer: ISSUER, audience: AUDIENCE, fetch: issuer }

function ask(gate: Gate, token?: string, url = 'https://api.example.com/'): Promise<Response> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return answer(gate, new Request(url, { headers }))
}

function answer(gate: Gate, request: Request): Promise<Response> {
  return gate.protect((_request, identity) => Response.json({ hello: identity?.subject ?? null }))(request)
}

async function expectAnswer(response: Response, status: number, challenge?: string): Promise<void> {
  const sent = response.headers.get('www-authenticate') ?? ''
  if (response.status !== status || (challenge !== undefined && !sent.includes(challenge)))
    throw new Error(`${response.status} ${sent}, not ${status} ${challenge ?? ''}`)
  if (status >= 400) await response.json()
}

function must(isTrue: boolean, what: string): void {
  if (!isTrue) throw new Error(what)
}

const CASES: readonly (readonly [string, () => Promise<void>])[] = [
  ...ALGORITHMS.map(
    (alg) =>
      [
        `verifies ${alg}`,
        async () => expectAnswer(await ask(createGate(SETTINGS), await sign({}, alg)), 200),
      ] as const,
  ),
  [
    'answers 401 without an error code',
    async () => expectAnswer(await ask(createGate(SETTINGS)), 401, 'Bearer realm="api"'),
  ],
  [
    'answers 400 for what is malformed, and 401 for another scheme',
    async () => {
      const gate = createGate(SETTINGS)
      for (const [value, status] of [
        ['Bearer', 400],
        ['Bearer a b', 400],
        ['Bearer a,Bearer a', 400],
        ['Basic abc', 401],
      ] as const)
        await expectAnswer(
          await answer(gate, new Request(AUDIENCE, { headers: { authorization: value } })),
          status,
        )
    },
  ],
  [
    'sees two lines in Headers',
    async () => {
      const headers = new Headers()
      for (const token of [await sign(), await sign()]) headers.append('authorization', `Bearer ${token}`)
      await expectAnswer(await answer(createGate(SETTINGS), new Request(AUDIENCE, { headers })), 400)
    },
  ],
  ...(
    [
      ['an expired token', { exp: 1 }],
      ['another audience', { aud: 'https://other.example.com' }],
      ['another issuer', { iss: 'https://other.example.com' }],
      ['a token of the future', { iat: 4_000_000_000 }],
      ['a token without exp', { exp: undefined }],
    ] as const
  ).map(
    ([what, claims]) =>
      [
        `refuses ${what}`,
        async () =>
          expectAnswer(await ask(createGate(SETTINGS), await sign(claims)), 401, 'error="invalid_token"'),
      ] as const,
  ),
  [
    'refuses a token that was tampered with, also once it is known',
    async () => {
      const gate = createGate(SETTINGS)
      const [header, , signature] = (await sign()).split('.')
      const other = (await sign({ scope: 'admin' })).split('.')[1]
      const good = await sign()
      await expectAnswer(await ask(gate, good), 200)
      await expectAnswer(await ask(gate, `${header}.${other}.${signature}`), 401)
      await expectAnswer(await ask(gate, `${good.slice(0, -4)}AAAA`), 401)
    },
  ],
  [
    'refuses an ID token, alg none, and crit',
    async () => {
      const gate = createGate(SETTINGS)
      await expectAnswer(await ask(gate, await sign({ nonce: 'n' }, 'ES256', { typ: 'JWT' })), 401)
      await expectAnswer(await ask(gate, 'eyJhbGciOiJub25lIn0.e30.AA'), 401)
    },
  ],
  [
    'fetches the keys once for 50 cold requests, and answers known tokens without asking',
    async () => {
      const gate = createGate(SETTINGS)
      const token = await sign()
      const before = fetches
      const answers = await Promise.all(Array.from({ length: 50 }, () => ask(gate, token)))
      for (const response of answers) await expectAnswer(response, 200)
      must(fetches - before === 2, `${fetches - before} fetches`)
    },
  ],
  [
    'answers 503 with Retry-After where the keys cannot be had',
    async () => {
      isDown = true
      try {
        const response = await ask(createGate(SETTINGS), await sign())
        await expectAnswer(response, 503)
        must(Number(response.headers.get('retry-after')) >= 1, 'no Retry-After')
      } finally {
        isDown = false
      }
    },
  ],
  [
    'has its keys at hand after ready(), and none fetched after close()',
    async () => {
      const gate = createGate(SETTINGS)
      await gate.ready()
      const before = fetches
      gate.close()
      await expectAnswer(await ask(gate, await sign()), 200)
      must(fetches === before, 'fetched')
    },
  ],
  [
    'takes given keys without any fetch',
    async () => {
      const before = fetches
      const gate = createGate({ issuer: ISSUER, audience: AUDIENCE, keys: jwks as never })
      await expectAnswer(await ask(gate, await sign()), 200)
      must(fetches === before, 'fetched')
    },
  ],
  [
    'keeps key sets in a store, and has the runtime wait for it',
    async () => {
      const kept = new Map<string, object>()
      const keySetStore = {
        get: (name: string) => kept.get(name) as never,
        set: async (name: string, set: object) => {
          await new Promise((resolve) => setTimeout(resolve, 20))
          kept.set(name, JSON.parse(JSON.stringify(set)) as object)
        },
      }
      const waited: Promise<unknown>[] = []
      const context = { waitUntil: (promise: Promise<unknown>) => void waited.push(promise) }
      const gate = createGate({ ...SETTINGS, keySetStore })
      const handler = gate.protect(() => new Response('ok'))
      const request = new Request(AUDIENCE, { headers: { authorization: `Bearer ${await sign()}` } })
      await (handler as (...args: unknown[]) => Promise<Response>)(request, {}, context)
      must(waited.length === 1, `${waited.length} promises`)
      await Promise.all(waited)
      must(kept.size === 1, 'nothing kept')
      const before = fetches
      await expectAnswer(await ask(createGate({ ...SETTINGS, keySetStore }), await sign()), 200)
      must(fetches === before, 'fetched')
    },
  ],
  [
    'asks for scopes: 403 with all that are needed',
    async () => {
      const gate = createGate({ ...SETTINGS, requirement: allOf(scope('read'), scope('admin')) })
      await expectAnswer(await ask(gate, await sign()), 403, 'scope="read admin"')
    },
  ],
  [
    'asks for a newer authentication',
    async () => {
      const gate = createGate({ ...SETTINGS, requirement: maxAge(60) })
      await expectAnswer(await ask(gate, await sign({ auth_time: 1 })), 401, 'max_age="60"')
    },
  ],
  [
    'lets absence pass where it may, and nothing else',
    async () => {
      const gate = createGate({ ...SETTINGS, optional: true }) as Gate
      await expectAnswer(await ask(gate), 200)
      await expectAnswer(await ask(gate, 'bad'), 401)
    },
  ],
  [
    'publishes the metadata of its resource',
    async () => {
      const gate = createGate({ issuer: ISSUER, fetch: issuer, resource: 'https://api.example.com/v1' })
      const response = await ask(
        gate,
        undefined,
        'https://api.example.com/.well-known/oauth-protected-resource/v1',
      )
      must(
        ((await response.json()) as { resource?: string }).resource === 'https://api.example.com/v1',
        'no resource',
      )
      await expectAnswer(await ask(gate), 401, 'resource_metadata=')
    },
  ],
  [
    'reads query, cookie and form where it is told to',
    async () => {
      const credentials = { query: true, cookie: 'session', form: true }
      const gate = createGate({ verifier: staticTokens([{ token: 'fixed' }]), credentials })
      const response = await ask(gate, undefined, 'https://api.example.com/?access_token=fixed')
      await expectAnswer(response, 200)
      must(response.headers.get('cache-control') === 'private, no-store', 'may be kept')
      // Some runtimes forbid the field in a Request of one's own.
      const view = { header: (name: string) => (name === 'cookie' ? 'session=fixed' : undefined) }
      must((await gate.authenticate(view)).ok, 'no cookie')
      const form = new Request(AUDIENCE, {
        method: 'POST',
        body: new URLSearchParams({ access_token: 'fixed' }),
      })
      await expectAnswer(await answer(gate, form), 200)
    },
  ],
  [
    'revokes at once',
    async () => {
      const gate = createGate(SETTINGS)
      const token = await sign()
      await expectAnswer(await ask(gate, token), 200)
      await gate.revoke(token)
      await expectAnswer(await ask(gate, token), 401)
    },
  ],
  [
    'makes, hashes and looks up opaque tokens',
    async () => {
      const token = generateToken('acme')
      const sessions = new Map([[await hashToken(token), { subject: 'emma' }]])
      const lookup = (_token: string, hash: string) => sessions.get(hash) ?? null
      const gate = createGate({ verifier: opaque({ prefix: 'acme', lookup, cache: { ttl: 60 } }) })
      for (let turn = 0; turn < 2; turn += 1) await expectAnswer(await ask(gate, token), 200)
      await expectAnswer(await ask(gate, generateToken('acme')), 401)
    },
  ],
  [
    'introspects',
    async () => {
      const client = { clientId: 'api', clientSecret: 'secret' }
      const verifier = introspection({
        endpoint: `${ISSUER}/introspect`,
        ...client,
        audience: AUDIENCE,
        fetch: issuer,
      })
      await expectAnswer(await ask(createGate({ verifier }), 'introspected'), 200)
      await expectAnswer(await ask(createGate({ verifier }), 'unknown'), 401)
    },
  ],
  [
    'chains JWTs, opaque and fixed tokens, and several issuers',
    async () => {
      const lookup = (token: string) => (token === 'session' ? { subject: 'emma' } : null)
      const verifier = chain(issuers([SETTINGS]), staticTokens([{ token: 'fixed' }]), opaque({ lookup }))
      const gate = createGate({ verifier })
      for (const token of [await sign(), 'fixed', 'session']) await expectAnswer(await ask(gate, token), 200)
      await expectAnswer(await ask(gate, await sign({ exp: 1 })), 401)
    },
  ],
  [
    'has presets',
    async () => {
      const verifier = keycloak({
        url: 'https://sso.example.com',
        realm: 'acme',
        audience: AUDIENCE,
        keys: jwks as never,
      })
      const claims = {
        iss: 'https://sso.example.com/realms/acme',
        typ: 'Bearer',
        realm_access: { roles: ['a'] },
      }
      await expectAnswer(
        await ask(createGate({ verifier }), await sign(claims, 'RS256', { typ: 'JWT' })),
        200,
      )
    },
  ],
  [
    'reads the handshake of a WebSocket',
    async () => {
      const token = await sign()
      const fields: Record<string, string> = {
        upgrade: 'websocket',
        'sec-websocket-protocol': `chat, bearer.${token}`,
      }
      const handshake = webSocketHandshake({ header: (name) => fields[name] })
      must((await createGate(SETTINGS).authenticate(handshake)).ok, 'refused')
      must(handshake.protocols.join() === 'chat', handshake.protocols.join())
    },
  ],
  [
    'answers Lambda events',
    async () => {
      const handler = lambda(createGate(SETTINGS), (_event, identity) => ({
        statusCode: 200,
        hello: identity.subject,
      }))
      const event = (authorization?: string) => ({
        version: '2.0',
        headers: authorization ? { authorization } : {},
      })
      must((await handler(event(`Bearer ${await sign()}`))).statusCode === 200, 'refused')
      must((await handler(event())).statusCode === 401, 'passed')
    },
  ],
  [
    'throws at creation what names the option',
    async () => {
      try {
        jwt({ issuer: ISSUER } as never)
      } catch (error) {
        must(error instanceof TypeError && error.message.includes('"audience"'), String(error))
        return
      }
      throw new Error('nothing was thrown')
    },
  ],
]

export async function run(): Promise<Report> {
  for (const alg of ALGORITHMS) {
    const pair = await generateKeyPair(alg)
    pairs.set(alg, pair)
    jwks.keys.push({ ...(await exportJWK(pair.publicKey)), kid: alg, alg, use: 'sig' })
  }
  const failed: string[] = []
  for (const [title, check] of CASES)
    try {
      await check()
    } catch (error) {
      failed.push(`${title}: ${error instanceof Error ? error.message : String(error)}`)
    }
  return { passed: CASES.length - failed.length, failed }
}
