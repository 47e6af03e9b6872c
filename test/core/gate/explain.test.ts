/** `gate.explain` names the true cause of bad tokens and configurations, and shows what each check of the gate compared. */

import {
  chain,
  createGate,
  type Gate,
  generateToken,
  opaque,
  type RequestLike,
  scope,
} from '@bearergate/core'
import { entra } from '@bearergate/core/presets'
import { describe, expect, it } from 'vitest'
import { pass, stopClock } from '../../support/clock.ts'
import { CASES, gateOf, good, key, TENANT, V2 } from '../../support/explain-cases.ts'
import { requestWith } from '../../support/forge.ts'
import { AUDIENCE, createKey, ISSUER, NOW } from '../../support/issuer.ts'

describe('gate.explain', () => {
  it.each(CASES.map((row) => [row.name, row] as const))(
    'names the cause of %s',
    async (_, { gate = gateOf(), given, check, cause, fix }) => {
      const explanation = await gate.explain(await given)
      const { failed } = explanation
      expect(explanation.ok).toBe(false)
      expect([failed?.name, failed?.result]).toEqual([check, 'failed'])
      expect(failed?.cause).toMatch(cause)
      if (fix.source !== '^$') expect(failed?.fix).toMatch(fix)
    },
  )

  it('lists every check of a JWT in the order of the gate, with what each compared', async () => {
    const gate = gateOf({ requirement: scope('read'), loadUser: () => ({ name: 'Emma' }) })
    const explanation = await gate.explain(requestWith(good))
    expect(explanation.ok).toBe(true)
    expect(explanation.failed).toBeUndefined()
    const names =
      'credentials transport format header type required form issuer audience dates key signature claims'
    const later = 'proof revocation requirement user'
    expect(explanation.checks.map((check) => check.name).join(' ')).toBe(`${names} ${later}`)
    expect(new Set(explanation.checks.map((check) => check.result))).toEqual(new Set(['passed']))
    const facts = Object.fromEntries(
      explanation.checks.map((check) => [check.name, [check.expected, check.actual]]),
    )
    expect(facts.issuer).toEqual([`"${ISSUER}"`, `"${ISSUER}"`])
    expect(facts.audience).toEqual([`"${AUDIENCE}"`, `"${AUDIENCE}"`])
    expect(facts.dates?.[1]).toBe('exp in 600 s, iat 10 s ago')
    expect(facts.key).toEqual(['"ES256-1"', 'kid "ES256-1"'])
    expect(facts.requirement).toEqual(['read', 'scopes: read write'])
    for (const { rfc } of explanation.checks) expect(rfc).toMatch(/^RFC \d{4} §/)
  })

  it('makes the other checks as well if one fails, and skips those that need an identity', async () => {
    const token = await key.sign({ iss: `${ISSUER}/`, exp: NOW - 3600, aud: 'web' })
    const { checks } = await gateOf().explain(token)
    const results = Object.fromEntries(checks.map(({ name, result }) => [name, result]))
    expect(results).toMatchObject({
      issuer: 'failed',
      audience: 'failed',
      dates: 'failed',
      signature: 'passed',
    })
    expect(results).toMatchObject({
      proof: 'skipped',
      revocation: 'skipped',
      requirement: 'skipped',
      user: 'skipped',
    })
  })

  it('says what is unavailable: keys that cannot be fetched, and functions that throw', async () => {
    const fetch = async () => new Response('', { status: 500 })
    const down = await gateOf({ keys: undefined, jwksUri: `${ISSUER}/keys`, fetch }).explain(good)
    expect(down.failed).toMatchObject({ name: 'key', result: 'unavailable' })
    expect(down.failed?.cause).toContain('500')
    const message = `no rows for ${good}`
    const throws = () => {
      throw new RangeError(message)
    }
    for (const [option, name] of [
      ['isRevoked', 'revocation'],
      ['requirement', 'requirement'],
      ['loadUser', 'user'],
    ] as const) {
      const { failed } = await gateOf({ [option]: throws }).explain(good)
      expect([failed?.name, failed?.result]).toEqual([name, 'unavailable'])
      expect(failed?.cause).toBe('a function of the application threw a RangeError')
    }
  })

  it('finds a new key as the gate does, and says which keys the issuer publishes', async () => {
    const other = await createKey('ES256', 'next')
    let keys = [key.jwk]
    const fetch = async () => Response.json({ keys })
    const gate = gateOf({ keys: undefined, jwksUri: `${ISSUER}/keys`, fetch })
    await gate.ready()
    const unknown = (await gate.explain(await other.sign())).failed
    expect(unknown).toMatchObject({ name: 'key', expected: '"ES256-1"', actual: 'kid "next"' })
    expect(unknown?.cause).toMatch(/does not publish the key "next".*rotation/)
    keys = [other.jwk]
    expect((await gate.explain(await other.sign())).ok).toBe(true)
    keys = []
    const empty = gateOf({ keys: undefined, jwksUri: `${ISSUER}/keys`, fetch })
    expect((await empty.explain(good)).failed).toMatchObject({ name: 'key', result: 'unavailable' })
  })

  it('decides nothing and caches nothing', async () => {
    let decisions = 0
    let lookups = 0
    const lookup = () => {
      lookups += 1
      return { subject: 'emma' }
    }
    const verifier = opaque({ lookup, cache: { ttl: 60 } })
    const gate = createGate({
      verifier,
      onDecision: () => {
        decisions += 1
      },
    })
    for (const expected of [1, 2]) {
      expect((await gate.explain('a-token')).ok).toBe(true)
      expect(lookups).toBe(expected)
    }
    expect(gate.describe().verifier).toMatchObject({ cache: { entries: 0, hits: 0, misses: 0 } })
    expect(decisions).toBe(0)
  })

  it('explains a token by the one verifier of a chain that is for it', async () => {
    const verifier = chain(
      entra({ tenant: TENANT, audience: 'a', version: 2 }),
      opaque({ prefix: 'acme', lookup: () => ({ subject: 'emma' }) }),
    )
    const { ok, checks } = await createGate({ verifier }).explain(generateToken('acme'))
    expect(ok).toBe(true)
    expect(checks.slice(0, 3).map(({ name }) => name)).toEqual(['credentials', 'verifier', 'lookup'])
    const { failed } = await createGate({ verifier }).explain(await key.sign({ iss: V2, aud: 'b' }))
    expect(failed).toMatchObject({ name: 'header' })
  })

  it('explains a verifier of the application by its result, or lets it explain itself', async () => {
    const verify = () => ({ active: false, reason: 'expired' }) as const
    const { failed } = await createGate({ verifier: { verify } }).explain('a-token')
    expect(failed).toMatchObject({ name: 'verifier', reason: 'expired' })
    const checks = [
      { name: 'verifier', result: 'failed', cause: 'of its own', rfc: 'RFC 6750 §3.1' },
    ] as const
    const own = createGate({ verifier: { verify, explain: async () => ({ checks }) } })
    expect((await own.explain('a-token')).failed?.cause).toBe('of its own')
  })

  it('rejects a result that has ended, as the gate does', async () => {
    const verifier = opaque({ lookup: () => ({ subject: 'emma' }) })
    const verify = async (token: string) => {
      const result = await verifier.verify(token)
      return { ...result, expiresAt: Date.now() / 1000 - 1 } as typeof result
    }
    const explain = async () => {
      const result = await verify('a-token')
      return result.active ? { checks: [], ...result } : { checks: [] }
    }
    const gate = createGate({ verifier: { verify, explain } })
    expect(await gate.authenticate(requestWith('a-token'))).toMatchObject({ reason: 'expired' })
    expect((await gate.explain('a-token')).failed).toMatchObject({ name: 'dates', reason: 'expired' })
  })

  it('does not trust an explanation of the application that is none, or that says nothing', async () => {
    const verify = () => ({ active: false, reason: 'expired' }) as const
    for (const explain of [
      async () => undefined,
      async () => ({ checks: 1 }),
      async () => ({ checks: [] }),
    ]) {
      const { ok, failed } = await createGate({ verifier: { verify, explain } as never }).explain('a-token')
      expect([ok, failed?.name, failed?.result]).toEqual([false, 'verifier', 'unavailable'])
    }
  })

  it('allows a request without a token if the gate does', async () => {
    const gate = gateOf({ optional: true, allowPreflight: { methods: ['PUT'] } })
    const [credentials, ...others] = (await gate.explain(new Request('https://api.example.com/'))).checks
    expect(credentials).toMatchObject({ name: 'credentials', result: 'passed' })
    expect(credentials?.actual).toBe('no token: an anonymous request, which "optional" allows')
    expect(others).toEqual([])
    const headers = { origin: 'https://app.example.com', 'access-control-request-method': 'PUT' }
    const preflight = new Request('https://api.example.com/', { method: 'OPTIONS', headers })
    expect((await gate.explain(preflight)).checks[0]?.actual).toBe('no token: a CORS preflight')
    const broken = new Request('https://api.example.com/', { headers: { authorization: 'Bearer' } })
    expect((await gate.explain(broken)).failed?.reason).toBe('malformed_credentials')
  })

  it('says that a request cannot be read, as the gate does', async () => {
    const request = {
      header() {
        throw new Error(good)
      },
    }
    const { failed } = await gateOf().explain(request as never)
    expect(failed).toMatchObject({ name: 'credentials', result: 'unavailable' })
    expect(JSON.stringify(failed)).not.toContain(good.slice(0, 20))
  })

  it('accepts a token within the clock tolerance, as the gate does', async () => {
    const token = await key.sign({ exp: NOW - 10 })
    expect((await gateOf().explain(token)).ok).toBe(true)
    expect((await gateOf().authenticate(requestWith(token))).ok).toBe(true)
  })

  it('gives the request to a requirement', async () => {
    const requirement = (_identity: unknown, request: RequestLike) => request.url === '/mine'
    const explanation = (url: string) => gateOf({ requirement }).explain({ ...requestWith(good), url })
    expect((await explanation('/mine')).ok).toBe(true)
    expect((await explanation('/theirs')).failed?.name).toBe('requirement')
  })

  it.each([undefined, null, '', 7, {}, []])(
    'throws a TypeError for %o, which is no token and no request',
    async (given) => {
      await expect(gateOf().explain(given as never)).rejects.toThrow(TypeError)
    },
  )
})

