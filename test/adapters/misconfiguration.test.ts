/** Each mistake that new users make is answered by an error, or a detail, that says what to write instead. */

import {
  acr,
  allOf,
  anyOf,
  chain,
  claim,
  createGate,
  type DecisionEvent,
  type Gate,
  jwt,
  maxAge,
  opaque,
  role,
  scope,
  staticTokens,
} from '@bearergate/core'
import { keycloak } from '@bearergate/core/presets'
import * as bearerExpress from '@bearergate/express'
import * as bearerKoa from '@bearergate/koa'
import express from 'express'
import { exportSPKI, generateKeyPair, SignJWT } from 'jose'
import Koa from 'koa'
import { describe, expect, it } from 'vitest'
import { AUDIENCE, createKey, goodClaims, ISSUER, NOW } from '../support/issuer.ts'
import { listen, send } from '../support/server.ts'

const SECRET = 'a secret of this test, which is long enough'
const described = { issuer: ISSUER, audience: AUDIENCE }
const create = (options: object) => () => createGate(options as never)
const unset = process.env.BEARERGATE_NO_SUCH_VARIABLE

type Factory = (options: object) => unknown

type Row = readonly [mistake: string, create: () => unknown, code: string, message: RegExp | string]

const AT_CREATION: readonly Row[] = [
  [
    'no options',
    () => (bearerExpress.bearer as () => unknown)(),
    'MISSING_OPTION',
    'bearer() needs options, such as { issuer, audience }, or a gate, but received undefined',
  ],
  [
    'issuer absent',
    create({ audience: AUDIENCE }),
    'MISSING_OPTION',
    '"issuer" must be given, such as "https://id.example.com", but is undefined. Is it a variable that is not set?',
  ],
  [
    'issuer absent beside keys',
    create({ issuer: unset, audience: AUDIENCE, secret: SECRET }),
    'MISSING_OPTION',
    '"issuer" must be given',
  ],
  [
    'issuer is the discovery URL',
    create({ ...described, issuer: `${ISSUER}/.well-known/openid-configuration` }),
    'INVALID_ISSUER',
    `write "${ISSUER}"`,
  ],
  [
    'issuer is the discovery URL beside keys',
    create({ ...described, issuer: `${ISSUER}/t/.well-known/openid-configuration`, secret: SECRET }),
    'INVALID_ISSUER',
    `not the URL of its metadata; received "${ISSUER}/t/.well-known/openid-configuration", write "${ISSUER}/t"`,
  ],
  [
    'issuer with a trailing space',
    create({ ...described, issuer: `${ISSUER} ` }),
    'INVALID_ISSUER',
    `write "${ISSUER}"`,
  ],
  [
    'issuer with a line break beside keys',
    create({ ...described, issuer: `${ISSUER}\n`, secret: SECRET }),
    'INVALID_OPTION',
    `received "${ISSUER}\\n", write "${ISSUER}"`,
  ],
  [
    'audience absent',
    create({ issuer: ISSUER }),
    'MISSING_OPTION',
    /"audience" is required, such as .*, but is undefined\. Is it a variable .*\? Pass null to disable the audience check/,
  ],
  [
    'audience empty',
    create({ issuer: ISSUER, audience: [] }),
    'INVALID_AUDIENCE',
    'or null to skip the check, but is an empty array',
  ],
  [
    'audience with an unset variable',
    create({ issuer: ISSUER, audience: [AUDIENCE, unset] }),
    'INVALID_AUDIENCE',
    'but is an array with undefined at index 1',
  ],
  [
    'audience with a line break',
    create({ issuer: ISSUER, audience: `${AUDIENCE}\n` }),
    'INVALID_AUDIENCE',
    `write "${AUDIENCE}"`,
  ],
  [
    'HS256 without a secret',
    create({ ...described, algorithms: ['HS256'] }),
    'INVALID_ALGORITHM',
    /contains HS256, which needs a shared secret: add it as secret: '…'/,
  ],
  ...(
    [
      [[], 'received an empty array'],
      ['RS256', 'received a string'],
      [[5], 'received an array with 5'],
      [['RS256 '], 'received an array with "RS256 "'],
    ] as const
  ).map(
    ([algorithms, message]): Row => [
      `algorithms: ${JSON.stringify(algorithms)}`,
      create({ ...described, algorithms }),
      'INVALID_ALGORITHM',
      `such as algorithms: ['RS256']; ${message}`,
    ],
  ),
  [
    'issuer null without keys',
    create({ ...described, issuer: null }),
    'INVALID_ISSUER',
    /^"issuer" may be null only if all keys are in "keys", "secret" or "publicKey", and none are fetched; received null/,
  ],
  ...(['secret', 'publicKey', 'keys', 'jwksUri'] as const).map(
    (name): Row => [
      `${name} with an unset variable beside an issuer that is a name`,
      create({ ...described, issuer: 'my-service', [name]: unset }),
      'INVALID_ISSUER',
      `received "my-service", or set "${name}", which is undefined, perhaps because a variable is not set`,
    ],
  ),
  [
    'a timeout in milliseconds',
    create({ ...described, timeout: 5_000 }),
    'INVALID_OPTION',
    '"timeout" must be a number of seconds from 0.001 to 60, but is 5000',
  ],
  [
    'a cooldown in milliseconds',
    create({ ...described, cooldown: 30_000 }),
    'INVALID_OPTION',
    '"cooldown" must be a whole number of seconds from 1 to 3600, but is 30000',
  ],
  [
    'a clock in seconds',
    create({ ...described, now: () => NOW }),
    'INVALID_OPTION',
    '"now" must return milliseconds since the epoch, but returned a number that is probably in seconds',
  ],
  [
    'a secret with a line break',
    create({ ...described, secret: `${SECRET}\n` }),
    'INVALID_KEY',
    '"secret" must not begin or end with white space, such as the line break of a file: write secret: text.trim()',
  ],
  [
    'allowHttp of an object without a prototype',
    create({ ...described, allowHttp: Object.create(null) }),
    'INVALID_OPTION',
    '"allowHttp" must be an array of hosts',
  ],
  [
    'allowHttp with an object without a prototype',
    create({ ...described, allowHttp: [Object.create(null)] }),
    'INVALID_OPTION',
    '"allowHttp" must be an array of hosts',
  ],
  [
    'an unknown algorithm',
    create({ ...described, algorithms: ['rs256'] }),
    'INVALID_ALGORITHM',
    'received an array with "rs256"',
  ],
  [
    'a secret for RS256',
    create({ ...described, secret: SECRET, algorithms: ['RS256'] }),
    'INVALID_ALGORITHM',
    `"algorithms" allows only RS256: write algorithms: ['HS256']`,
  ],
  [
    'a short secret',
    create({ ...described, secret: 'hunter2' }),
    'INVALID_KEY',
    'must have at least 32 bytes (RFC 7518 §3.2), but has 7. Create one with: openssl rand -base64 32',
  ],
  [
    'a PEM as secret',
    create({ ...described, secret: '-----BEGIN PUBLIC KEY-----' }),
    'INVALID_KEY',
    'pass it as "publicKey"',
  ],
  [
    'a secret in a key set for RS256',
    create({ ...described, keys: { keys: [{ kty: 'oct', k: 'AAAA' }] } }),
    'INVALID_KEY',
    `For a shared secret, write algorithms: ['HS256']`,
  ],
  [
    'text as publicKey',
    create({ ...described, publicKey: SECRET }),
    'INVALID_KEY',
    'it does not begin with -----BEGIN PUBLIC KEY-----',
  ],
  [
    'secret beside keys',
    create({ ...described, secret: SECRET, keys: { keys: [] } }),
    'CONFLICTING_OPTIONS',
    '"keys" and "secret" exclude each other',
  ],
  [
    'no exp without maxTokenAge',
    create({ ...described, allowMissingExp: true }),
    'MISSING_OPTION',
    '"allowMissingExp" needs "maxTokenAge", in seconds',
  ],
  [
    'requireScope of a text with spaces',
    () => bearerExpress.requireScope('a b'),
    'INVALID_SCOPE',
    'write requireScope("a", "b")',
  ],
  [
    'requireScope of nothing',
    () => (bearerExpress.requireScope as () => unknown)(),
    'INVALID_SCOPE',
    "write requireScope('read:messages')",
  ],
  [
    'requireScope of an empty array',
    () => bearerExpress.requireScope([]),
    'INVALID_SCOPE',
    'received an empty array',
  ],
  ...[
    bearerExpress.requireScope,
    bearerExpress.bearer(described).requireScope,
    bearerKoa.requireScope,
    bearerKoa.bearer(described).requireScope,
  ].flatMap((require: (...scopes: never[]) => unknown): Row[] =>
    [unset, null, []].map((nothing) => [
      `requireScope of a scope and ${JSON.stringify(nothing)}`,
      () => require('read' as never, nothing as never),
      'INVALID_SCOPE',
      /"requireScope" needs at least one scope in each argument, but received (?:undefined|null|an empty array)/,
    ]),
  ),
  [
    'requireScope of an array with an unset constant',
    () => bearerExpress.requireScope(['read', unset as never]),
    'INVALID_SCOPE',
    'but is undefined',
  ],
  [
    'scope of a text with spaces',
    () => scope('a b'),
    'INVALID_SCOPE',
    `but is "a b". For several, write allOf(scope('a'), scope('b'))`,
  ],
  [
    'scope of two arguments',
    () => (scope as (...names: string[]) => unknown)('a', 'b'),
    'INVALID_REQUIREMENT',
    'allOf(scope(…), scope(…))',
  ],
  [
    'authorize of a text',
    () => bearerExpress.authorize('admin' as never),
    'INVALID_REQUIREMENT',
    "write scope('…') or role('…')",
  ],
  [
    'allOf of nothing',
    () => (allOf as () => unknown)(),
    'INVALID_REQUIREMENT',
    'needs at least one requirement',
  ],
  [
    'chain of an array',
    () => chain([jwt(described)] as never),
    'INVALID_VERIFIER',
    'received an array: write chain(one, two)',
  ],
  [
    'a verifier that is none',
    create({ verifier: 'jwt' }),
    'INVALID_VERIFIER',
    'with a method "verify", such as jwt({ issuer, audience }), but is a string',
  ],
  [
    'options of jwt beside a verifier',
    create({ verifier: jwt(described), audience: AUDIENCE }),
    'CONFLICTING_OPTIONS',
    'Put it into the options of the verifier, such as verifier: jwt({ audience: … })',
  ],
  [
    'a lookup that is none',
    () => opaque({ lookup: 'sessions' as never }),
    'INVALID_OPTION',
    'such as (token, hash) => sessions.find(hash), but is a string',
  ],
  [
    'static tokens that are none',
    () => staticTokens([] as never),
    'INVALID_ARGUMENT',
    '"tokens" must be an array',
  ],
  [
    'a realm that cannot be sent',
    create({ ...described, realm: 'Büro' }),
    'INVALID_OPTION',
    'printable ASCII, because it is sent in a header field; received "B\\u00fcro"',
  ],
  [
    'places in an order that are not read',
    create({ ...described, tokenFrom: { first: ['header', 'cookie'] } }),
    'INVALID_OPTION',
    'Here "tokenFrom" allows only: header',
  ],
  [
    'a handler that is none',
    () => createGate(described).protect(undefined as never),
    'INVALID_ARGUMENT',
    '"handler" must be a function',
  ],
  [
    'protectedResource of a gate without one',
    () => bearerExpress.protectedResource(createGate(described)),
    'MISSING_OPTION',
    'the gate has no "resource"',
  ],
  [
    'protectedResource of a middleware',
    () => bearerExpress.protectedResource(bearerExpress.bearer(described) as never),
    'INVALID_ARGUMENT',
    'write protectedResource(auth.gate)',
  ],
  [
    'a verifier in place of the options',
    () => bearerExpress.bearer(jwt(described) as never),
    'INVALID_ARGUMENT',
    'the options are a verifier: pass it as an option, such as createGate({ verifier: jwt(…) })',
  ],
  ...(
    [
      ['scope', scope, "scope('read:messages')"],
      ['role', role, "role('admin')"],
      ['claim', claim, "claim('plan', 'pro')"],
      ['acr', acr, "acr('urn:example:mfa')"],
      ['maxAge', maxAge, 'maxAge(300)'],
      ['allOf', allOf, "allOf(scope('read'), role('admin'))"],
      ['anyOf', anyOf, "anyOf(scope('read'), role('admin'))"],
    ] as const
  ).flatMap(([name, factory, example]): Row[] => [
    [
      `${name} as a requirement that was not called`,
      () => bearerExpress.authorize(factory as never),
      'INVALID_REQUIREMENT',
      `write ${example}`,
    ],
    [
      `${name} in an option that was not called`,
      create({ ...described, requirement: factory }),
      'INVALID_REQUIREMENT',
      `"requirement" received a function that creates requirements, instead of its result: write ${example}`,
    ],
  ]),
  [
    'several issuers',
    create({ ...described, issuer: [ISSUER] }),
    'INVALID_ISSUER',
    'or use multiIssuerJwt for several issuers',
  ],
  [
    'a single key in place of a key set',
    create({ ...described, keys: { kty: 'RSA', n: 'a', e: 'AQAB' } }),
    'INVALID_KEY',
    'received a single key: write keys: { keys: [jwk] }',
  ],
  [
    'an option of another preset',
    () => keycloak({ url: ISSUER, realm: 'a', audience: AUDIENCE, clientID: 'a' } as never),
    'UNKNOWN_OPTION',
    'did you mean "clientId"?',
  ],
]

