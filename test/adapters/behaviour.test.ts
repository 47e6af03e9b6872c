/** One behaviour, the same on every host: what a client gets for what it sends (RFC 6750 §3, RFC 9110 §11). */

import { createGate, type Gate, generateToken, hashToken, UnavailableError } from '@bearergate/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Api, hosts } from '../support/hosts.ts'
import { AUDIENCE, createKey, ISSUER, NOW, type TestKey } from '../support/issuer.ts'

const REALM = 'Bearer realm="api"'
const WHAT_TO_SEND = 'An access token is required. Send the header Authorization: Bearer <token>'
const told = (error: string, description: string) =>
  `${REALM}, error="${error}", error_description="${description}"`

let key: TestKey
let good: string
let gate: Gate

beforeAll(async () => {
  key = await createKey('ES256')
  good = await key.sign()
  gate = createGate({ issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk] }, now: () => NOW * 1000 })
})

describe.each(hosts)('$name', (host) => {
  let api: Api

  beforeAll(async () => {
    api = await host.start(gate)
  })
  afterAll(() => api.close())

  const get = (...values: string[]) =>
    api.send('/me', { headers: values.flatMap((value) => ['Authorization', value]) })

  async function expectRefusal(answer: Awaited<ReturnType<Api['send']>>, status: number, challenge: string) {
    expect(answer.status).toBe(status)
    expect(answer.challenges).toEqual([challenge])
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(answer.headers['content-type']).toMatch(/^application\/json/)
    const parameters = Object.fromEntries(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]),
    )
    const { error, error_description } = parameters
    expect(JSON.parse(answer.text)).toEqual(
      error === undefined ? { error_description: WHAT_TO_SEND } : { error, error_description },
    )
  }

  describe('the twelve request shapes', () => {
    it('answers 401 without an error code when no credentials are sent (A06, A07, A10, B06)', async () => {
      await expectRefusal(await get(), 401, REALM)
    })

    it('answers 401 without an error code to a blank value (FIELD14, A10)', async () => {
      await expectRefusal(await get(''), 401, REALM)
    })

    it('answers 401 without an error code to another scheme (A10)', async () => {
      await expectRefusal(await get('Basic ZW1tYTpzZWNyZXQ='), 401, REALM)
    })

    it.each([
      ['the scheme alone', 'Bearer'],
      ['two tokens', 'Bearer a b'],
      ['illegal characters', 'Bearer a"b'],
    ])('answers 400 invalid_request to %s (A02, A11, B02)', async (_, value) => {
      await expectRefusal(await get(value), 400, told('invalid_request', 'The credentials are malformed'))
    })

    it('answers 401 invalid_token to garbage (A12, F07)', async () => {
      await expectRefusal(
        await get('Bearer garbage'),
        401,
        told('invalid_token', 'The access token is malformed'),
      )
    })

    it('answers 401 invalid_token to an expired token (A12, D03, F05)', async () => {
      const expired = await key.sign({ exp: NOW - 60 })
      await expectRefusal(
        await get(`Bearer ${expired}`),
        401,
        told('invalid_token', 'The access token expired'),
      )
    })

    it('answers 401 invalid_token to a token for another audience (D08, E13, F03)', async () => {
      const foreign = await key.sign({ aud: 'https://other.example.com' })
      await expectRefusal(
        await get(`Bearer ${foreign}`),
        401,
        told('invalid_token', 'The access token is meant for another audience'),
      )
    })

    it('ignores a token in the query, which is not enabled (A05)', async () => {
      const bad = await api.send(`/me?access_token=${good}`)
      await expectRefusal(bad, 401, REALM)
      const both = await api.send(`/me?access_token=${good}`, {
        headers: ['Authorization', `Bearer ${good}`],
      })
      expect(both.status).toBe(200)
    })

    it.each([
      ['the same', (token: string) => [`Bearer ${token}`, `Bearer ${token}`]],
      ['two schemes', (token: string) => ['Basic ZW1tYQ==', `Bearer ${token}`]],
      ['two schemes, ours first', (token: string) => [`Bearer ${token}`, 'Basic ZW1tYQ==']],
    ])('answers 400 to two Authorization lines: %s (A03, B07)', async (_, lines) => {
      const answer = await get(...lines(good))
      expect(answer.status).toBe(400)
      expect(answer.challenges[0]).toContain('error="invalid_request"')
    })

    it('accepts the scheme Bearer in any case (B01)', async () => {
      expect((await get(`bearer ${good}`)).status).toBe(200)
      expect((await get(`bEaReR ${good}`)).status).toBe(200)
    })

    it('allows a valid token and returns its identity (A01)', async () => {
      const answer = await get(`Bearer ${good}`)
      expect(answer.status).toBe(200)
      expect(JSON.parse(answer.text)).toEqual({ subject: 'emma', kind: 'jwt', scopes: ['read', 'write'] })
      expect(answer.challenges).toEqual([])
    })
  })

  it('answers 403 insufficient_scope with the scope that is needed (A13)', async () => {
    const reader = await key.sign({ scope: 'read' })
    const answer = await api.send('/write', { headers: ['Authorization', `Bearer ${reader}`] })
    const challenge = `${told('insufficient_scope', 'The access token does not allow this operation')}, scope="write"`
    await expectRefusal(answer, 403, challenge)
    expect((await api.send('/write', { headers: ['Authorization', `Bearer ${good}`] })).text).toBe(
      '{"subject":"emma"}',
    )
  })

  it('ignores a token in a form body, which is not enabled (A04)', async () => {
    const headers = ['Content-Type', 'application/x-www-form-urlencoded']
    await expectRefusal(
      await api.send('/me', { method: 'POST', headers, body: `access_token=${good}` }),
      401,
      REALM,
    )
  })

  it('authenticates HEAD as GET, and answers it without a body (B12, FIELD-HELD-02)', async () => {
    const refused = await api.send('/me', { method: 'HEAD' })
    expect([refused.status, refused.challenges, refused.text]).toEqual([401, [REALM], ''])
    const passed = await api.send('/me', { method: 'HEAD', headers: ['Authorization', `Bearer ${good}`] })
    expect(passed.status).toBe(200)
  })

  it('authenticates OPTIONS as any other method (B13)', async () => {
    const preflight = ['Origin', 'https://app.example.com', 'Access-Control-Request-Method', 'GET']
    await expectRefusal(await api.send('/me', { method: 'OPTIONS', headers: preflight }), 401, REALM)
  })

  it('rejects a token that is bound to a key without a proof (K15, L05)', async () => {
    const bound = await key.sign({ cnf: { jkt: 'thumbprint' } })
    const answer = await get(`Bearer ${bound}`)
    expect(answer.status).toBe(401)
    expect(answer.challenges[0]).toContain('error="invalid_token"')
  })

  it('answers 400 to credentials beyond the limits', async () => {
    await expectRefusal(
      await get(`Bearer ${'a'.repeat(8193)}`),
      400,
      told('invalid_request', 'The credentials are too long'),
    )
  })
})

