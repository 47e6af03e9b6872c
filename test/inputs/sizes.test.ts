/** BI10: tokens of every size. One that is too long is rejected before any work (RFC 6750 §2.1). */

import { createGate, type Gate, opaque, type RequestLike } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { claimsText, createForge, FORGED_HEADER, gateOfForge, outcome } from '../support/forge.ts'
import { patternsMatched } from '../support/patterns.ts'

const forge = createForge()

const MiB = 2 ** 20
const MALFORMED = '400 malformed_credentials'
const TOO_LONG = '400 credentials_too_long'
const NO_JWT = '401 malformed_token'
const UNKNOWN = '401 unknown_token'

/** The tokens that are sent, and the answers of a gate for JWTs and of one for opaque tokens. */
const SIZES: readonly (readonly [name: string, token: () => string, jwt: string, opaque: string])[] = [
  ['0 bytes', () => '', MALFORMED, MALFORMED],
  ['1 byte', () => 'a', NO_JWT, UNKNOWN],
  ['8,191 bytes', () => 'a'.repeat(8191), NO_JWT, UNKNOWN],
  ['8,192 bytes', () => 'a'.repeat(8192), NO_JWT, UNKNOWN],
  ['8,193 bytes', () => 'a'.repeat(8193), TOO_LONG, TOO_LONG],
  ['16,384 bytes', () => 'a'.repeat(16_384), TOO_LONG, TOO_LONG],
  ['1 MiB', () => 'a'.repeat(MiB), TOO_LONG, TOO_LONG],
  ['64 MiB', () => 'a'.repeat(64 * MiB), TOO_LONG, TOO_LONG],
  ['8,192 dots', () => '.'.repeat(8192), NO_JWT, UNKNOWN],
  ['8,193 dots', () => '.'.repeat(8193), TOO_LONG, TOO_LONG],
  ['1,000,000 dots', () => '.'.repeat(1_000_000), TOO_LONG, TOO_LONG],
  ['64 MiB of NUL', () => '\u0000'.repeat(64 * MiB), TOO_LONG, TOO_LONG],
  ['8,192 "="', () => '='.repeat(8192), MALFORMED, MALFORMED],
  ['8,000 spaces', () => ' '.repeat(8000), MALFORMED, MALFORMED],
]

const toRequestLike = (value: string): RequestLike => ({ header: () => value })

describe.each(SIZES)('%s', (_name, token, jwtExpected, opaqueExpected) => {
  const isLookedUp = (expected: string) => expected === UNKNOWN

  it(`is answered ${jwtExpected} by a gate for JWTs (BI10)`, async () => {
    expect(await outcome(gateOfForge(forge), token())).toBe(jwtExpected)
  })

  it(`is answered ${opaqueExpected} by a gate for opaque tokens, and looked up ${isLookedUp(opaqueExpected) ? 'once' : 'never'} (BI10)`, async () => {
    let lookups = 0
    const lookup = () => {
      lookups += 1
      return null
    }
    expect(await outcome(createGate({ verifier: opaque({ lookup }) }), token())).toBe(opaqueExpected)
    expect(lookups).toBe(isLookedUp(opaqueExpected) ? 1 : 0)
  })
})

describe('a gate', () => {
  const unused = {
    verify(): never {
      throw new Error('called')
    },
  }

  it.each([16_385, MiB, 64 * MiB])(
    'matches no pattern against a header of %d characters (BI10)',
    (length) => {
      const value = `Bearer ${'a'.repeat(length - 7)}`
      const [decision, matched] = patternsMatched(() =>
        createGate({ verifier: unused }).authenticate(toRequestLike(value)),
      )
      expect(decision).toMatchObject({ status: 400, reason: 'credentials_too_long' })
      expect(matched).not.toContain(length)
    },
  )

  it('matches one pattern against a header of 16,384 characters (BI10)', () => {
    const value = `Bearer ${'a'.repeat(16_384 - 7)}`
    const [decision, matched] = patternsMatched(() =>
      createGate({ verifier: unused }).authenticate(toRequestLike(value)),
    )
    expect(decision).toMatchObject({ status: 400, reason: 'credentials_too_long' })
    expect(matched.filter((length) => length === value.length)).toHaveLength(1)
  })

  it('uses no clock and fetches no key if the token is too long (BI10)', async () => {
    const gate = createGate({
      issuer: 'http://127.0.0.1:1',
      audience: 'api',
      now: unused.verify,
      fetch: unused.verify,
    })
    expect(await outcome(gate, 'a'.repeat(8193))).toBe(TOO_LONG)
  })
})

describe('a good JWT', () => {
  const gate = gateOfForge(forge)

  it.each([
    [8191, 'ok'],
    [8192, 'ok'],
    [8193, TOO_LONG],
    [16_384, TOO_LONG],
  ])('of %d bytes is answered: %s (BI10)', async (length, expected) => {
    expect(await outcome(gate, goodToken(length))).toBe(expected)
  })

  it.each([
    [16_384, 'ok'],
    [16_385, TOO_LONG],
  ])(
    'of 8,192 bytes, in a header of %d with its spaces, is answered: %s (BI10)',
    async (length, expected) => {
      const token = goodToken(8192)
      const value = `Bearer${' '.repeat(length - 6 - token.length)}${token}`
      expect(value).toHaveLength(length)
      expect(said(await gate.authenticate(toRequestLike(value)))).toBe(expected)
    },
  )
})

it('is tested with all the sizes of FAULTS.md (BI10)', () => {
  const lengths = SIZES.map(([, token]) => token().length)
  for (const length of [0, 1, 8191, 8192, 8193, 16_384, MiB, 64 * MiB, 1_000_000])
    expect(lengths).toContain(length)
})

function said(decision: Awaited<ReturnType<Gate['authenticate']>>): string {
  return decision.ok ? 'ok' : `${decision.status} ${decision.reason}`
}

/** Returns a good token of exactly this length. The header adds what base64url cannot reach by the payload alone. */
function goodToken(length: number): string {
  for (let more = 0; more < 4; more += 1) {
    const header = FORGED_HEADER.replace('{', `{"x":"${'x'.repeat(more)}",`)
    const rest = forge.sign(claimsText({ pad: '""' }), header).length
    const about = Math.floor(((length - rest) * 3) / 4)
    for (let pad = about - 2; pad <= about + 2; pad += 1) {
      const token = forge.sign(claimsText({ pad: `"${'p'.repeat(pad)}"` }), header)
      if (token.length === length) return token
    }
  }
  throw new Error(`no token has ${length} characters`)
}
