/** Correctly signed tokens with arbitrary claims, down to the spelling of their JSON (RFC 7519 §4, RFC 9068 §2.2). */

import { createGate, type Identity } from '@bearergate/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AUDIENCE, goodClaims, ISSUER, NOW } from '../support/issuer.ts'
import { decoded, faultOfToken, type Profile } from './oracle.ts'
import { AGAIN, fuzz, scaled } from './run.ts'
import { createSigner } from './signer.ts'

const signer = createSigner('Ed25519')

const createGateFor = (profile: Profile) =>
  createGate({
    issuer: ISSUER,
    audience: AUDIENCE,
    keys: { keys: [{ ...signer.jwk }] },
    profile,
    now: () => NOW * 1000,
  })
const gates = { generic: createGateFor('generic'), rfc9068: createGateFor('rfc9068') }

/** JSON texts: numbers about the limits in the spellings of their own, and what else stands for a claim. */
const NUMBERS = [
  ...[-61, -31, -30, -29, -1, 0, 1, 29, 30, 31, 600].map((offset) => String(NOW + offset)),
  ...[
    '0',
    '-0',
    '-1',
    '1.5',
    '1e15',
    '1e308',
    '1e999',
    '-1e999',
    '253402300799',
    '253402300800',
    '9007199254740992',
  ],
  ...[`${NOW}.999`, `${NOW - 30}.000001`, `${NOW}e0`, '1767225600000', '17672256e2', '5e-324'],
]
const TEXTS = [
  ...[
    '',
    'a',
    'id',
    'ID',
    'Refresh',
    'refresh_token',
    'Bearer',
    'NaN',
    'read write',
    ' read  write ',
    'é',
    '\u0000',
    '__proto__',
    String(NOW),
  ],
  ...[
    AUDIENCE,
    `${AUDIENCE}/`,
    AUDIENCE.toUpperCase(),
    ISSUER,
    `${ISSUER}/`,
    ISSUER.replace('https', 'http'),
  ],
]
const nested = (depth: number) =>
  '[{"a":'.repeat(depth >> 1) + (depth % 2 === 0 ? '1' : '[]') + '}]'.repeat(depth >> 1)

const json = fc.oneof(
  fc.constantFrom(...NUMBERS),
  fc.constantFrom(...TEXTS).map((text) => JSON.stringify(text)),
  fc.constantFrom(null, 7, true, {}, [AUDIENCE], '').map((odd) => JSON.stringify([AUDIENCE, odd])),
  fc.array(fc.constantFrom(...TEXTS), { maxLength: 3 }).map((list) => JSON.stringify(list)),
  fc.constantFrom(
    'null',
    'true',
    'false',
    '{}',
    '[]',
    '[[]]',
    '[null]',
    '{"jkt":"a"}',
    '{"sub":"x"}',
    '"\\ud800"',
    '"\\u0041"',
  ),
  fc.integer({ min: 28, max: 36 }).map(nested),
  fc.json({ maxDepth: 4 }),
)
const NAMES = [
  ...Object.keys(goodClaims()),
  ...['nbf', 'auth_time', 'azp', 'roles', 'scp', 'act', 'cnf', 'nonce', 'token_use', 'typ'],
  ...['token_type', 'type'],
  ...['at_hash', 'c_hash', 's_hash', 'events', 'token_introspection', 'vc', '_sd', 'htm', 'htu'],
  ...['__proto__', 'constructor', 'toString', 'then', 'active', 'Exp', '\\u0065xp'],
]
const name = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...NAMES) },
  fc.string().map((text) => JSON.stringify(text).slice(1, -1)),
)

/** The members of good claims, some of them removed, others added before or behind: the last of two with one name counts. */
const payload = fc
  .tuple(
    fc.subarray(Object.entries(goodClaims()), { minLength: 7 }),
    fc.array(fc.tuple(name, json), { maxLength: 3 }),
    fc.boolean(),
  )
  .map(([good, added, behind]) => {
    const kept = good.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
    const others = added.map(([key, value]) => `"${key}":${value}`)
    return `{${(behind ? [...kept, ...others] : [...others, ...kept]).join(',')}}`
  })

const typ = fc.constantFrom('at+jwt', 'JWT', undefined, 'application/AT+jwt')

/** Whether an identity says what the claims say, and nothing else. */
function isFaithful(identity: Identity, claims: Readonly<Record<string, unknown>>): boolean {
  const own = (key: string) => (Object.hasOwn(claims, key) ? claims[key] : undefined)
  const name = (key: string) => (typeof own(key) === 'string' && own(key) !== '' ? own(key) : undefined)
  const named = ['scope', 'scp', 'permissions'].find((key) => Object.hasOwn(claims, key))
  const scope = named === undefined ? [] : claims[named]
  const isList = Array.isArray(scope) && scope.every((item) => typeof item === 'string')
  const scopes =
    typeof scope === 'string' ? scope.split(' ').filter((item) => item !== '') : isList ? scope : []
  return (
    identity.subject === name('sub') &&
    identity.issuer === ISSUER &&
    identity.audience.includes(AUDIENCE) &&
    identity.expiresAt === own('exp') &&
    identity.tokenId === name('jti') &&
    JSON.stringify(identity.scopes) === JSON.stringify(scopes) &&
    JSON.stringify(identity.claims) === JSON.stringify(claims) &&
    identity.confirmation === undefined &&
    Object.isFrozen(identity) &&
    Object.isFrozen(identity.claims)
  )
}

describe('the claims of a signed token', () => {
  it('accepts claims only if an oracle accepts them too, in 10,000 arbitrary sets (D01, F06)', async () => {
    const reasons = new Map<string, number>()
    const property = fc.asyncProperty(payload, typ, async (text, type) => {
      const token = signer.token({ alg: signer.alg, kid: signer.kid, typ: type }, text)
      for (const profile of ['generic', 'rfc9068'] as const) {
        const fault = faultOfToken(token, [signer], profile)
        const decision = await gates[profile].authenticate({ header: () => `Bearer ${token}` })
        const outcome = decision.ok ? 'passed' : `${decision.status} ${decision.reason}`
        reasons.set(outcome, (reasons.get(outcome) ?? 0) + 1)
        if (decision.ok !== (fault === undefined)) throw new Error(`${profile}: ${outcome}, but: ${fault}`)
        if (!decision.ok && decision.status !== 401) throw new Error(outcome)
        if (decision.ok && !isFaithful(decision.identity, decoded(token.split('.')[1] ?? '') ?? {}))
          throw new Error(`another identity: ${JSON.stringify(decision.identity)}`)
      }
    })
    expect(await fuzz('D01', property, 10_000)).toBeGreaterThanOrEqual(scaled(10_000))
    const often = [
      '401 invalid_claim',
      '401 malformed_token',
      '401 missing_claim',
      '401 not_an_access_token',
      'passed',
    ]
    // These need a certain claim with a certain value, so that a short run may miss them.
    const rare = [
      '401 expired',
      '401 issued_in_future',
      '401 not_yet_valid',
      '401 missing_proof',
      '401 audience_mismatch',
      '401 issuer_mismatch',
    ]
    expect([...often, ...rare], AGAIN).toEqual(expect.arrayContaining([...reasons.keys()]))
    expect(Math.min(...often.map((outcome) => reasons.get(outcome) ?? 0)), AGAIN).toBeGreaterThanOrEqual(
      scaled(1_000),
    )
  })
})
