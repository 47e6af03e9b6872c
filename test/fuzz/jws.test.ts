/** Signed tokens under mutation: what passes is verified a second time, by other means (RFC 7515 §5.2). */

import { createGate, type Decision } from '@bearergate/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AUDIENCE, goodClaims, ISSUER, NOW } from '../support/issuer.ts'
import { readCredentials } from './credentials.ts'
import { decoded, faultOfToken } from './oracle.ts'
import { AGAIN, fuzz, scaled } from './run.ts'
import { createSigner, encoded, type Signer } from './signer.ts'

const trusted = ['ES256', 'Ed25519', 'RS256'].map((alg) => createSigner(alg))
const strangers = trusted.map(({ alg, kid }) => createSigner(alg, kid))

const gates = [false, {}].map((cache) =>
  createGate({
    issuer: ISSUER,
    audience: AUDIENCE,
    keys: { keys: trusted.map(({ jwk }) => ({ ...jwk })) },
    cache: cache as false,
    now: () => NOW * 1000,
  }),
)

const issue = ({ token, alg, kid }: Signer, claims: object = {}, header: object = {}) =>
  token({ typ: 'at+jwt', alg, kid, ...header }, { ...goodClaims(), ...claims })

/** Good tokens, and some that lack just one thing to be good. */
const issued: readonly string[] = [
  ...trusted.flatMap((signer) => [
    issue(signer),
    issue(signer, { sub: 'noah', jti: 'token-2' }),
    issue(signer, {}, { typ: 'JWT', kid: undefined }),
    issue(signer, { exp: NOW - 100 }),
    issue(signer, { aud: 'https://other.example.com' }),
    issue(signer, {}, { kid: 'nobody' }),
  ]),
  ...strangers.map((signer) => issue(signer)),
]

type Segments = readonly [header: string, payload: string, signature: string]
type Mutation = (segments: Segments, which: number, at: number, choice: number) => Segments

const segmentsOf = (token: string) => token.split('.') as unknown as Segments
const other = (choice: number) => segmentsOf(issued[choice % issued.length] ?? '')

/** One segment replaced by what a function makes of its bytes. */
function withBytes(segments: Segments, which: number, change: (bytes: Buffer) => Buffer): Segments {
  const bytes = Buffer.from(segments[which] ?? '', 'base64url')
  return segments.with(which, change(bytes).toString('base64url')) as unknown as Segments
}

/** One segment with a member set or removed, re-encoded. */
function withMember(segments: Segments, which: number, name: string, value: unknown): Segments {
  const members: Record<string, unknown> = { ...decoded(segments[which] ?? '') }
  if (value === undefined) delete members[name]
  else members[name] = value
  return segments.with(which, encoded(members)) as unknown as Segments
}

const HEADER_NAMES = [
  'alg',
  'kid',
  'typ',
  'crit',
  'b64',
  'zip',
  'cty',
  'enc',
  'jwk',
  'jku',
  'x5c',
  'p2c',
  'ALG',
]
const HEADER_VALUES = [
  undefined,
  null,
  'none',
  'HS256',
  'ES256',
  'EdDSA',
  'Ed25519',
  'RS256',
  'PS256',
  'JWT',
  ['b64'],
  0,
  '',
  true,
  'ES256-1',
  'RS256-1',
  strangers[0]?.jwk,
]
const CLAIM_NAMES = Object.keys(goodClaims())
const CLAIM_VALUES = [undefined, null, '', 'admin', NOW + 99_999, 0, -1, ['a'], {}, AUDIENCE, ISSUER, true]

