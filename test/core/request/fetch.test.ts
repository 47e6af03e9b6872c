/** Form bodies of fetch requests (RFC 6750 §2.2). */

import { createGate } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { FORM } from '../../support/found.ts'

describe('anything but a request', () => {
  const gate = createGate({ verifier: { verify: () => ({ active: false, reason: 'unknown_token' }) } })
  const context = { header: () => undefined, req: { raw: new Request('https://api.example.com') } }

  it.each<[string, unknown, string]>([
    ['undefined', undefined, 'but is undefined'],
    ['null', null, 'but is null'],
    ['a text', 'GET /', 'but is a string'],
    ['an object', {}, 'but is an object'],
    [
      'a request of Express',
      { header: () => 'Bearer a', rawHeaders: [] },
      'such as fromNodeRequest(request)',
    ],
    ['a request of Koa', { header: {}, headers: {} }, 'such as fromNodeRequest(request)'],
    ['the context of Hono', context, 'If you have a Hono context, pass context.req.raw'],
  ])('is answered 503, and its error says what is needed: %s', async (_, given, text) => {
    const causes: unknown[] = []
    const gate = createGate({
      verifier: { verify: () => ({ active: false, reason: 'unknown_token' }) },
      onDecision: ({ cause }) => causes.push(cause),
    })
    expect(await gate.authenticate(given as never)).toMatchObject({ status: 503 })
    expect(causes).toEqual([expect.objectContaining({ message: expect.stringContaining(text) })])
  })

  it('is rejected by a protected handler with a TypeError that says what is needed', async () => {
    const handle = gate.protect(() => new Response())
    await expect(handle(undefined as never)).rejects.toThrow('a request must be a fetch Request')
  })
})

describe('a fetch Request', () => {
  const gate = createGate({
    verifier: {
      verify: (token) => ({
        active: true,
        identity: { kind: 'opaque', subject: token, audience: [], scopes: [], roles: [], claims: {} },
      }),
    },
    tokenFrom: { form: true },
  })
  const request = (body: string | null, type = FORM) =>
    new Request('https://api.example.com', { method: 'POST', body, headers: { 'content-type': type } })

  it('is read from a clone, so that the handler can read the body', async () => {
    const handle = gate.protect(async (given, identity) =>
      Response.json([identity.subject, await given.text()]),
    )
    const response = await handle(request('access_token=abc&x=1'))
    expect(await response.json()).toEqual(['abc', 'access_token=abc&x=1'])
  })

  it('is read up to 256 KiB', async () => {
    expect(await gate.authenticate(request(`access_token=abc&x=${'a'.repeat(262_144)}`))).toMatchObject({
      status: 400,
      reason: 'credentials_too_long',
    })
  })

  it('has no token if its body was read before, or if there is none', async () => {
    const used = request('access_token=abc')
    await used.text()
    for (const given of [used, request(null)])
      expect(await gate.authenticate(given)).toMatchObject({ status: 401, reason: 'no_credentials' })
  })
})
