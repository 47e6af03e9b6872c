/** Form bodies of fetch requests (RFC 6750 §2.2). */

import { createGate } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { FORM } from '../../support/found.ts'

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