describe('gate.explain, if something never settles', () => {
  stopClock()

  /** Explains a token with functions that never settle, and lets the deadline pass when one of them was called. */
  async function explained(create: (never: () => Promise<never>) => Gate, token: string) {
    let called = () => {}
    const isCalled = new Promise<void>((resolve) => {
      called = resolve
    })
    const gate = create(() => {
      called()
      return new Promise(() => {})
    })
    const explaining = gate.explain(token)
    await isCalled
    pass(10)
    return (await explaining).failed
  }

  it.each([
    ['isRevoked', 'revocation'],
    ['requirement', 'requirement'],
    ['loadUser', 'user'],
  ])('ends after the deadline of the gate for the option %s', async (option, name) => {
    const failed = await explained((never) => gateOf({ [option]: never }), good)
    expect([failed?.name, failed?.result]).toEqual([name, 'unavailable'])
    expect(failed?.cause).toContain('"deadline" of the gate')
  })

  it('ends after the deadline of the gate for a verifier', async () => {
    const gateBy = (verifier: object) => createGate({ verifier } as never)
    const verify = () => ({ active: false, reason: 'expired' }) as const
    const first = await explained((never) => gateBy({ verify: never }), 'a-token')
    const second = await explained((never) => gateBy({ verify, explain: never }), 'a-token')
    for (const failed of [first, second])
      expect([failed?.name, failed?.result]).toEqual(['verifier', 'unavailable'])
  })
})
