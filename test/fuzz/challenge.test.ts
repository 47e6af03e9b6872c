/** Whatever was configured, each answer of a gate is one that every host can send and a strict client can read (RFC 9110 §11.6.1). */

import { validateHeaderValue } from 'node:http'
import { createGate, type Decision, type Identity, type Reason, type Rule, scope } from '@bearergate/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseChallenges } from '../support/challenge-parser.ts'
import { AGAIN, fuzz, sampled, scaled } from './run.ts'

const identity: Identity = { kind: 'opaque', audience: [], scopes: [], roles: [], claims: {} }
const REASONS: readonly Reason[] = [
  'unknown_token',
  'expired',
  'insufficient_scope',
  'malformed_token',
  'no_credentials',
]

/** A requirement of the user's own, which is not checked for scope-tokens as `scope()` checks its name. */
const unchecked = (scopes: readonly string[]): Rule => ({
  scopes,
  challenge: () => ({ scopes }),
  check: () => ({ reason: 'insufficient_scope', scopes }),
})

/** Every kind of refusal of a gate, those included whose scopes a verifier makes up. */
function refusals(realm: string, scopes: readonly string[]): readonly Decision[] {
  const gate = createGate({
    realm,
    requirement: unchecked(scopes),
    verifier: {
      verify(token) {
        const reason = REASONS[Number(token)]
        return reason === undefined ? { active: true, identity } : { active: false, reason, scopes }
      },
    },
  })
  const values = [
    undefined,
    'Basic YTpi',
    '',
    'Bearer',
    'Bearer good',
    ...REASONS.map((_, index) => `Bearer ${index}`),
  ]
  return [
    ...values.map((value) => gate.authenticate({ header: () => value }) as Decision),
    gate.authorize(identity, unchecked(scopes)),
  ]
}

const QUOTABLE = /^[\x20\x21\x23-\x5B\x5D-\x7E]*$/

/** What is wrong with a refusal, or nothing. */
function faultOf(decision: Decision, scopes: readonly string[]): string | undefined {
  if (decision.ok) return 'it passed'
  if (decision.status === 503) return 'nobody could tell'
  const value = decision.headers['WWW-Authenticate']
  if (typeof value !== 'string') return 'no challenge'
  if (!/^[\x20-\x7E]+$/.test(value)) return `not printable ASCII: ${JSON.stringify(value)}`
  for (const [name, field] of Object.entries(decision.headers)) validateHeaderValue(name, String(field))
  if (decision.toResponse().headers.get('www-authenticate') !== value) return 'fetch sends something else'
  const challenges = parseChallenges(value)
  const [challenge] = challenges ?? []
  if (challenges?.length !== 1 || challenge?.scheme !== 'bearer') return `not one challenge: ${value}`
  const { realm, error, error_description: description = '', scope: told, ...others } = challenge.parameters
  if (realm === undefined || Object.keys(others).length > 0) return `other parameters: ${value}`
  if (error !== decision.body.error || !QUOTABLE.test(description)) return `another error: ${value}`
  if (told === '' || told?.split(' ').some((name) => !scopes.includes(name))) return `other scopes: ${value}`
  return undefined
}

/** A realm that cannot be sent is refused at creation. Its scopes are then tried with another one. */
function sendable(realm: string): string {
  if (/^[ -~]+$/.test(realm)) return realm
  expect(() => refusals(realm, [])).toThrow(/"realm" must be printable ASCII/)
  return 'api'
}

function faults(realm: string, scopes: readonly string[]): readonly string[] {
  return refusals(sendable(realm), scopes)
    .map((decision) => faultOf(decision, scopes))
    .filter((fault) => fault !== undefined)
}

const CODE_POINTS = Array.from({ length: 0x300 }, (_, code) => String.fromCodePoint(code))

describe('a gate', () => {
  it('answers with one strict challenge for each code point up to U+02FF in realm and scope (BI13)', () => {
    const texts = CODE_POINTS.flatMap((character) => [
      character,
      `a${character}b`,
      `${character}"`,
      `\\${character}`,
    ])
    const tried = sampled(texts)
    expect(
      tried.flatMap((text) => faults(text, [text]).map((fault) => [text, fault])),
      AGAIN,
    ).toEqual([])
    expect(tried.length).toBeGreaterThanOrEqual(scaled(768))
  })

  it('answers with one strict challenge for 10,000 random realms and scopes (BI13)', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom(...'\\", =\r\n\0é\uD800') }),
      fc.constantFrom(
        'x", error="invalid_token',
        'x\r\nSet-Cookie: a=b',
        'x\\',
        '", Basic realm="y',
        'a'.repeat(1_000),
      ),
    )
    const realm = text.filter((value) => value !== '')
    const property = fc.property(realm, fc.array(text, { maxLength: 4 }), (name, scopes) => {
      const [fault] = faults(name, scopes)
      if (fault !== undefined) throw new Error(fault)
    })
    expect(await fuzz('BI13', property, 10_000)).toBeGreaterThanOrEqual(scaled(10_000))
  })

  it('rejects at creation a realm that is no text, and a scope that is no scope-token (BI13)', async () => {
    const notText = fc
      .anything()
      .filter((value) => value !== undefined && (typeof value !== 'string' || value === ''))
    const verifier = { verify: () => ({ active: true, identity }) as const }
    const realms = fc.property(notText, (realm) => {
      // Today `null` passes for absent.
      if (realm !== null) expect(() => createGate({ verifier, realm: realm as string })).toThrow(/"realm"/)
    })
    expect(await fuzz('BI13 realm', realms, 2_000)).toBeGreaterThanOrEqual(scaled(2_000))
    const taken = CODE_POINTS.filter((character) => {
      try {
        return scope(character).scopes[0] === character
      } catch (error) {
        expect(error).toBeInstanceOf(TypeError)
        return false
      }
    })
    expect(taken.join('')).toBe(CODE_POINTS.slice(0x21, 0x7f).join('').replaceAll(/["\\]/g, ''))
  })
})
