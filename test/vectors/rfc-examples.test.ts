/** The examples that the RFCs print, as signatures and as access tokens (RFC 7515, 7519, 8037, 9449). */

import { type Inactive, type JwtOptions, jwt } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { createKey } from '../support/issuer.ts'
import { hasVectors, vectors } from '../support/vectors.ts'
import { type Outcome, verifyByGiven } from './verify.ts'

interface Example {
  readonly id: string
  readonly jws: string
  readonly key?: Readonly<Record<string, unknown>>
  readonly result: 'valid' | 'invalid' | 'decode-only'
}

interface Decided {
  readonly signature: Outcome
  readonly token: Inactive | { readonly active: true; readonly identity: Readonly<Record<string, unknown>> }
  readonly issuer: string
  /** Seconds since the epoch. */
  readonly at: number
  readonly because: string
}

const JOE = { issuer: 'joe', at: 1_300_819_379 }
const GOOD = {
  active: true,
  identity: { kind: 'jwt', issuer: 'joe', expiresAt: 1_300_819_380, audience: [], scopes: [] },
} as const
const PROOF = {
  active: false,
  reason: 'not_an_access_token',
  detail: 'typ is "dpop+jwt", allowed are "jwt", "at+jwt", or no typ',
} as const

const DECIDED: Readonly<Record<string, Decided>> = {
  'rfc7515-A.1': {
    ...JOE,
    signature: 'verified',
    token: GOOD,
    because: 'white space in JSON is no fault of a token',
  },
  'rfc7515-A.3': { ...JOE, signature: 'verified', token: GOOD, because: 'a JWT in its time' },
  'rfc8037-A.4': {
    ...JOE,
    signature: 'verified',
    token: {
      active: false,
      reason: 'malformed_token',
      detail: 'the payload is not a JSON object in UTF-8, or nested too deeply',
    },
    because: 'D01: the payload is a sentence',
  },
  'rfc7519-6.1': {
    ...JOE,
    signature: 'malformed_token',
    token: { active: false, reason: 'malformed_token' },
    because: 'D10: alg none is never accepted, nor is an empty signature',
  },
  'rfc9449-4.1-proof': {
    issuer: 'https://server.example.com',
    at: 1_562_262_616,
    signature: 'verified',
    token: PROOF,
    because: 'E16: a proof is not an access token',
  },
  'rfc9449-7.1-proof': {
    issuer: 'https://server.example.com',
    at: 1_562_262_618,
    signature: 'verified',
    token: PROOF,
    because: 'E16: a proof is not an access token',
  },
  'rfc9449-6.1-at': {
    issuer: 'https://server.example.com',
    at: 1_562_262_618,
    signature: 'unknown_key',
    token: { active: false, reason: 'unknown_key' },
    because: 'F04: its key was never published',
  },
}

describe.skipIf(!hasVectors)('the examples of the RFCs', async () => {
  const examples: readonly Example[] = hasVectors ? vectors('rfc/rfc-examples.json').tests : []
  const other = await createKey('ES256', 'other')

  it('are seven, each with a decided outcome', () => {
    expect(examples.map(({ id }) => id)).toEqual(Object.keys(DECIDED))
  })

  for (const { id, jws, key, result } of examples) {
    const decided = DECIDED[id]
    if (decided === undefined) continue
    const { signature, token, issuer, at, because } = decided
    const jwk = { ...(key ?? other.jwk) }
    const options: JwtOptions = {
      issuer,
      audience: null,
      algorithms: ['HS256', 'ES256', 'EdDSA'],
      keys: { keys: [jwk] },
      now: () => at * 1000,
    }

    it(`${id} ends as "${signature}" as a signature`, async () => {
      expect(await verifyByGiven(jws, [jwk])).toBe(signature)
      expect(signature === 'verified').toBe(result === 'valid')
    })

    it(`${id} is ${token.active ? 'accepted' : 'rejected'} as an access token: ${because}`, async () => {
      expect(await jwt(options).verify(jws)).toMatchObject(token)
    })

    it(`${id} is rejected as an access token for another audience, or an expired one`, async () => {
      for (const change of [{ audience: 'https://api.example.com' }, { now: () => (at + 86_400) * 1000 }])
        expect(await jwt({ ...options, ...change }).verify(jws)).toMatchObject({ active: false })
    })
  }
})
