/** Odd members of Lambda events. */

import { createGate, type Identity } from '@bearergate/core'
import { fromLambdaEvent, lambda } from '@bearergate/core/lambda'
import { describe, expect, it } from 'vitest'

const identity: Identity = { kind: 'opaque', audience: [], scopes: [], roles: [], claims: {} }
const verifier = { verify: () => ({ active: true, identity }) as const }

describe('a Lambda event', () => {
  it.each([
    [{ headers: { authorization: [['Bearer good']] } }],
    [{ multiValueHeaders: { Authorization: [['Bearer good']] } }],
    [{ multiValueHeaders: { Authorization: [[]] } }],
    [{ multiValueHeaders: { Authorization: [[['Bearer good']]] } }],
    [{ multiValueHeaders: { Authorization: [['Bearer good', 'Bearer good']] } }],
  ])('with an array in the place of a field line is answered 400: %j (BI02)', async (event) => {
    const handler = lambda(createGate({ verifier }), () => ({ statusCode: 200 }))
    expect(await handler(event as object)).toMatchObject({ statusCode: 400 })
  })

  it('with an empty array of cookies is answered as a preflight if it is one (ATK01)', () => {
    const gate = createGate({ verifier, allowPreflight: { methods: ['GET'] } })
    const headers = { origin: 'https://app.example.com', 'access-control-request-method': 'GET' }
    const requestContext = { http: { method: 'OPTIONS' } }
    const answer = (cookies: readonly string[]) =>
      gate.authenticate(fromLambdaEvent({ version: '2.0', headers, cookies, requestContext }))
    expect(answer([])).toMatchObject({ status: 204, reason: 'preflight' })
    expect(answer(['a=b'])).toMatchObject({ status: 401 })
  })
})
