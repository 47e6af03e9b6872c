/** BI08: every claim in every form, under a valid signature (RFC 7519 §4.1, RFC 9068 §2.2). */

import { scope } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { claimsText, createForge, gateOfForge, outcome, requestWith } from '../support/forge.ts'
import { AUDIENCE, ISSUER, NOW } from '../support/issuer.ts'

const forge = createForge()
const gate = gateOfForge(forge)
const strict = gateOfForge(forge, { profile: 'rfc9068' })
const exact = gateOfForge(forge, { clockTolerance: 0 })
const lenient = gateOfForge(forge, { clockTolerance: 60 })

const OK = 'ok'
const INVALID = '401 invalid_claim'
const MISSING = '401 missing_claim'
const EXPIRED = '401 expired'
const ISSUER_WRONG = '401 issuer_mismatch'
const AUDIENCE_WRONG = '401 audience_mismatch'
const SCOPE_LACKS = '403 insufficient_scope'
const UNPROVEN = '401 missing_proof'

const signed = (claim: string, text: string | undefined) => forge.sign(claimsText({ [claim]: text }))
const shown = (text: string | undefined) => text ?? 'absent'

const NO_DATES = ['null', '""', '"123"', 'true', '[]', '{}', '-1', '1e15', '1e308', '1e999', `${2 ** 53}`]
/** The outcomes with a tolerance of 0, 30 (the default) and 60 seconds. */
type Outcomes = readonly [exact: string, byDefault: string, lenient: string]
const always = (expected: string): Outcomes => [expected, expected, expected]
const forms = (
  meant: Readonly<Record<string, Outcomes>>,
  noDate = INVALID,
): readonly (readonly [string | undefined, Outcomes])[] => [
  ...[...NO_DATES, '"NaN"'].map((text) => [text, always(noDate)] as const),
  ...Object.entries(meant).map(
    ([text, outcomes]) => [text === 'absent' ? undefined : text, outcomes] as const,
  ),
]
const past = (outcomes: Outcomes) => ({
  '0': outcomes,
  '1.5': outcomes,
  '-0': outcomes,
})
const DATES = {
  exp: forms({
    absent: always(MISSING),
    ...past(always(EXPIRED)),
    [NOW - 61]: always(EXPIRED),
    [NOW - 59]: [EXPIRED, EXPIRED, OK],
    [NOW]: [EXPIRED, OK, OK],
    [NOW + 1]: always(OK),
  }),
  nbf: forms({
    absent: always(OK),
    ...past(always(OK)),
    [NOW - 61]: always(OK),
    [NOW - 59]: always(OK),
    [NOW]: always(OK),
    [NOW + 1]: ['401 not_yet_valid', OK, OK],
  }),
  iat: forms({
    absent: always(OK),
    ...past(always(OK)),
    [NOW - 61]: always(OK),
    [NOW - 59]: always(OK),
    [NOW]: always(OK),
    [NOW + 1]: ['401 issued_in_future', OK, OK],
  }),
  // FIELD08: when the user logged in decides nothing unless a requirement asks for it.
  auth_time: forms(
    {
      absent: always(OK),
      ...past(always(OK)),
      [NOW - 61]: always(OK),
      [NOW - 59]: always(OK),
      [NOW]: always(OK),
      [NOW + 1]: always(OK),
    },
    OK,
  ),
}
const DATE_ROWS = Object.entries(DATES).flatMap(([claim, outcomes]) =>
  outcomes.map(([text, expected]) => [claim, shown(text), text, expected] as const),
)

describe('dates', () => {
  it.each(DATE_ROWS)(
    'checks %s of %s by its form and the clock (BI08)',
    async (claim, _shown, text, expected) => {
      const token = signed(claim, text)
      const got = [await outcome(exact, token), await outcome(gate, token), await outcome(lenient, token)]
      expect(got).toEqual(expected)
    },
  )

  it.each([
    [NOW - 91, '401 max_age_exceeded'],
    [NOW - 90, '401 max_age_exceeded'],
    [NOW - 89, OK],
  ])('compares iat %d with maxTokenAge 60 and the tolerance: %s (BI08)', async (iat, expected) => {
    expect(await outcome(gateOfForge(forge, { maxTokenAge: 60 }), signed('iat', `${iat}`))).toBe(expected)
  })
})

