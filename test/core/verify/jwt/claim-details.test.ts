/** What operators read about a claim that is missing, or has the wrong form. No value of the token is part of it. */

import { introspection } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { type Options, verify } from '../../../support/claims.ts'
import { AUDIENCE, NOW } from '../../../support/issuer.ts'

async function detailOf(claims: object, options?: Options): Promise<string | undefined> {
  const verification = await verify(claims, options)
  return verification.active ? 'active' : verification.detail
}

const NO_DATE = 'must be a NumericDate, in seconds since the epoch, but is'

describe('the detail of invalid_claim', () => {
  it.each([
    [NOW * 1000, 'a number that looks like milliseconds'],
    [NOW * 1e6, 'a number that is out of range'],
    [-1, 'a number that is out of range'],
    [`${NOW}`, 'a string'],
    ['', 'an empty string'],
    [[NOW], 'an array'],
    [null, 'null'],
  ])('says what a date must be, and what it is: %j (D03, D04)', async (value, found) => {
    for (const name of ['exp', 'nbf', 'iat'])
      expect(await detailOf({ [name]: value })).toBe(`${name} ${NO_DATE} ${found}`)
  })

  it('says the same of an introspection response (D04)', async () => {
    const verifier = introspection({
      endpoint: 'https://id.example.com/introspect',
      clientId: 'api',
      clientSecret: 'secret',
      audience: AUDIENCE,
      fetch: async () => Response.json({ active: true, aud: AUDIENCE, exp: NOW * 1000 }),
    })
    expect(await verifier.verify('a-token')).toMatchObject({
      detail: `exp ${NO_DATE} a number that looks like milliseconds`,
    })
  })

  it.each([
    [{ aud: [] }, {}, 'aud must be a string or a non-empty array of strings, but is an empty array'],
    [{ cnf: 'key' }, {}, 'cnf must be an object, but is a string'],
    [
      { client_id: 7 },
      { profile: 'rfc9068' },
      'client_id must have the form that the profile "rfc9068" requires',
    ],
  ] as const)('says what another claim must be: %j', async (claims, options, detail) => {
    expect(await detailOf(claims, options)).toBe(detail)
  })
})

describe('the detail of missing_claim', () => {
  it.each<[string, Options, string]>([
    ['iss', {}, 'the option "issuer" requires it'],
    ['exp', {}, 'the option "allowMissingExp" is not set'],
    ['aud', {}, 'the option "audience" requires it'],
    ['iat', { maxTokenAge: 60 }, 'the option "maxTokenAge" requires it'],
    ['jti', { profile: 'rfc9068' }, 'the profile "rfc9068" requires it'],
    ['exp', { profile: 'rfc9068' }, 'the profile "rfc9068" requires it'],
    ['plan', { requiredClaims: { plan: 'pro' } }, '"requiredClaims" or the preset requires it'],
  ])('names the claim and what requires it: %s with %j', async (name, options, requirement) => {
    const claims = { client_id: 'web', [name]: undefined }
    expect(await detailOf(claims, options)).toBe(`${name} is missing, but ${requirement}`)
  })
})
