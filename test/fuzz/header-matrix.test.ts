/** Every combination of header parameters, signed with the right key (RFC 7515 §4, RFC 7797, RFC 8725). */

import { createHmac } from 'node:crypto'
import { createGate, type Decision, type Gate } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { AUDIENCE, goodClaims, ISSUER, NOW } from '../support/issuer.ts'
import { AGAIN, sampled, scaled } from './run.ts'
import { createSigner, encoded } from './signer.ts'

const signer = createSigner('ES256', 'right')
const ABSENT = undefined

const ALGS = [ABSENT, null, 256, [], '', 'es256', 'none', 'NoNe', 'HS256', 'RS256', 'unknown', 'ES256']
const CRITS = [ABSENT, [], 'b64', ['b64'], ['x'], [7]]
const B64S = [ABSENT, true, false]
const TYPES = [ABSENT, 'JWT', 'at+jwt', 'AT+JWT', 'application/at+jwt', 'dpop+jwt', 7]
const KIDS = [ABSENT, 'right', 'wrong', '', 1, {}, [], '__proto__', 'k'.repeat(1024), 'k'.repeat(1024 * 1024)]

const NAMES = [
  ...['jwk', 'jku', 'x5u', 'x5c', 'x5t', 'zip', 'cty', 'enc'],
  ...['__proto__', 'constructor', 'toString'],
]

interface Header {
  readonly alg?: unknown
  readonly crit?: unknown
  readonly b64?: unknown
  readonly typ?: unknown
  readonly kid?: unknown
}

/** Own members only, as JSON has them. */
const HEADERS: readonly Header[] = KIDS.flatMap((kid) =>
  ALGS.flatMap((alg) =>
    CRITS.flatMap((crit) => B64S.flatMap((b64) => TYPES.map((typ) => ({ alg, crit, b64, typ, kid })))),
  ),
)

const TAKEN: Readonly<Record<string, readonly unknown[]>> = {
  generic: [ABSENT, 'JWT', 'at+jwt', 'AT+JWT', 'application/at+jwt'],
  rfc9068: ['at+jwt', 'AT+JWT', 'application/at+jwt'],
}

/** Returns the right answer for a header. Of several faults the first in this order is named. */
function expected(header: Header, profile: string, algorithms: readonly unknown[]): string {
  if (header.kid === KIDS.at(-1)) return '400 credentials_too_long'
  if (!algorithms.includes(header.alg)) return '401 algorithm_not_allowed'
  if (header.crit !== ABSENT || header.b64 !== ABSENT) return '401 unsupported_header'
  // No key can have such a name, so that nothing is looked up for it.
  if (header.kid !== ABSENT && !isName(header.kid)) return '401 unknown_key'
  if (!TAKEN[profile]?.includes(header.typ)) return '401 not_an_access_token'
  // If another algorithm is allowed, the key is still for ES256 only.
  if (header.alg !== 'ES256') return '401 unknown_key'
  return header.kid === ABSENT || header.kid === 'right' ? '200' : '401 unknown_key'
}

const isName = (kid: unknown) => typeof kid === 'string' && kid !== '' && kid.length <= 256

const told = (decision: Decision) => (decision.ok ? '200' : `${decision.status} ${decision.reason}`)

const ALLOWED = ['ES256', 'RS256', 'HS256'] as const
/** Those of `ALGS` that are allowed unless an option says otherwise: every asymmetric one. */
const BY_DEFAULT = ['ES256', 'RS256'] as const

let fetches = 0
function createGateFor(profile: 'generic' | 'rfc9068', algorithms?: typeof ALLOWED): Gate {
  return createGate({
    issuer: ISSUER,
    audience: AUDIENCE,
    keys: { keys: [{ ...signer.jwk }] },
    profile,
    ...(algorithms === undefined ? {} : { algorithms }),
    now: () => NOW * 1000,
    fetch: () => {
      fetches += 1
      return Promise.reject(new Error('nothing is to be fetched'))
    },
  })
}

const ask = async (gate: Gate, token: string) =>
  told(await gate.authenticate({ header: () => `Bearer ${token}` }))