/** What other libraries call their options. */
const RENAMED: readonly (readonly [option: string, hint: string])[] = [
  ['issuerBaseURL', 'did you mean "issuer"?'],
  ['audiences', 'did you mean "audience"?'],
  ['audeince', 'did you mean "audience"?'],
  ['algorithm', 'did you mean "algorithms"?'],
  ['secretOrKey', 'did you mean "secret" (or "publicKey" for a PEM)?'],
  ['jwks_uri', 'did you mean "jwksUri"?'],
  ['requestProperty', 'read the identity with auth.identity(req)'],
  ['getToken', `did you mean "tokenFrom" (such as tokenFrom: { cookie: 'session' })?`],
  ['credentialsRequired', 'did you mean "optional" (optional: true allows requests without a token)?'],
  ['onExpired', 'expired tokens are always rejected'],
  ['clockSkew', 'did you mean "clockTolerance" (in seconds)?'],
  ['something', 'docs/options.md of @bearergate/core lists all options'],
]

function thrownBy(create: () => unknown): TypeError & { code?: string } {
  try {
    create()
  } catch (error) {
    if (error instanceof TypeError) return error
  }
  throw new Error('No TypeError was thrown')
}

describe('at creation', () => {
  it.each(AT_CREATION)(
    '%s throws a TypeError with a code that says what to write',
    (_mistake, make, code, message) => {
      const error = thrownBy(make)
      expect(error.message).toMatch(message instanceof RegExp ? message : new RegExp(escaped(message)))
      expect(error.code).toBe(`ERR_BEARERGATE_${code}`)
    },
  )

  it.each(RENAMED)('the unknown option %s leads to what is meant', (option, hint) => {
    for (const bearer of [bearerExpress.bearer, bearerKoa.bearer]) {
      const error = thrownBy(() => (bearer as Factory)({ ...described, [option]: true }))
      expect(error.message).toContain(`"createGate" has no option "${option}": ${hint}`)
      expect(error.code).toBe('ERR_BEARERGATE_UNKNOWN_OPTION')
    }
  })

  it('no message contains a secret', () => {
    for (const options of [
      { secret: 'hunter2' },
      { publicKey: 'hunter2' },
      { keys: 'hunter2' },
      { cache: 'hunter2' },
      { profile: 'hunter2' },
    ])
      expect(thrownBy(create({ ...described, ...options })).message).not.toContain('hunter2')
  })
})

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** Sends one request to an Express app, and returns the error that its error handling got. */
async function errorOf(mount: (app: express.Express) => void): Promise<TypeError & { code?: string }> {
  const app = express()
  const errors: unknown[] = []
  mount(app)
  const keep: express.ErrorRequestHandler = (error, _request, response, _next) => {
    errors.push(error)
    response.status(500).end()
  }
  app.use(keep)
  const { origin, close } = await listen(app)
  await send(origin)
  await close()
  expect(errors).toHaveLength(1)
  return errors[0] as TypeError & { code?: string }
}

