/** What an unsigned token costs: it is decoded once, few of its values are looked at, and details are made for listeners only (ATK03). */

import { chain, createGate, jwt, multiIssuerJwt, type TokenVerifier } from '@bearergate/core'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { AUDIENCE, createKey, ISSUER, NOW } from '../../../support/issuer.ts'

const now = () => NOW * 1000
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const unsigned = (claims: object, header: object = {}) =>
  `${part({ alg: 'ES256', typ: 'at+jwt', ...header })}.${part({ iss: ISSUER, exp: NOW + 60, aud: AUDIENCE, ...claims })}.AAAA`
const request = (token: string) => ({
  header: (name: string) => (name === 'authorization' ? `Bearer ${token}` : undefined),
})
const key = await createKey('ES256')
const keys = { keys: [key.jwk as never] }
const verifierOf = (index: number, audience: string | readonly string[] = AUDIENCE) =>
  jwt({ issuer: `https://${index}.example.com`, audience, keys, now })

afterEach(() => void vi.restoreAllMocks())

/** Returns how often the text of a token, or a part of it, was parsed as JSON. */
function countParses(): () => number {
  const parse = vi.spyOn(JSON, 'parse')
  return () => parse.mock.calls.length
}

describe('a token that is rejected before its signature', () => {
  it.each<[string, TokenVerifier]>([
    ['one issuer', verifierOf(0)],
    [
      'a chain of twenty',
      chain(verifierOf(0), ...Array.from({ length: 19 }, (_, index) => verifierOf(index + 1))),
    ],
    [
      'a list of a thousand',
      multiIssuerJwt(
        Array.from({ length: 1_000 }, (_, index) => ({
          issuer: `https://${index}.example.com`,
          audience: AUDIENCE,
          keys,
        })),
      ) as TokenVerifier,
    ],
  ])('is decoded once by %s: one header, one payload (ATK03)', async (_, verifier) => {
    const gate = createGate({ verifier, now })
    const parses = countParses()
    expect(await gate.authenticate(request(unsigned({ iss: 'https://evil.example' })))).toMatchObject({
      reason: 'issuer_mismatch',
    })
    expect(parses()).toBe(2)
  })

  it('has at most 16 entries of its "aud" looked at (ATK03)', async () => {
    const gate = createGate({ issuer: ISSUER, audience: AUDIENCE, keys, now })
    const others = (count: number) => Array.from({ length: count }, (_, index) => `urn:${index}`)
    const ask = async (aud: readonly string[]) => gate.authenticate(request(await key.sign({ aud })))
    expect(await ask([...others(15), AUDIENCE])).toMatchObject({ ok: true })
    expect(await ask([...others(16), AUDIENCE])).toMatchObject({ reason: 'audience_mismatch' })
  })

  it('is not compared with what it is not, unless a listener is set (ATK03)', async () => {
    const lower = vi.spyOn(String.prototype, 'toLowerCase')
    const aud = Array.from({ length: 600 }, (_, index) => `urn:${index}`)
    const settings = {
      issuer: ISSUER,
      audience: Array.from({ length: 10 }, (_, index) => `urn:ours:${index}`),
      keys,
      now,
    }
    const token = unsigned({ aud })
    const silent = createGate(settings)
    lower.mockClear()
    expect(await silent.authenticate(request(token))).toMatchObject({ reason: 'audience_mismatch' })
    const without = lower.mock.calls.length
    const details: unknown[] = []
    const heard = createGate({ ...settings, onDecision: ({ detail }) => details.push(detail) })
    lower.mockClear()
    await heard.authenticate(request(token))
    // Two texts a comparison, eight of each side.
    expect(lower.mock.calls.length - without).toBeLessThanOrEqual(2 * 8 * 8)
    expect(without).toBeLessThanOrEqual(2)
    expect(details).toEqual(['aud has 600 entries, and only the first 16 are compared'])
  })

  it('onDecision receives in which way the claim is nearly right', async () => {
    const details: unknown[] = []
    const settings = {
      issuer: ISSUER,
      keys,
      now,
      onDecision: ({ detail }: { detail?: string | undefined }) => details.push(detail),
    }
    await createGate({ ...settings, audience: AUDIENCE }).authenticate(
      request(unsigned({ aud: `${AUDIENCE}/` })),
    )
    await createGate({ ...settings, audience: AUDIENCE }).authenticate(
      request(unsigned({ iss: ISSUER.toUpperCase() })),
    )
    await createGate({ ...settings, audience: AUDIENCE }).authenticate(
      request(unsigned({ iss: 'x'.repeat(5_000) })),
    )
    expect(details).toEqual([
      'aud differs by a trailing slash only',
      'iss differs in upper and lower case only',
      'iss is another issuer',
    ])
  })

  it('has a detail that a listener may not get, if a verifier of the application throws at it', async () => {
    const details: unknown[] = []
    const gate = createGate({
      verifier: {
        verify: () => ({
          active: false,
          reason: 'unknown_token',
          get detail(): string {
            throw new Error('no')
          },
        }),
      },
      onDecision: ({ detail, decision }) => details.push([decision.ok, detail]),
    })
    expect(await gate.authenticate(request('a'))).toMatchObject({ ok: false })
    expect(details).toHaveLength(1)
  })
})