describe.each(hosts)('$name, if the token cannot be checked', (host) => {
  it('answers 503 with Retry-After and no challenge, and gives the cause to the operator only (B15)', async () => {
    const causes: unknown[] = []
    const failing = createGate({
      verifier: {
        verify: () => Promise.reject(new UnavailableError('The database is asleep', { retryAfter: 7.2 })),
      },
      onDecision: ({ cause }) => causes.push(cause),
    })
    const api = await host.start(failing)
    const answer = await api.send('/me', { headers: ['Authorization', `Bearer ${good}`] })
    expect([answer.status, answer.headers['retry-after'], answer.challenges]).toEqual([503, '8', []])
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(JSON.parse(answer.text).error).toBe('temporarily_unavailable')
    expect(answer.text).not.toContain('database')
    expect(causes).toMatchObject([{ message: 'The database is asleep' }])
    await api.close()
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('boom')
      },
    ],
    ['rejects with nothing', () => Promise.reject()],
    ['gives nothing', () => undefined],
    ['gives true', () => true],
    ['gives a truthy "active"', () => ({ active: 'true', identity: {} })],
    ['gives no identity', () => ({ active: true })],
  ])('answers 503 if the verifier %s', async (_, verify) => {
    const api = await host.start(createGate({ verifier: { verify: verify as never } }))
    const answer = await api.send('/me', { headers: ['Authorization', 'Bearer token'] })
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1'])
    await api.close()
  })

  it('serves opaque tokens alike', async () => {
    const token = generateToken('test')
    const stored = await hashToken(token)
    const { opaque } = await import('@bearergate/core')
    const lookup = (_: string, hash: string) =>
      hash === stored ? { subject: 'leo', scopes: ['write'] } : null
    const api = await host.start(createGate({ verifier: opaque({ prefix: 'test', lookup }) }))
    const passed = await api.send('/write', { headers: ['Authorization', `Bearer ${token}`] })
    expect(passed.text).toBe('{"subject":"leo"}')
    const refused = await api.send('/me', { headers: ['Authorization', `Bearer ${generateToken('test')}`] })
    expect(refused.challenges).toEqual([told('invalid_token', 'The access token is not valid')])
    await api.close()
  })
})