const OPEN: Gate = createGate({
  verifier: { verify: () => ({ active: false, reason: 'unknown_token' }) },
  optional: true,
}) as never

describe('on Express', () => {
  it.each<readonly [string, (app: express.Express) => void, string, string]>([
    [
      'app.use(bearer)',
      (app) => app.use(bearerExpress.bearer as never),
      'NOT_CALLED',
      'bearer received a request instead of its own argument: call bearer(…)',
    ],
    [
      'app.use(requireScope)',
      (app) => app.use(bearerExpress.requireScope as never),
      'NOT_CALLED',
      "requireScope('read:messages')",
    ],
    [
      'app.use(authorize)',
      (app) => app.use(bearerExpress.authorize as never),
      'NOT_CALLED',
      "authorize(scope('read'))",
    ],
    [
      'app.use(protectedResource)',
      (app) => app.use(bearerExpress.protectedResource as never),
      'NOT_CALLED',
      'protectedResource(gate)',
    ],
    [
      'app.use(createGate)',
      (app) => app.use(createGate as never),
      'NOT_CALLED',
      'createGate received a request instead of its own argument',
    ],
    [
      'the middleware for Koa',
      (app) => app.use(bearerKoa.bearer(described) as never),
      'INVALID_ARGUMENT',
      'In Express, use @bearergate/express',
    ],
    [
      'requireScope before bearer',
      (app) => app.use(bearerExpress.requireScope('a')),
      'NOT_MOUNTED',
      'app.use(bearer(options))',
    ],
    [
      'identity() before bearer',
      (app) => app.use((request) => void bearerExpress.bearer(OPEN).identity(request)),
      'NOT_MOUNTED',
      'this bearer() did not run for this request: mount it before this handler',
    ],
    [
      'identity() of a second bearer',
      (app) => {
        app.use(bearerExpress.bearer(OPEN))
        app.use((request) => void bearerExpress.bearer(described).identity(request))
      },
      'NOT_MOUNTED',
      'this bearer() did not run for this request, but another one did',
    ],
    [
      'requireScope behind two gates',
      (app) => {
        app.use(bearerExpress.bearer(OPEN))
        app.use(
          bearerExpress.bearer({
            verifier: { verify: () => ({ active: false, reason: 'unknown_token' }) as const },
            optional: true,
          }),
        )
        app.use(bearerExpress.requireScope('a'))
      },
      'AMBIGUOUS_GATE',
      'auth.requireScope(…)',
    ],
  ])('%s is answered by an error that says what to write', async (_mistake, mount, code, message) => {
    const error = await errorOf(mount)
    expect(error.message).toContain(message)
    expect(error.code).toBe(`ERR_BEARERGATE_${code}`)
  })
})

