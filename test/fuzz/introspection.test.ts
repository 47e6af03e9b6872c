/** Arbitrary answers of an introspection endpoint, against a reader of the tests' own (RFC 7662 §2.2). */

import { isDeepStrictEqual } from 'node:util'
import { type CacheOptions, createGate, type Decision, introspection } from '@bearergate/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AUDIENCE, ISSUER, NOW } from '../support/issuer.ts'
import { type Answer, type Reading, readAnswer, type Settings } from './answers.ts'
import { AGAIN, fuzz, scaled } from './run.ts'

const ENDPOINT = 'https://id.example.com/introspect'
const TOKEN = 'opaque-token'
const GOOD = {
  active: true,
  iss: ISSUER,
  aud: AUDIENCE,
  sub: 'emma',
  client_id: 'web',
  scope: 'read write',
  token_type: 'Bearer',
  exp: NOW + 600,
  nbf: NOW - 600,
  iat: NOW - 10,
  jti: 'one',
}

const SETTINGS: readonly Settings[] = [
  { issuer: ISSUER, audience: AUDIENCE },
  { issuer: undefined, audience: AUDIENCE },
  { issuer: ISSUER, audience: null },
]

const NUMBERS = [
  ...[-600, -31, -30, -29, -1, 0, 1, 29, 30, 31, 600].map((offset) => String(NOW + offset)),
  ...['0', '-0', '-1', '1.5', '1e308', '1e999', '-1e999', '253402300799', '253402300800', '5e-324'],
  ...[`${NOW}.999`, `${NOW - 30}.000001`, `${NOW}e0`, `${NOW}000`],
]
const TEXTS = [
  ...['', ' ', 'a', 'true', 'null', 'é', '\0', '__proto__', String(NOW + 600), 'read', ' read  write '],
  ...[AUDIENCE, `${AUDIENCE}/`, AUDIENCE.toUpperCase(), ISSUER, `${ISSUER}/`, ISSUER.toUpperCase()],
  ...['Bearer', 'BEARER', 'bearer ', 'DPoP', 'mac', 'N_A', 'access_token', 'Access-Token', 'accesstoken'],
  ...['id', 'ID', 'id_token', 'refresh', 'Refresh-Token', 'refreshtoken', 'offline', 'logout_token'],
  ...['at+jwt', 'application/at+jwt', 'JWT', 'logout+jwt', 'dc+sd-jwt', 'secevent+jwt', 'Id\u212A'],
]
const OTHERS = [
  ...['null', 'true', 'false', '{}', '[]', '[[]]', '[null]', '[7]', '{"sub":"x"}', '{"jkt":"a"}'],
  ...['{"x5t#S256":"a"}', '{"__proto__":{"active":true}}', '{"roles":["admin"]}', '{"roles":"admin"}'],
  ...[`{"${AUDIENCE}":{"roles":["admin","admin"]},"other":{"roles":["root"]}}`, '"\\ud800"', '"\\u0041"'],
]
const quoted = (value: unknown) => JSON.stringify(value)
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
/** Our name in a list of this length, at its end. */
const audiences = (length: number) => quoted([...Array(length - 1).fill('https://other.example'), AUDIENCE])

const json = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...NUMBERS) },
  { weight: 4, arbitrary: fc.constantFrom(...TEXTS).map(quoted) },
  { weight: 3, arbitrary: fc.constantFrom(...OTHERS) },
  fc.array(fc.constantFrom(...TEXTS), { maxLength: 3 }).map(quoted),
  fc.constantFrom(null, 7, true, {}, [AUDIENCE], '').map((odd) => quoted([AUDIENCE, odd])),
  fc.integer({ min: 1, max: 20 }).map(audiences),
  fc.integer({ min: 28, max: 36 }).map(nested),
  fc.json({ maxDepth: 3 }),
)
const NAMES = [
  ...Object.keys(GOOD),
  ...['username', 'typ', 'token_use', 'type', 'nonce', 'at_hash', 'c_hash', 's_hash', 'events', 'cnf', 'act'],
  ...['scp', 'permissions', 'roles', 'realm_access', 'resource_access', 'auth_time', 'acr', 'azp', 'cid'],
  ...['token_introspection', 'vc', 'vp', '_sd', '_sd_alg', 'htm', 'htu', 'may_act'],
  ...['__proto__', 'constructor', 'then', 'Active', 'ACTIVE', '\\u0061ctive', '\\u0063nf'],
]
const name = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...NAMES) },
  fc.string({ maxLength: 4 }).map((text) => quoted(text).slice(1, -1)),
)

