/** The JOSE cookbook: its compact signatures verify, its other forms are refused (BI06; RFC 7520, RFC 7797, RFC 8037). */

import { jwt } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import type { Algorithm } from '../../packages/core/src/verify/keys/jwk.ts'
import { hasVectors, vectors } from '../support/vectors.ts'
import { publicOf, verifyByFetched, verifyByGiven } from './verify.ts'

type Jwk = Readonly<Record<string, unknown>>

interface Example {
  readonly title: string
  readonly input: { readonly payload: string; readonly key: Jwk | readonly Jwk[]; readonly alg: Algorithm }
  readonly signing: { readonly protected: Readonly<Record<string, unknown>>; readonly sig: string }
  readonly output: { readonly compact?: string; readonly json?: unknown; readonly json_flat?: unknown }
}

interface Nested {
  readonly sign: Example
  readonly encrypt: Example
}

const VERIFIED = [
  'jws/4_1.rsa_v15_signature',
  'jws/4_2.rsa-pss_signature',
  'jws/4_3.ecdsa_signature',
  'jws/4_4.hmac-sha2_integrity_protection',
  'curve25519/jws',
]

/** Every other example, with the compact form's outcome, where it has one. */
const REFUSED = {
  'jws/4_5.signature_with_detached_content': 'invalid_signature',
  'jws/4_6.protecting_specific_header_fields': undefined,
  'jws/4_7.protecting_content_only': undefined,
  'jws/4_8.multiple_signatures': undefined,
  'rfc7797/4.2.hmac-sha2_b64_false': undefined,
  'rfc7797/hmac-sha2_b64_false': 'malformed_token',
  'curve25519/ecdh-es': 'encrypted_token',
} as const

/** What a verifier makes of the keys of section 3, fetched and given. */
const KEYS = {
  '3_1.ec_public_key': undefined,
  '3_2.ec_private_key': 'it is a private key',
  '3_3.rsa_public_key': undefined,
  '3_4.rsa_private_key': 'it is a private key',
  '3_5.symmetric_key_mac_computation': undefined,
  '3_6.symmetric_key_encryption': 'its "use" is not "sig"',
} as const

function example(name: string): Example {
  return vectors(`cookbook/${name}.json`)
}

function keysOf({ input }: Example): readonly Jwk[] {
  return (Array.isArray(input.key) ? input.key : [input.key]).map(publicOf)
}

describe.skipIf(!hasVectors)('the cookbook (BI06)', () => {
  for (const name of VERIFIED)
    it(`${name} verifies in compact form only`, async () => {
      const read = example(name)
      const { compact = '', json, json_flat } = read.output
      expect(await verifyByGiven(compact, keysOf(read), [read.input.alg])).toBe('verified')
      expect(await verifyByGiven(JSON.stringify(json), keysOf(read))).toBe('malformed_token')
      expect(await verifyByGiven(JSON.stringify(json_flat), keysOf(read))).toBe('malformed_token')
    })

  for (const [name, outcome] of Object.entries(REFUSED))
    it(`${name} is rejected in each of its forms (C03)`, async () => {
      const { compact, json, json_flat } = example(name).output
      const keys = keysOf(example('jws/4_4.hmac-sha2_integrity_protection'))
      expect(compact === undefined).toBe(outcome === undefined)
      if (compact !== undefined) expect(await verifyByGiven(compact, keys)).toBe(outcome)
      const forms = [json, json_flat].filter((form) => form !== undefined)
      expect(forms).not.toHaveLength(0)
      for (const form of forms)
        expect(await verifyByGiven(JSON.stringify(form), keys)).toBe('malformed_token')
    })

  it('b64 is rejected, with a correct signature or not (C08)', async () => {
    for (const name of ['rfc7797/4.2.hmac-sha2_b64_false', 'rfc7797/hmac-sha2_b64_false']) {
      const read = example(name)
      const header = Buffer.from(JSON.stringify(read.signing.protected)).toString('base64url')
      const payload = Buffer.from(read.input.payload).toString('base64url')
      const token = `${header}.${payload}.${read.signing.sig}`
      expect(await verifyByGiven(token, keysOf(read))).toBe('unsupported_header')
    }
  })

  it('an RSA key without "alg" verifies the first RSA algorithm that is allowed, and no other (E04)', async () => {
    const read = example('jws/4_2.rsa-pss_signature')
    const { compact = '' } = read.output
    expect(keysOf(read)[0]).not.toHaveProperty('alg')
    expect(await verifyByGiven(compact, keysOf(read), ['RS256', 'PS384'])).toBe('unknown_key')
    expect(await verifyByGiven(compact, keysOf(read), ['PS384', 'RS256'])).toBe('verified')
  })

  it('4.4 is not verified by the same secret in a fetched set (C19)', async () => {
    const read = example('jws/4_4.hmac-sha2_integrity_protection')
    expect(await verifyByFetched(read.output.compact ?? '', keysOf(read))).toBe('unavailable')
  })

  it('example 6 is rejected as a nested token, although the inner token is valid', async () => {
    const { sign, encrypt }: Nested = vectors('cookbook/6.nesting_signatures_and_encryption.json')
    const keys = keysOf(sign)
    const verifier = jwt({
      issuer: 'hobbiton.example',
      audience: null,
      algorithms: ['PS256'],
      keys: { keys },
      now: () => 1_300_819_379_000,
    })
    expect(await verifier.verify(encrypt.output.compact ?? '')).toEqual({
      active: false,
      reason: 'encrypted_token',
    })
    expect(await verifier.verify(sign.output.compact ?? '')).toMatchObject({
      active: true,
      identity: { issuer: 'hobbiton.example', expiresAt: 1_300_819_380 },
    })
  })

  for (const [name, wrong] of Object.entries(KEYS))
    it(`the key ${name} is ${wrong === undefined ? 'usable' : `rejected: ${wrong}`} (C19)`, async () => {
      const jwk: Jwk = vectors(`cookbook/jwk/${name}.json`)
      const token = 'eyJhbGciOiJFUzI1NiJ9.e30.AA'
      const outcome = wrong === undefined ? 'unknown_key' : `unusable key: ${wrong}`
      expect(await verifyByGiven(token, [jwk])).toBe(outcome)
    })
})