const ISSUERS = [
  [JSON.stringify(ISSUER), OK],
  [JSON.stringify(ISSUER).replace('h', '\\u0068'), OK],
  [undefined, MISSING],
  [`"${ISSUER}/"`, ISSUER_WRONG],
  [`"${ISSUER.toUpperCase()}"`, ISSUER_WRONG],
  [`"${ISSUER}:443"`, ISSUER_WRONG],
  [`"${ISSUER} "`, ISSUER_WRONG],
  [`"${ISSUER}\\u0000"`, ISSUER_WRONG],
  ['"http://id.example.com"', ISSUER_WRONG],
  ['""', ISSUER_WRONG],
  ['null', ISSUER_WRONG],
  ['7', ISSUER_WRONG],
  [`["${ISSUER}"]`, ISSUER_WRONG],
  [`{"toString":"${ISSUER}"}`, ISSUER_WRONG],
]
describe('issuer', () => {
  it.each(ISSUERS)('checks iss of %s: %s (BI08)', async (text, expected) => {
    expect(await outcome(gate, signed('iss', text))).toBe(expected)
  })
})

const AUDIENCES = [
  [`"${AUDIENCE}"`, OK],
  [`["${AUDIENCE}"]`, OK],
  [`["other","${AUDIENCE}"]`, OK],
  [undefined, MISSING],
  ['"other"', AUDIENCE_WRONG],
  [`"${AUDIENCE}/"`, AUDIENCE_WRONG],
  [`"${AUDIENCE},other"`, AUDIENCE_WRONG],
  [`"${AUDIENCE.toUpperCase()}"`, AUDIENCE_WRONG],
  ['["other"]', AUDIENCE_WRONG],
  ['""', AUDIENCE_WRONG],
  ['[]', INVALID],
  ['null', INVALID],
  ['true', INVALID],
  [`{"0":"${AUDIENCE}","length":1}`, INVALID],
  [`[["${AUDIENCE}"]]`, INVALID],
  [`["${AUDIENCE}",7]`, INVALID],
]
describe('audience', () => {
  it.each(AUDIENCES)('checks aud of %s: %s (BI08)', async (text, expected) => {
    expect(await outcome(gate, signed('aud', text))).toBe(expected)
  })
})

const NAMES = [
  ['"emma"', OK],
  ['" "', OK],
  ['"__proto__"', OK],
  ['""', INVALID],
  ['null', INVALID],
  ['7', INVALID],
  ['true', INVALID],
  ['["emma"]', INVALID],
  ['{"toString":"emma"}', INVALID],
] as const
const NAME_ROWS = ['sub', 'client_id', 'jti'].flatMap((claim) =>
  NAMES.map(([text, expected]) => [claim, text, expected] as const),
)

describe('names', () => {
  it.each(NAME_ROWS)('checks %s of %s: %s (BI08)', async (claim, text, expected) => {
    // FIELD08: only RFC 9068 asks anything of them.
    expect(await outcome(gate, signed(claim, text))).toBe(OK)
    expect(await outcome(strict, signed(claim, text))).toBe(expected)
  })

  it.each(['sub', 'client_id', 'jti'])('misses an absent %s in rfc9068 only (BI08)', async (claim) => {
    expect(await outcome(gate, signed(claim, undefined))).toBe(OK)
    expect(await outcome(strict, signed(claim, undefined))).toBe(MISSING)
  })
})