/** A member with any value, or with one that it may have and the values next to that. */
const member = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(name, json) },
  fc.tuple(fc.constantFrom('exp', 'nbf', 'iat', 'auth_time'), fc.constantFrom(...NUMBERS)),
  fc.tuple(fc.constant('aud'), fc.integer({ min: 14, max: 18 }).map(audiences)),
  fc.tuple(
    fc.constantFrom('typ', 'token_use', 'token_type', 'type', 'iss', 'aud'),
    fc.constantFrom(...TEXTS).map(quoted),
  ),
  fc.tuple(
    fc.constantFrom('roles', 'realm_access', 'resource_access', 'cnf', 'act'),
    fc.constantFrom(...OTHERS),
  ),
)

/** The members of a good answer, some of them removed, others added before or behind: the last of two with one name counts. */
const members = fc
  .tuple(
    fc.subarray(Object.entries(GOOD), { minLength: 8 }),
    fc.array(member, { maxLength: 3 }),
    fc.boolean(),
  )
  .map(([good, added, behind]) => {
    const kept = good.map(([key, value]) => `"${key}":${quoted(value)}`)
    const others = added.map(([key, value]) => `"${key}":${value}`)
    return `{${(behind ? [...kept, ...others] : [...others, ...kept]).join(',')}}`
  })

/** Octets, as characters up to U+00FF, so that a failure shows a text. */
const octets = (text: string) => Buffer.from(text).toString('latin1')
const around = (before: string, text: string, behind: string) => octets(before + text + behind)
const body = fc.oneof(
  { weight: 48, arbitrary: members.map(octets) },
  fc
    .tuple(fc.constantFrom('\uFEFF', '[', ")]}'", ' ', '\n'), members, fc.constant(''))
    .map((all) => around(...all)),
  fc.tuple(fc.constant(''), members, fc.constantFrom(',', '\0', '}', ' ', '{}')).map((all) => around(...all)),
  fc.tuple(members, fc.nat(40)).map(([text, end]) => octets(text.slice(0, end))),
  // What is no UTF-8, in a string.
  fc
    .tuple(members, fc.constantFrom('\xFF', '\xC0\xAF', '\xED\xA0\x80', '\xC3'))
    .map(([text, odd]) => octets(text).replace(/}$/, `,"a":"${odd}"}`)),
  fc.json().map(octets),
  fc.constant(''),
)
/** Around the largest body that is read, 256 KiB, by spaces at its end. */
const long = fc
  .tuple(members, fc.integer({ min: -1, max: 1 }))
  .map(([text, more]) => octets(text).padEnd(262_144 + more))

const status = fc.oneof(
  { weight: 24, arbitrary: fc.constant(200) },
  fc.constantFrom(201, 202, 204, 206, 301, 302, 304, 307, 400, 401, 403, 404, 418, 429, 500, 503, 599),
)
const type = fc.oneof(
  { weight: 24, arbitrary: fc.constantFrom('application/json', 'application/json; charset=utf-8') },
  fc.constantFrom(
    ...['Application/JSON ; charset="x"', 'application/json\t;', 'application/json;charset=utf-16'],
    ...['application/jsonp', 'application/json-seq', 'application/problem+json', 'text/json', 'text/html'],
    ...['application/json, text/html', 'text/html; application/json', 'application/token-introspection+jwt'],
    ...['"application/json"', 'application /json', 'application/json:', '*/*', undefined],
  ),
)
const answer: fc.Arbitrary<Answer> = fc.record({
  status,
  type,
  body: fc.oneof({ weight: 200, arbitrary: body }, long),
  failure: fc.oneof(
    { weight: 30, arbitrary: fc.constant(undefined) },
    fc.constantFrom('unreachable', 'reset'),
  ),
})

