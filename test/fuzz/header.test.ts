/** The Authorization header under mutation, against a parser of the tests' own (RFC 6750 §2.1, RFC 9110 §11). */

import { createGate, type Decision, type Identity } from '@bearergate/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createExtract } from '#core/extract/extract.ts'
import { authorizationValues } from './authorization.ts'
import { readCredentials } from './credentials.ts'
import { AGAIN, fuzz, scaled } from './run.ts'

const extract = createExtract()

const GOOD = 'eyJh.Z29v_ZC1-b2tl+bi/x=='
const identity: Identity = { kind: 'opaque', audience: [], scopes: [], roles: [], claims: {} }

const gate = createGate({
  verifier: {
    verify: (token) =>
      token === GOOD ? { active: true, identity } : { active: false, reason: 'unknown_token' },
  },
})

function decide(value: unknown): Decision {
  const decision = gate.authenticate({ header: () => value as string })
  if (decision instanceof Promise) throw new Error('the gate did not decide at once')
  return decision
}

/** Returns the right status for a value: 200 for the good token alone. */
function rightStatus(value: string): number {
  const credentials = readCredentials(value)
  if (credentials.kind === 'bearer') return credentials.token === GOOD ? 200 : 401
  // Another scheme and a blank value are no credentials (401), but a list of credentials is too many (400).
  return credentials.kind === 'other' || credentials.kind === 'blank' ? 401 : 400
}

function isRight(value: string): boolean {
  const decision = decide(value)
  return rightStatus(value) === (decision.ok ? 200 : decision.status)
}

describe('the Authorization header', () => {
  it('accepts 200,000 mutations of Authorization only if they contain exactly the valid token (BI01)', async () => {
    const outcomes = new Map<number, number>()
    const property = fc.property(authorizationValues(GOOD), (value) => {
      const decision = decide(value)
      const status = decision.ok ? 200 : decision.status
      outcomes.set(status, (outcomes.get(status) ?? 0) + 1)
      return rightStatus(value) === status
    })
    expect(await fuzz('BI01', property, 200_000)).toBeGreaterThanOrEqual(scaled(200_000))
    // The mutations reach every outcome, and often.
    expect([...outcomes.keys()].sort(), AGAIN).toEqual([200, 400, 401])
    expect(Math.min(...outcomes.values()), AGAIN).toBeGreaterThanOrEqual(scaled(10_000))
  })

  it('decides correctly for every octet at the start, in the middle and at the end (BI01)', () => {
    const value = `Bearer ${GOOD}`
    const inserted = [0, 3, 6, 7, 7 + GOOD.length / 2, value.length].flatMap((position) =>
      Array.from(
        { length: 256 },
        (_, octet) => value.slice(0, position) + String.fromCharCode(octet) + value.slice(position),
      ),
    )
    const replaced = [0, 6, 7, value.length - 1].flatMap((position) =>
      Array.from(
        { length: 256 },
        (_, octet) => value.slice(0, position) + String.fromCharCode(octet) + value.slice(position + 1),
      ),
    )
    const values = [...inserted, ...replaced]
    expect(values.length).toBeGreaterThanOrEqual(768)
    expect(values.filter((text) => !isRight(text))).toEqual([])
    // A space more before the token, the value as it was (four times), and `b` for `B`.
    expect(values.filter((text) => decide(text).ok)).toHaveLength(7)
  })

  it('answers 400 or 401 to the valid token next to any other text, also in a fetch Request (BI01)', async () => {
    const around = fc.string({ unit: 'binary', maxLength: 8 })
    const property = fc.property(around, around, (before, behind) =>
      isRight(`${before}Bearer ${GOOD}${behind}`),
    )
    expect(await fuzz('BI01 around', property, 20_000)).toBeGreaterThanOrEqual(scaled(20_000))

    const octets = fc.string({ unit: fc.nat(255).map((octet) => String.fromCharCode(octet)), maxLength: 8 })
    const fetched = fc.property(octets, octets, (before, behind) => {
      const headers = new Headers()
      try {
        headers.set('authorization', `${before}Bearer ${GOOD}${behind}`)
      } catch {
        return true
      }
      const decision = gate.authenticate(new Request('https://api.example.com', { headers })) as Decision
      return rightStatus(headers.get('authorization') ?? '') === (decision.ok ? 200 : decision.status)
    })
    expect(await fuzz('BI01 fetch', fetched, 5_000)).toBeGreaterThanOrEqual(scaled(5_000))
  })

  it('finds no token in a value that is no string (BI02)', async () => {
    const notText = fc.anything({
      withBigInt: true,
      withDate: true,
      withNullPrototype: true,
      withSet: true,
      withSparseArray: true,
      withTypedArray: true,
    })
    const property = fc.property(notText, (value) => {
      const lines: readonly unknown[] = Array.isArray(value) ? value : [value]
      const extracted = extract({ header: () => value as string })
      return 'token' in extracted
        ? lines.length === 1 && typeof lines[0] === 'string'
        : 'reason' in extracted && extracted.reason !== undefined
    })
    expect(await fuzz('BI02', property, 20_000)).toBeGreaterThanOrEqual(scaled(20_000))
  })
})