const SCOPES = [
  ['"read"', OK],
  ['"write read"', OK],
  ['"  read  "', OK],
  ['["read"]', OK],
  [undefined, SCOPE_LACKS],
  ['""', SCOPE_LACKS],
  ['" "', SCOPE_LACKS],
  ['"reader"', SCOPE_LACKS],
  ['"READ"', SCOPE_LACKS],
  ['"write\\tread"', SCOPE_LACKS],
  ['"write,read"', SCOPE_LACKS],
  ['"read\\u0000"', SCOPE_LACKS],
  ['[]', SCOPE_LACKS],
  ['["write read"]', SCOPE_LACKS],
  // FIELD08: a scope that cannot be read grants nothing.
  ['null', SCOPE_LACKS],
  ['7', SCOPE_LACKS],
  ['true', SCOPE_LACKS],
  ['{"read":true}', SCOPE_LACKS],
  ['["read",7]', SCOPE_LACKS],
  ['[["read"]]', SCOPE_LACKS],
]
describe('scope', () => {
  const reading = gateOfForge(forge, { requirement: scope('read') })

  it.each(SCOPES)('checks scope of %s if read is required: %s (BI08)', async (text, expected) => {
    expect(await outcome(reading, signed('scope', text))).toBe(expected)
  })

  it('reads scp only if scope is absent (BI08)', async () => {
    const both = forge.sign(claimsText({ scope: '""', scp: '["read"]' }))
    expect(await outcome(reading, both)).toBe(SCOPE_LACKS)
    expect(await outcome(reading, forge.sign(claimsText({ scope: undefined, scp: '["read"]' })))).toBe(OK)
    expect(await outcome(reading, forge.sign(claimsText({ scope: 'null', scp: '"read"' })))).toBe(SCOPE_LACKS)
  })
})

const CONFIRMATIONS = [
  [undefined, OK],
  ['{}', UNPROVEN],
  ['{"jkt":"x"}', UNPROVEN],
  ['{"jkt":null}', UNPROVEN],
  ['{"x5t#S256":"x"}', UNPROVEN],
  ['{"kid":"forge"}', UNPROVEN],
  ['{"unknown":1}', UNPROVEN],
  ['null', INVALID],
  ['""', INVALID],
  ['"jkt"', INVALID],
  ['7', INVALID],
  ['false', INVALID],
  ['[]', INVALID],
  ['[{"jkt":"x"}]', INVALID],
]
describe('confirmation', () => {
  it.each(CONFIRMATIONS)(
    'never accepts a token with a cnf of %s as a plain bearer token: %s (BI08)',
    async (text, expected) => {
      expect(await outcome(gate, signed('cnf', text))).toBe(expected)
    },
  )
})

const HOSTILE = '{"sub":"root","scope":"admin","cnf":{},"exp":9e9,"polluted":true}'
const PROTOTYPES = ['__proto__', 'constructor', 'prototype'].flatMap((name) => [
  [name, 'at the top', `"${name}":${HOSTILE}`],
  [name, 'in act', `"act":{"sub":"service","${name}":${HOSTILE}}`],
  [name, 'three deep', `"a":{"b":[{"${name}":${HOSTILE}}]}`],
])

describe('names of prototypes', () => {
  it.each(PROTOTYPES)('keeps a member %s %s a plain claim (BI08)', async (name, _where, member) => {
    const text = claimsText({ sub: undefined, scope: undefined }).replace('{', `{${member},`)
    const decision = await gate.authenticate(requestWith(forge.sign(text)))
    if (!decision.ok) throw new Error(decision.reason)
    const { identity } = decision
    expect([identity.subject, identity.scopes, identity.confirmation]).toEqual([undefined, [], undefined])
    expect(JSON.stringify(identity.claims)).toContain(`"${name}":{"sub":"root"`)
    expect(Object.getPrototypeOf(identity.claims)).toBe(Object.prototype)
    expect('polluted' in {}).toBe(false)
    expect('polluted' in identity.claims).toBe(false)
  })
})

it('has a row for every form that is promised (BI08)', () => {
  expect(DATE_ROWS.length).toBe(80)
  expect(ISSUERS.length).toBeGreaterThanOrEqual(12)
  expect(AUDIENCES.length).toBeGreaterThanOrEqual(14)
  // The tenth form is the absent one.
  expect(NAMES.length + 1).toBe(10)
  expect(SCOPES.length).toBeGreaterThanOrEqual(15)
  expect(CONFIRMATIONS.length).toBeGreaterThanOrEqual(12)
  expect(PROTOTYPES.length).toBe(9)
})
