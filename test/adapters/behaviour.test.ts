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
    it('A06 A07 A10 B06 answers 401 without an error code when no credentials are sent', async () => {
      await expectRefusal(await get(), 401, REALM)
    })

    it('FIELD14 A10 answers 401 without an error code to a blank value', async () => {
      await expectRefusal(await get(''), 401, REALM)
    })

    it('A10 answers 401 without an error code to another scheme', async () => {
      await expectRefusal(await get('Basic ZW1tYTpzZWNyZXQ='), 401, REALM)
    })

    it.each([
      ['the scheme alone', 'Bearer'],
      ['two tokens', 'Bearer a b'],
      ['illegal characters', 'Bearer a"b'],
    ])('A02 A11 B02 answers 400 invalid_request to %s', async (_, value) => {
      await expectRefusal(await get(value), 400, told('invalid_request', 'The credentials are malformed'))
    })

    it('A12 F07 answers 401 invalid_token to garbage', async () => {
      await expectRefusal(
        await get('Bearer garbage'),
        401,
        told('invalid_token', 'The access token is malformed'),
      )
    })

    it('A12 D03 F05 answers 401 invalid_token to an expired token', async () => {
      const expired = await key.sign({ exp: NOW - 60 })
      await expectRefusal(
        await get(`Bearer ${expired}`),
        401,
        told('invalid_token', 'The access token expired'),
      )
    })

    it('D08 E13 F03 answers 401 invalid_token to a token for another audience', async () => {
      const foreign = await key.sign({ aud: 'https://other.example.com' })
      await expectRefusal(
        await get(`Bearer ${foreign}`),
        401,
        told('invalid_token', 'The access token is meant for another audience'),
      )
    })

    it('A05 ignores a token in the query, which is not enabled', async () => {
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
    ])('A03 B07 answers 400 to two Authorization lines: %s', async (_, lines) => {
      const answer = await get(...lines(good))
      expect(answer.status).toBe(400)
      expect(answer.challenges[0]).toContain('error="invalid_request"')
    })

    it('B01 takes the scheme in any case', async () => {
      expect((await get(`bearer ${good}`)).status).toBe(200)
      expect((await get(`bEaReR ${good}`)).status).toBe(200)
    })

    it('A01 lets a good token pass and tells who sent it', async () => {
      const answer = await get(`Bearer ${good}`)
      expect(answer.status).toBe(200)
      expect(JSON.parse(answer.text)).toEqual({ subject: 'emma', kind: 'jwt', scopes: ['read', 'write'] })
      expect(answer.challenges).toEqual([])
    })
  })

  it('A13 answers 403 insufficient_scope with the scope that is needed', async () => {
    const reader = await key.sign({ scope: 'read' })
    const answer = await api.send('/write', { headers: ['Authorization', `Bearer ${reader}`] })
    const challenge = `${told('insufficient_scope', 'The access token does not allow this operation')}, scope="write"`
    await expectRefusal(answer, 403, challenge)
    expect((await api.send('/write', { headers: ['Authorization', `Bearer ${good}`] })).text).toBe(
      '{"subject":"emma"}',
    )
  })

  it('A04 ignores a token in a form body, which is not enabled', async () => {
    const headers = ['Content-Type', 'application/x-www-form-urlencoded']
    await expectRefusal(
      await api.send('/me', { method: 'POST', headers, body: `access_token=${good}` }),
      401,
      REALM,
    )
  })

  it('B12 authenticates HEAD as GET, and answers it without a body', async () => {
    const refused = await api.send('/me', { method: 'HEAD' })
    expect([refused.status, refused.challenges, refused.text]).toEqual([401, [REALM], ''])
    const passed = await api.send('/me', { method: 'HEAD', headers: ['Authorization', `Bearer ${good}`] })
    expect(passed.status).toBe(200)
  })

  it('B13 authenticates OPTIONS as any other method', async () => {
    const preflight = ['Origin', 'https://app.example.com', 'Access-Control-Request-Method', 'GET']
    await expectRefusal(await api.send('/me', { method: 'OPTIONS', headers: preflight }), 401, REALM)
  })

  it('K15 L05 refuses a token that is bound to a key, for nothing proves it', async () => {
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

describe.each(hosts)('$name, when nobody can tell', (host) => {
  it('B15 answers 503 with Retry-After and no challenge, and gives the cause to the operator only', async () => {
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
  ])('answers 503 where the verifier %s', async (_, verify) => {
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