it('app.use(bearer) on Koa is answered by an error that says what to write', async () => {
  const app = new Koa()
  const errors: (Error & { code?: string })[] = []
  app.on('error', (error) => errors.push(error))
  app.use(bearerKoa.bearer as never)
  const { origin, close } = await listen(app.callback())
  await send(origin)
  await close()
  expect(errors.map(({ code }) => code)).toEqual(['ERR_BEARERGATE_NOT_CALLED'])
})

it('the middleware for Express in Koa is answered by an error that says what to write, and the process goes on', async () => {
  const app = new Koa()
  const errors: (Error & { code?: string })[] = []
  app.on('error', (error) => errors.push(error))
  app.use(bearerExpress.bearer({ verifier: opaque({ lookup: async () => ({ subject: 'emma' }) }) }) as never)
  const { origin, close } = await listen(app.callback())
  await send(origin, { headers: ['Authorization', 'Bearer a'] })
  await close()
  expect(errors.map(({ code, message }) => [code, message])).toEqual([
    ['ERR_BEARERGATE_INVALID_ARGUMENT', expect.stringContaining('In Koa, use @bearergate/koa')],
  ])
})

describe('in onDecision', () => {
  /** Returns what `onDecision` gets for a token. */
  async function eventOf(token: string | undefined, options: object): Promise<DecisionEvent> {
    const events: DecisionEvent[] = []
    const gate = createGate({
      ...described,
      now: () => NOW * 1000,
      onDecision: (event: DecisionEvent) => events.push(event),
      ...options,
    } as never)
    await gate.authenticate({
      header: (name) => (name === 'authorization' && token !== undefined ? `Bearer ${token}` : undefined),
    })
    return events[0] as DecisionEvent
  }
  const signed = (alg: string, claims: object = {}) =>
    new SignJWT({ ...goodClaims(), ...claims })
      .setProtectedHeader({ alg })
      .sign(new TextEncoder().encode(SECRET))

  it.each<readonly [string, object, string]>([
    [
      'another audience',
      { aud: 'https://other.example.com' },
      `aud is "https://other.example.com", expected "${AUDIENCE}"`,
    ],
    [
      'another issuer',
      { iss: 'https://other.example.com' },
      `iss is "https://other.example.com", expected "${ISSUER}"`,
    ],
    ['an expired token', { exp: NOW - 120 }, 'expired 120 s ago, tolerance 30 s'],
    ['a token that is not valid yet', { nbf: NOW + 120 }, 'valid in 120 s from now, tolerance 30 s'],
    [
      'a token of a clock that is ahead',
      { iat: NOW + 120 },
      'issued 120 s ahead of this clock, tolerance 30 s',
    ],
    [
      'a token that is too old',
      { iat: NOW - 3_700 },
      'issued 3700 s ago, "maxTokenAge" is 3600 s, tolerance 30 s',
    ],
  ])('%s has a detail with both sides', async (_name, claims, detail) => {
    const event = await eventOf(await signed('HS256', claims), { secret: SECRET, maxTokenAge: 3_600 })
    expect(event.detail).toBe(detail)
  })

  it('HS256 against RS256, and back, names both algorithms', async () => {
    const { publicKey } = await generateKeyPair('ES256', { extractable: true })
    const es256 = await createKey('ES256')
    const event = await eventOf(await signed('HS256'), { publicKey: await exportSPKI(publicKey) })
    expect(event.detail).toMatch(/^alg is "HS256", allowed are RS256, .*the option "secret"$/)
    const back = await eventOf(await es256.sign(), { secret: SECRET })
    expect(back.detail).toMatch(/^alg is "ES256", allowed are HS256\. .*"publicKey"/)
  })

  it('an unknown kid names it, the keys, and when they may be fetched again', async () => {
    const key = await createKey('ES256', 'held')
    const answers = { keys: [key.jwk] }
    const fetch = async () => Response.json(answers)
    const options = { jwksUri: `${ISSUER}/jwks`, fetch }
    const event = await eventOf(await key.sign({}, { kid: 'other' }), options)
    expect(event.detail).toMatch(
      /^no key has the kid "other": the keys are "held"\. The gate may fetch the keys again because of a token with an unknown key (?:now|in \d+ s)$/,
    )
  })

  it('a JWKS that is not there names the URL and the status in the first message', async () => {
    const key = await createKey('ES256')
    const fetch = async () => new Response('', { status: 404 })
    const { cause } = await eventOf(await key.sign(), { jwksUri: `${ISSUER}/jwks`, fetch })
    expect((cause as Error).message).toBe(
      `Failed to fetch the JWKS of ${ISSUER}: ${ISSUER}/jwks answered 404`,
    )
  })

  it('metadata that names another issuer names both', async () => {
    const key = await createKey('ES256')
    const fetch = async () =>
      Response.json({ issuer: 'https://other.example.com', jwks_uri: `${ISSUER}/jwks` })
    const { cause, decision } = await eventOf(await key.sign(), { fetch })
    expect(decision).toMatchObject({ status: 503 })
    expect((cause as Error).message).toContain(
      `must name the issuer "${ISSUER}", but names "https://other.example.com"`,
    )
  })
})

it('a form that no body parser read has a detail', async () => {
  const details: unknown[] = []
  const app = express()
  const onDecision = ({ detail }: DecisionEvent) => void details.push(detail)
  app.use(bearerExpress.bearer({ ...described, tokenFrom: { form: true }, onDecision }))
  const { origin, close } = await listen(app)
  const headers = ['Content-Type', 'application/x-www-form-urlencoded']
  await send(origin, { method: 'POST', headers, body: 'access_token=abc' })
  await close()
  expect(details).toEqual([expect.stringContaining('mount a body parser before the gate')])
})
