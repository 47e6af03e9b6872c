/** Our challenges as a strict client reads them, whatever was configured (BI13; RFC 6750 §3, RFC 9110 §11). */

import type { Reason, Rejection } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { createChallenger } from '../../packages/core/src/answer/challenge.ts'
import { type Challenge, parseChallenges } from '../support/challenge-parser.ts'
import { hasVectors, vectors } from '../support/vectors.ts'

interface Vector {
  readonly description: string
  readonly header: string
  readonly expected?: readonly Challenge[]
}

/** Here a lax client takes the last of two values; RFC 9110 §11.2 has each name once (B03). */
const LAXER_THAN_THE_RFC = [
  'duplicate parameters, second one overwrites the first',
  'Challenge with duplicated keys',
]

describe.skipIf(!hasVectors)('the parser of the tests', () => {
  const all: readonly Vector[] = hasVectors
    ? vectors('www-authenticate/oauth4webapi-vectors.json').vectors
    : []
  const lax = all.filter(({ description }) => LAXER_THAN_THE_RFC.includes(description))
  const strict = all.filter(({ description }) => !LAXER_THAN_THE_RFC.includes(description))

  it('the parser of the tests is checked by 54 vectors, two of them laxer than the RFC', () => {
    expect(all).toHaveLength(54)
    expect(lax).toHaveLength(2)
  })

  for (const { description, header, expected = [] } of strict)
    it(`reads as the vector says: ${description} (B04, B10)`, () => {
      expect(parseChallenges(header) ?? []).toEqual(expected)
    })

  for (const { description, header, expected } of lax)
    it(`reads nothing: ${description} (B03)`, () => {
      expect(expected).toHaveLength(1)
      expect(parseChallenges(header)).toBeUndefined()
    })
})

/** Every reason, and the error that the client is told of. */
const ERRORS = {
  no_credentials: undefined,
  malformed_credentials: 'invalid_request',
  multiple_credentials: 'invalid_request',
  credentials_too_long: 'invalid_request',
  malformed_token: 'invalid_token',
  encrypted_token: 'invalid_token',
  not_an_access_token: 'invalid_token',
  algorithm_not_allowed: 'invalid_token',
  unsupported_header: 'invalid_token',
  unknown_key: 'invalid_token',
  invalid_signature: 'invalid_token',
  unknown_token: 'invalid_token',
  revoked: 'invalid_token',
  missing_proof: 'invalid_token',
  issuer_mismatch: 'invalid_token',
  audience_mismatch: 'invalid_token',
  expired: 'invalid_token',
  not_yet_valid: 'invalid_token',
  issued_in_future: 'invalid_token',
  max_age_exceeded: 'invalid_token',
  missing_claim: 'invalid_token',
  invalid_claim: 'invalid_token',
  unknown_user: 'invalid_token',
  insufficient_scope: 'insufficient_scope',
  insufficient_user_authentication: 'insufficient_user_authentication',
  insecure_transport: 'invalid_request',
} as const satisfies Record<Reason, string | undefined>

const REASONS = Object.keys(ERRORS) as Reason[]
/** One reason for each error code. */
const ONE_PER_ERROR = [...new Map(REASONS.map((reason) => [ERRORS[reason], reason])).values()]

const TEXT = /^[\x20\x21\x23-\x5B\x5D-\x7E]+$/
const SCOPES = /^[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*$/

const settings = {
  unknownUserStatus: 401 as const,
  hint: 'send a token',
  realm: 'api',
  scopes: [],
  metadataUrl: undefined,
  exposed: false,
}

/** Reads every challenge of a gate with this realm and these scopes, and tells what none of them may break. */
function expectStrictChallenges(realm: string, scopes: readonly string[], reasons = REASONS): void {
  const challenger = createChallenger({ ...settings, realm, scopes })
  const { headers } = challenger.unavailable(1)
  expect(headers).not.toHaveProperty('WWW-Authenticate')
  for (const reason of reasons) {
    const rejection: Rejection = reason === 'insufficient_scope' ? { reason, scopes } : { reason }
    const value = challenger.refuse(rejection).headers['WWW-Authenticate']
    if (typeof value !== 'string') throw new Error(`${reason}: the challenge is not one line`)
    const challenges = parseChallenges(value)
    if (challenges?.length !== 1) throw new Error(`${reason}: not one challenge: ${value}`)
    const [{ scheme, parameters, token68 }] = challenges as [Challenge]
    const { realm: told, error, error_description: description, scope, ...others } = parameters
    const sound =
      value.startsWith('Bearer realm="') &&
      scheme === 'bearer' &&
      token68 === undefined &&
      Object.keys(others).length === 0 &&
      /^[\x20-\x7E]*$/.test(value) &&
      !/\\[^"\\]/.test(value.replaceAll('\\\\', '')) &&
      told === realm.replaceAll(/[^\x20-\x7E]/gu, '?') &&
      error === ERRORS[reason] &&
      (error === undefined ? description === undefined : TEXT.test(description ?? '')) &&
      (scope === undefined || (SCOPES.test(scope) && scope.split(' ').every((name) => scopes.includes(name))))
    if (!sound) throw new Error(`${reason}: ${JSON.stringify(value)}`)
  }
}

const CODE_POINTS = Array.from({ length: 0x300 }, (_, code) => String.fromCodePoint(code))

describe('a challenge of a gate', () => {
  it('a gate sends one strict Bearer challenge for each code point up to U+02FF (A07, A08, A09, B05, B11)', () => {
    for (const character of CODE_POINTS) {
      expectStrictChallenges(character, [character], ONE_PER_ERROR)
      expectStrictChallenges(`a${character}b`, [`a${character}b`, 'read'], ONE_PER_ERROR)
    }
    expectStrictChallenges(CODE_POINTS.join(''), CODE_POINTS)
  })

  it('does not throw for a lone surrogate (A09)', () => {
    expectStrictChallenges('\uD800', ['\uDC00', 'read'])
  })

  it('fetch sends a challenge unchanged, for any configuration (B06)', () => {
    for (const character of CODE_POINTS) {
      const refusal = createChallenger({ ...settings, realm: `a${character}b`, scopes: [character] }).refuse({
        reason: 'expired',
      })
      const sent = refusal.toResponse().headers.get('www-authenticate')
      expect(sent).toBe(refusal.headers['WWW-Authenticate'])
    }
  })

  it('a challenge has no error if no credentials were sent, and names every needed scope (A13, A10)', () => {
    const challenger = createChallenger({ ...settings, scopes: ['read'] })
    expect(challenger.refuse({ reason: 'no_credentials' }).headers).toMatchObject({
      'WWW-Authenticate': 'Bearer realm="api", scope="read"',
    })
    const { headers } = challenger.refuse({ reason: 'insufficient_scope', scopes: ['read', 'write', 'read'] })
    const [challenge] = parseChallenges(String(headers['WWW-Authenticate'])) ?? []
    expect(challenge?.parameters).toMatchObject({ error: 'insufficient_scope', scope: 'read write' })
  })
})
