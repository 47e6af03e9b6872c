/** What is answered to a refused request, for every reason (RFC 6750 §3). */

import type { Reason } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { createChallenger } from '#core/answer/challenge.ts'

const REASONS: Readonly<Record<Reason, readonly [status: number, error: string | undefined]>> = {
  no_credentials: [401, undefined],
  malformed_credentials: [400, 'invalid_request'],
  multiple_credentials: [400, 'invalid_request'],
  credentials_too_long: [400, 'invalid_request'],
  malformed_token: [401, 'invalid_token'],
  encrypted_token: [401, 'invalid_token'],
  not_an_access_token: [401, 'invalid_token'],
  algorithm_not_allowed: [401, 'invalid_token'],
  unsupported_header: [401, 'invalid_token'],
  unknown_key: [401, 'invalid_token'],
  invalid_signature: [401, 'invalid_token'],
  unknown_token: [401, 'invalid_token'],
  revoked: [401, 'invalid_token'],
  missing_proof: [401, 'invalid_token'],
  issuer_mismatch: [401, 'invalid_token'],
  audience_mismatch: [401, 'invalid_token'],
  expired: [401, 'invalid_token'],
  not_yet_valid: [401, 'invalid_token'],
  issued_in_future: [401, 'invalid_token'],
  max_age_exceeded: [401, 'invalid_token'],
  missing_claim: [401, 'invalid_token'],
  invalid_claim: [401, 'invalid_token'],
  unknown_user: [401, 'invalid_token'],
  insufficient_scope: [403, 'insufficient_scope'],
  insufficient_user_authentication: [401, 'insufficient_user_authentication'],
  insecure_transport: [400, 'invalid_request'],
}

const settings = {
  unknownUserStatus: 401 as const,
  hint: 'send a token',
  realm: 'api',
  scopes: [],
  metadataUrl: undefined,
  exposed: false,
}
const challenger = createChallenger(settings)

describe('createChallenger', () => {
  it.each(Object.entries(REASONS))('answers %s with %j (A10, A11, A12, A13)', (reason, [status, error]) => {
    const refusal = challenger.refuse({ reason: reason as Reason })
    expect(refusal.status).toBe(status)
    expect(refusal.body.error).toBe(error)
    const challenge = String(refusal.headers['WWW-Authenticate'])
    expect(challenge).toMatch(/^Bearer realm="api"/)
    expect(/ error="([^"]*)"/.exec(challenge)?.[1]).toBe(error)
    expect(refusal.headers['Cache-Control']).toBe('no-store')
  })

  it('answers with a fixed text for each reason, for any detail (A14)', () => {
    const refusal = challenger.refuse({ reason: 'invalid_claim', detail: 'a secret' })
    expect(JSON.stringify(refusal)).not.toContain('secret')
    expect(challenger.refuse({ reason: 'invalid_claim' }).headers).toEqual(refusal.headers)
  })

  it('names each scope that is needed once, in one challenge (A08, A13)', () => {
    const refusal = challenger.refuse({ reason: 'insufficient_scope', scopes: ['read', 'write', 'read'] })
    expect(refusal.headers['WWW-Authenticate']).toMatch(/, scope="read write"$/)
  })

  it('names what every request needs in each 401, and not in a 400', () => {
    const { refuse } = createChallenger({ ...settings, scopes: ['read'] })
    expect(refuse({ reason: 'no_credentials' }).headers['WWW-Authenticate']).toBe(
      'Bearer realm="api", scope="read"',
    )
    expect(refuse({ reason: 'expired' }).headers['WWW-Authenticate']).toMatch(/, scope="read"$/)
    expect(refuse({ reason: 'malformed_credentials' }).headers['WWW-Authenticate']).not.toContain('scope')
  })

  it('escapes quotes and backslashes of the realm, and replaces what must not be sent (A09, B05, B11)', () => {
    const { headers } = createChallenger({ ...settings, realm: 'a"b\\c\r\nd\u00e9\u{1F600}' }).refuse({
      reason: 'no_credentials',
    })
    expect(headers['WWW-Authenticate']).toBe('Bearer realm="a\\"b\\\\c??d??"')
  })

  it('drops scopes that are no scope-tokens (A09)', () => {
    const refusal = challenger.refuse({ reason: 'insufficient_scope', scopes: ['a"b', 'ok', 'c d', '', 'é'] })
    expect(refusal.headers['WWW-Authenticate']).toMatch(/, scope="ok"$/)
  })

  it('answers 503 without a challenge, Retry-After in whole seconds and at least one (B15)', () => {
    for (const [retryAfter, header] of [
      [0, '1'],
      [0.2, '1'],
      [3, '3'],
      [3.1, '4'],
      [Number.NaN, '1'],
      [1e21, '3600'],
    ] as const) {
      const { status, headers, reason } = challenger.unavailable(retryAfter)
      expect([status, headers['Retry-After'], headers['WWW-Authenticate'], reason]).toEqual([
        503,
        header,
        undefined,
        'unavailable',
      ])
    }
  })

  it('writes the answer 503 again only if Retry-After changes', () => {
    const first = challenger.unavailable(7)
    expect(challenger.unavailable(6.5)).toBe(first)
    expect(challenger.unavailable(8).headers['Retry-After']).toBe('8')
    expect(challenger.unavailable(7).headers).toEqual(first.headers)
  })

  it('sends Cache-Control: no-store with every denial (B14)', () => {
    expect(challenger.unavailable(1).headers['Cache-Control']).toBe('no-store')
  })

  it('toResponse() creates a new Response each time, and the denial is frozen', async () => {
    const refusal = challenger.refuse({ reason: 'expired' })
    expect(challenger.refuse({ reason: 'expired' })).toBe(refusal)
    for (const part of [refusal, refusal.headers, refusal.body]) expect(Object.isFrozen(part)).toBe(true)
    const [one, other] = [refusal.toResponse(), refusal.toResponse()]
    expect(await one.json()).toEqual(refusal.body)
    expect(await other.json()).toEqual(refusal.body)
    expect(one.headers.get('www-authenticate')).toBe(refusal.headers['WWW-Authenticate'])
  })
})
