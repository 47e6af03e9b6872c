/** Wycheproof's JSON Web Signatures, one by one, through the core's own compact JWS path (BI05; RFC 7515, RFC 7518). */

import { describe, expect, it } from 'vitest'
import { hasVectors, vectors } from '../support/vectors.ts'
import { type Outcome, verifyByGiven } from './verify.ts'

interface Case {
  readonly tcId: number
  readonly comment: string
  readonly jws: string
  readonly result: 'valid' | 'invalid'
}

interface Group {
  readonly public?: Readonly<Record<string, unknown>>
  readonly private: Readonly<Record<string, unknown>>
  readonly tests: readonly Case[]
}

interface Exception {
  readonly says: Case['result']
  readonly decided: Outcome
  readonly because: string
}

const PADDING_ABSENT =
  'the comment tells of wrong padding, but the text has none: it is that of tcId 357, which is valid'
const OTHER_ALG =
  'RFC 7517 §4.4: the "alg" of the key is PS256, that of the header PS384; a key has one algorithm'
const NO_ALG = 'RFC 7518 §3.1: the "alg" of the key is ES521, which is no algorithm'
const ILLEGAL = 'RFC 7515 §2: "?" is no character of base64url'

/** Where what is right differs from what the file says. */
const EXCEPTIONS: Readonly<Record<number, Exception>> = {
  346: { says: 'valid', decided: 'unknown_key', because: OTHER_ALG },
  347: { says: 'valid', decided: 'unusable key: it is for no allowed algorithm', because: NO_ALG },
  350: { says: 'valid', decided: 'unknown_key', because: OTHER_ALG },
  351: { says: 'valid', decided: 'unusable key: it is for no allowed algorithm', because: NO_ALG },
  367: { says: 'invalid', decided: 'verified', because: PADDING_ABSENT },
  370: { says: 'invalid', decided: 'verified', because: PADDING_ABSENT },
  372: { says: 'valid', decided: 'malformed_token', because: ILLEGAL },
  373: { says: 'valid', decided: 'malformed_token', because: ILLEGAL },
}

const groups: readonly Group[] = hasVectors
  ? vectors('wycheproof/json_web_signature_test.json').testGroups
  : []
const cases = groups.flatMap((group) =>
  group.tests.map((test) => ({ ...test, jwk: group.public ?? group.private })),
)
const regular = cases.filter(({ tcId }) => EXCEPTIONS[tcId] === undefined)
const exceptions = cases.flatMap((test) => {
  const exception = EXCEPTIONS[test.tcId]
  return exception === undefined ? [] : [{ ...test, ...exception }]
})

describe.skipIf(!hasVectors)('Wycheproof JWS (BI05)', () => {
  it('has 401 cases, 393 to follow and 8 exceptions', () => {
    expect(new Set(cases.map(({ tcId }) => tcId)).size).toBe(401)
    expect(regular).toHaveLength(393)
    expect(exceptions).toHaveLength(8)
    expect(regular.filter(({ result }) => result === 'valid')).toHaveLength(40)
  })

  for (const { tcId, comment, jws, jwk, result } of regular)
    it(`tcId ${tcId}, ${comment}, is ${result}`, async () => {
      const outcome = await verifyByGiven(jws, [jwk])
      expect(outcome).not.toBe('unavailable')
      expect(outcome === 'verified' ? 'valid' : 'invalid').toBe(result)
    })

  for (const { tcId, jws, jwk, result, says, decided, because } of exceptions)
    it(`tcId ${tcId}, ${says} by the file, ends as "${decided}": ${because}`, async () => {
      expect(result).toBe(says)
      expect(await verifyByGiven(jws, [jwk])).toBe(decided)
    })

  it('the texts of tcId 367 and 370 are that of the valid tcId 357', () => {
    const text = (id: number) => cases.find(({ tcId }) => tcId === id)?.jws
    expect(text(367)).toBe(text(357))
    expect(text(370)).toBe(text(357))
  })
})
