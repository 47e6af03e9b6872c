/** Requests that are shaped like CORS preflights, as each host presents them, against a predicate of the tests' own (Fetch §4.8). */

import { createGate } from '@bearergate/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectedAnywhere, expectedOutcome, GOOD, type Outcome, presentations, sent } from './requests.ts'
import { AGAIN, fuzz, scaled } from './run.ts'

const identity = { kind: 'opaque', audience: [], scopes: [], roles: [], claims: {} } as const
const settings = {
  verifier: {
    verify: (token: string) =>
      token === GOOD
        ? ({ active: true, identity } as const)
        : ({ active: false, reason: 'unknown_token' } as const),
  },
  allowPreflight: { methods: ['GET'] },
}
const gate = createGate(settings)
const anywhere = createGate({ ...settings, tokenFrom: { query: true, form: true, cookie: 'session' } })
const withoutPreflight = createGate({ verifier: settings.verifier })

type Asked = Parameters<typeof gate.authenticate>[0]

async function outcomeOf(asked: typeof gate, request: Asked): Promise<string | number> {
  const decision = await asked.authenticate(request)
  if (decision.ok) return 'ok'
  return decision.reason === 'preflight' ? decision.reason : decision.status
}

describe('a request that is shaped like a preflight', () => {
  it('each host recognizes a preflight exactly if another predicate does, and allows only the valid token, in 20,000 requests (ATK01)', async () => {
    const outcomes = new Map<Outcome, number>()
    const property = fc.asyncProperty(sent, async (given) => {
      for (const { host, request, known } of presentations(given)) {
        const expected = expectedOutcome(known)
        outcomes.set(expected, (outcomes.get(expected) ?? 0) + 1)
        const answers = {
          usual: await outcomeOf(gate, request),
          off: await outcomeOf(withoutPreflight, request),
          anywhere: await outcomeOf(anywhere, request),
        }
        expect({ host, ...answers }).toEqual({
          host,
          usual: expected,
          off: expected === 'preflight' ? 401 : expected,
          anywhere: expectedAnywhere(known, given.query),
        })
      }
    })
    expect(await fuzz('ATK01', property, 20_000)).toBeGreaterThanOrEqual(scaled(20_000))
    expect(Math.min(...outcomes.values()), AGAIN).toBeGreaterThanOrEqual(scaled(20_000) / 100)
  })
})
