/** Wycheproof's JSON Web Key sets, each with a decided outcome, given and fetched (BI05; RFC 7517, RFC 7518 §6). */

import { beforeAll, describe, expect, it } from 'vitest'
import { createKey, type TestKey } from '../support/issuer.ts'
import { hasVectors, vectors } from '../support/vectors.ts'
import { type Outcome, verifyByFetched, verifyByGiven } from './verify.ts'

interface KeySetDocument {
  readonly keys: readonly Readonly<Record<string, unknown>>[]
}

interface Group {
  readonly public?: KeySetDocument
  readonly private: KeySetDocument
  readonly tests: readonly {
    readonly tcId: number
    readonly comment: string
    readonly jws: string
    readonly result: 'valid' | 'invalid'
  }[]
}

interface Decided {
  readonly given: Outcome
  readonly fetched: Outcome
  readonly because: string
}

/** A fetched set never holds a secret (C19), so that no HMAC token is ever verified by one. */
function secret(given: Outcome, because: string): Decided {
  return { given, fetched: 'unknown_key', because }
}

/** A key that is wrong in itself is refused at creation where it was given, and passed over where it was fetched. */
function unusable(wrong: string, because: string): Decided {
  return { given: `unusable key: ${wrong}`, fetched: 'unknown_key', because }
}

const TOO_SHORT = 'C15: a secret is as long as the hash, at least'
const NOT_FOR_THIS = 'it is for no allowed algorithm'

const DECIDED: Readonly<Record<number, Decided>> = {
  1: secret(
    'verified',
    'E04: secret and public key each have one algorithm, and both were allowed in writing',
  ),
  2: secret('verified', 'a secret that was given in writing'),
  3: secret('invalid_signature', 'the signature was changed'),
  4: secret('verified', 'RFC 7517 §4.5 only recommends distinct "kid"s, and rotations repeat them (FX31)'),
  5: { given: 'verified', fetched: 'verified', because: 'a good RSA key' },
  6: unusable('its "use" is not "sig"', 'C17'),
  7: {
    given: 'verified',
    fetched: 'verified',
    because:
      'the primes of a key are the issuer\'s to choose and to replace: no weakness by "ROCA" is looked for',
  },
  8: unusable('its modulus is not of 2048 to 8192 bits', 'C13'),
  9: unusable('its public exponent is 1, even, or longer than 64 bits', 'C13'),
  10: unusable('it is shorter than 32 bytes', TOO_SHORT),
  11: unusable('it is shorter than 48 bytes', TOO_SHORT),
  12: unusable('it is shorter than 64 bytes', TOO_SHORT),
  13: secret('verified', 'a secret may be longer than the hash'),
  14: secret('verified', 'a secret may be longer than the hash'),
  15: secret('verified', 'a secret may be longer than the hash'),
  16: unusable('it is shorter than 32 bytes', TOO_SHORT),
  17: unusable('it is shorter than 48 bytes', TOO_SHORT),
  18: unusable('it is shorter than 64 bytes', TOO_SHORT),
  19: unusable(NOT_FOR_THIS, 'C16: ES521 is no algorithm'),
  20: unusable(NOT_FOR_THIS, 'C16: ES224 is no algorithm'),
  21: unusable('its "use" is not "sig"', 'C17'),
  22: {
    given: 'unavailable',
    fetched: 'unknown_key',
    because: 'C16: the point is not on the curve, which shows when the key is imported',
  },
  23: unusable(NOT_FOR_THIS, 'C16: ES256 is not for P-384'),
  24: unusable('its "n" is not a string', 'C18: an RSA key has a modulus'),
  25: unusable(NOT_FOR_THIS, 'C17: A256GCM does not sign'),
  26: unusable(NOT_FOR_THIS, 'C17: A256KW does not sign'),
}

/** Accepted here, though the file would rather have them refused. */
const MORE_THAN_THE_FILE = [1, 4, 7]

const groups: readonly Group[] = hasVectors ? vectors('wycheproof/json_web_key_test.json').testGroups : []
const cases = groups.flatMap((group) =>
  group.tests.flatMap((test) => {
    const decided = DECIDED[test.tcId]
    return decided === undefined ? [] : [{ ...test, ...decided, keys: (group.public ?? group.private).keys }]
  }),
)

describe.skipIf(!hasVectors)('Wycheproof JWK (BI05)', () => {
  let other: TestKey
  beforeAll(async () => {
    other = await createKey('ES256', 'other')
  })

  it('has 26 cases, each with a decided outcome', () => {
    expect(groups.flatMap(({ tests }) => tests)).toHaveLength(26)
    expect(cases).toHaveLength(26)
  })

  it('accepts what the file does, and three cases more', () => {
    const differing = cases.filter(({ given, result }) => (given === 'verified') !== (result === 'valid'))
    expect(differing.map(({ tcId }) => tcId)).toEqual(MORE_THAN_THE_FILE)
  })

  for (const { tcId, comment, jws, keys, given, fetched, because } of cases) {
    it(`tcId ${tcId}, ${comment}, ends as "${given}" by a given set: ${because}`, async () => {
      expect(await verifyByGiven(jws, keys)).toBe(given)
    })

    // The other key keeps the set usable where the one at hand is passed over (C18).
    it(`tcId ${tcId}, ${comment}, ends as "${fetched}" by a fetched set`, async () => {
      expect(await verifyByFetched(jws, [...keys, other.jwk])).toBe(fetched)
    })
  }
})