function responseOf({ status, type, body, failure }: Answer): Response {
  const headers = new Headers({ location: 'https://evil.example/introspect' })
  if (type !== undefined) headers.set('content-type', type)
  const octets = Buffer.from(body, 'latin1')
  if (failure === undefined)
    return new Response([204, 304].includes(status) ? null : octets, { status, headers })
  const chunks = [octets]
  const reset = new ReadableStream({
    pull(controller) {
      const chunk = chunks.shift()
      if (chunk === undefined) controller.error(new Error('ECONNRESET'))
      else controller.enqueue(chunk)
    },
  })
  return new Response(reset, { status, headers })
}

/** Authenticates one token by this answer. Throws if anything but the token is asked about, or elsewhere. */
async function ask(settings: Settings, given: Answer, cache?: CacheOptions) {
  let questions = 0
  const fetch = async (url: string, { method, redirect, body }: RequestInit) => {
    questions += 1
    if (url !== ENDPOINT || method !== 'POST' || redirect !== 'manual')
      throw new Error(`asked ${method} ${url}`)
    if (String(body) !== `token=${TOKEN}&token_type_hint=access_token`) throw new Error(`asked about ${body}`)
    if (given.failure === 'unreachable') throw new TypeError('fetch failed')
    return responseOf(given)
  }
  const client = { clientId: 'api', clientSecret: 'secret' }
  const common = { endpoint: ENDPOINT, ...client, ...settings, now: () => NOW * 1000, fetch, cache }
  const gate = createGate({ verifier: introspection(common) })
  const request = { header: () => `Bearer ${TOKEN}` }
  const decisions = [await gate.authenticate(request)]
  if (cache !== undefined) decisions.push(await gate.authenticate(request))
  return { decisions, questions }
}

/** What is wrong with a decision, or nothing. */
function faultOf(decision: Decision, expected: Reading): string | undefined {
  const status = decision.ok ? 200 : decision.status
  if (status !== expected.status) return `${status} in place of ${expected.status}`
  if (!decision.ok) return undefined
  const [told, read] = [decision.identity, expected.identity].map((identity) =>
    JSON.parse(JSON.stringify(identity)),
  )
  if (!isDeepStrictEqual(told, read)) return `another identity: ${JSON.stringify(told)}`
  return isDeeplyFrozen(decision.identity) ? undefined : 'an identity that is not frozen'
}

function isDeeplyFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  return Object.isFrozen(value) && Object.values(value).every(isDeeplyFrozen)
}

describe('an introspection answer', () => {
  it('is decided about as by another reader, and becomes the same identity, in 20,000 answers (BI12)', async () => {
    const outcomes = new Map<number, number>()
    const property = fc.asyncProperty(
      fc.constantFrom(...SETTINGS),
      answer,
      fc.nat(3).map((choice) => choice === 0),
      async (settings, given, isCached) => {
        const expected = readAnswer(given, settings)
        outcomes.set(expected.status, (outcomes.get(expected.status) ?? 0) + 1)
        const { decisions, questions } = await ask(
          settings,
          given,
          isCached ? { ttl: 60, max: 1 } : undefined,
        )
        for (const decision of decisions) {
          const fault = faultOf(decision, expected)
          if (fault !== undefined) throw new Error(fault)
        }
        // What the verifier vouches for is kept until its "exp".
        const { expiresAt = Number.POSITIVE_INFINITY } = expected.identity ?? { expiresAt: 0 }
        expect(questions).toBe(isCached && NOW >= expiresAt ? 2 : 1)
      },
    )
    expect(await fuzz('BI12', property, 20_000)).toBeGreaterThanOrEqual(scaled(20_000))
    expect([...outcomes.keys()].sort(), AGAIN).toEqual([200, 401, 503])
    expect(Math.min(...outcomes.values()), AGAIN).toBeGreaterThanOrEqual(scaled(20_000) / 20)
  })
})