describe('the header of a token', () => {
  const gates = [
    ['generic', createGateFor('generic'), BY_DEFAULT],
    ['generic', createGateFor('generic', ALLOWED), ALLOWED],
    ['rfc9068', createGateFor('rfc9068'), BY_DEFAULT],
  ] as const

  it('accepts a header with the right alg, an allowed type, the right kid or none, and nothing critical (BI07)', async () => {
    const claims = goodClaims()
    const wrong: unknown[] = []
    const passed = gates.map(() => 0)
    let count = 0
    const isRight = (header: Header) => expected(header, 'generic', BY_DEFAULT) === '200'
    const right = HEADERS.filter(isRight)
    const others = HEADERS.filter((header) => !isRight(header))
    for (const header of [...right, ...sampled(others)]) {
      const value = `Bearer ${signer.token(header, claims)}`
      count += 1
      for (const [index, [profile, gate, algorithms]] of gates.entries()) {
        const outcome = told(await gate.authenticate({ header: () => value }))
        if (outcome === '200') passed[index] = (passed[index] ?? 0) + 1
        if (outcome !== expected(header, profile, algorithms))
          wrong.push([profile, outcome, { ...header, kid: String(header.kid).slice(0, 30) }])
      }
    }
    expect(wrong, AGAIN).toEqual([])
    // Five types, or three, with the right kid and without.
    expect(passed).toEqual([10, 10, 6])
    expect(count).toBeGreaterThanOrEqual(scaled(13_860))
    expect(fetches).toBe(0)
  })

  it('never chooses the key, and never compresses, nests or encrypts (BI07)', async () => {
    const foreign = createSigner('ES256', 'right')
    const values = [
      foreign.jwk,
      'https://evil.example.com/',
      ['MIIB'],
      'DEF',
      'JWT',
      'application/jwt',
      'A256GCM',
      null,
      7,
      {},
      '',
      true,
    ]
    const isJwt = (value: unknown) => value === 'JWT' || value === 'application/jwt'
    const refusalOf = (name: string, value: unknown) => {
      if (name === 'enc') return '401 encrypted_token'
      return name === 'zip' || (name === 'cty' && isJwt(value)) ? '401 unsupported_header' : undefined
    }
    const wrong: unknown[] = []
    let count = 0
    for (const name of NAMES)
      for (const value of values)
        for (const [, gate] of gates) {
          const header = JSON.parse(
            `{"alg":"ES256","typ":"at+jwt","kid":"right","${name}":${JSON.stringify(value)}}`,
          )
          const refusal = refusalOf(name, value)
          const own = await ask(gate, signer.token(header, goodClaims()))
          const theirs = await ask(gate, foreign.token(header, goodClaims()))
          count += 1
          if (own !== (refusal ?? '200') || theirs !== (refusal ?? '401 invalid_signature'))
            wrong.push([name, value, own, theirs])
        }
    expect(wrong).toEqual([])
    expect(count).toBeGreaterThanOrEqual(7 * values.length)
    expect(fetches).toBe(0)
  })

  it('accepts neither HMAC with the public key nor the algorithm none (BI07)', async () => {
    const secrets = [
      JSON.stringify(signer.jwk),
      signer.key.export({ type: 'spki', format: 'pem' }),
      signer.key.export({ type: 'spki', format: 'der' }),
      Buffer.from(String(signer.jwk.x), 'base64url'),
      Buffer.alloc(32),
      '',
    ]
    for (const alg of ['HS256', 'none', 'ES256', 'RS256'])
      for (const kid of [ABSENT, 'right']) {
        const input = `${encoded({ alg, kid, typ: 'at+jwt' })}.${encoded(goodClaims())}`
        for (const [, gate, algorithms] of gates) {
          const isAllowed = (algorithms as readonly string[]).includes(alg)
          const denial = alg === 'ES256' ? 'invalid_signature' : 'unknown_key'
          for (const secret of secrets) {
            const mac = createHmac('sha256', secret).update(input).digest('base64url')
            expect(await ask(gate, `${input}.${mac}`)).toBe(
              `401 ${isAllowed ? denial : 'algorithm_not_allowed'}`,
            )
          }
          expect(await ask(gate, `${input}.`)).toBe('401 malformed_token')
        }
      }
  })
})