const MUTATIONS: readonly Mutation[] = [
  (segments, which, _, choice) => segments.with(which, other(choice)[which] ?? '') as unknown as Segments,
  (segments, which, _, choice) => segments.with(which, segments[choice % 3] ?? '') as unknown as Segments,
  (segments, which, at, choice) =>
    withBytes(segments, which, (bytes) => {
      if (bytes.length > 0) bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ (1 << (choice % 8))
      return bytes
    }),
  (segments, which, at) => withBytes(segments, which, (bytes) => bytes.subarray(0, at % (bytes.length + 1))),
  (segments, which, at, choice) =>
    withBytes(segments, which, (bytes) => Buffer.concat([bytes, Buffer.alloc(1 + (at % 3), choice)])),
  (segments, which, at, choice) =>
    withBytes(segments, which, (bytes) => {
      const position = at % (bytes.length + 1)
      const inserted = Buffer.from(
        [' ', '\n', '\uFEFF', ',', '"a":1,', '\0', '\xFF', '{', '}'][choice % 9] ?? '',
      )
      return Buffer.concat([bytes.subarray(0, position), inserted, bytes.subarray(position)])
    }),
  (segments, _, at, choice) =>
    withMember(
      segments,
      0,
      HEADER_NAMES[at % HEADER_NAMES.length] ?? '',
      HEADER_VALUES[choice % HEADER_VALUES.length],
    ),
  (segments, _, at, choice) =>
    withMember(
      segments,
      1,
      CLAIM_NAMES[at % CLAIM_NAMES.length] ?? '',
      CLAIM_VALUES[choice % CLAIM_VALUES.length],
    ),
  // R and S of an ECDSA signature in the other order, and the degenerate ones (CVE-2022-21449).
  (segments) => withBytes(segments, 2, (bytes) => Buffer.concat([bytes.subarray(32), bytes.subarray(0, 32)])),
  (segments, _, at) => withBytes(segments, 2, (bytes) => Buffer.alloc(bytes.length, at % 2 === 0 ? 0 : 0xff)),
  (segments, which, at, choice) => {
    const segment = segments[which] ?? ''
    const position = at % (segment.length + 1)
    return segments.with(
      which,
      segment.slice(0, position) + 'A-_=.+/ ~'.charAt(choice % 9) + segment.slice(position + 1),
    ) as unknown as Segments
  },
]

const step = fc.tuple(fc.nat(MUTATIONS.length - 1), fc.nat(2), fc.nat(2_000), fc.nat(1_000))
const tokens = fc
  .tuple(fc.constantFrom(...issued), fc.array(step, { maxLength: 3 }))
  .map(([token, steps]) =>
    steps
      .reduce<Segments>(
        (segments, [index, which, at, choice]) => MUTATIONS[index]?.(segments, which, at, choice) ?? segments,
        segmentsOf(token),
      )
      .join('.'),
  )

const reasonOf = (decision: Decision) => (decision.ok ? 'passed' : decision.reason)

describe('a signed token', () => {
  it('accepts 25,000 mutations of a signed token only if node:crypto verifies them too (F04)', async () => {
    const reasons = new Map<string, number>()
    const property = fc.asyncProperty(tokens, async (token) => {
      const fault = faultOfToken(token, trusted)
      // What cannot be a bearer token at all is a bad request (RFC 6750 §3.1).
      const denial = readCredentials(`Bearer ${token}`).kind === 'bearer' ? 401 : 400
      for (const gate of gates) {
        const decision = await gate.authenticate({ header: () => `Bearer ${token}` })
        reasons.set(reasonOf(decision), (reasons.get(reasonOf(decision)) ?? 0) + 1)
        if (decision.ok !== (fault === undefined)) throw new Error(`${reasonOf(decision)}, but: ${fault}`)
        if (!decision.ok && decision.status !== denial) throw new Error(`answered ${decision.status}`)
      }
    })
    expect(await fuzz('F04', property, 25_000)).toBeGreaterThanOrEqual(scaled(25_000))
    // The mutations come as far as each of the checks.
    expect([...reasons.keys()], AGAIN).toEqual(
      expect.arrayContaining([
        'passed',
        'malformed_token',
        'malformed_credentials',
        'algorithm_not_allowed',
        'unsupported_header',
        'not_an_access_token',
        'unknown_key',
        'invalid_signature',
        'audience_mismatch',
        'expired',
        'missing_claim',
      ]),
    )
  })
})
