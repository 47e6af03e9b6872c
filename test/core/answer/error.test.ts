/** The error that a framework's error handling receives with `onDenied: 'next'`. */

import { BearerAuthError, createGate } from '@bearergate/core'
import { expect, it } from 'vitest'

it('BearerAuthError has the status, headers, body and reason of the denied request', () => {
  const verifier = { verify: () => ({ active: false, reason: 'unknown_token' }) as const }
  const decision = createGate({ verifier }).authenticate({ header: () => 'Bearer bad' })
  if (decision instanceof Promise || decision.ok || decision.reason === 'preflight')
    throw new Error('The request was not denied')
  const { headers, body } = decision
  const error = new BearerAuthError(decision)
  expect(error).toMatchObject({ status: 401, statusCode: 401, expose: true, reason: 'unknown_token' })
  expect(error).toMatchObject({ name: 'BearerAuthError', headers, body })
  expect(error.message).toBe('The access token is not valid')
  expect(error.headers['WWW-Authenticate']).toContain('invalid_token')
})

it('BearerAuthError has a message if the request had no credentials', () => {
  const verifier = { verify: () => ({ active: false, reason: 'unknown_token' }) as const }
  const decision = createGate({ verifier }).authenticate({ header: () => undefined })
  if (decision instanceof Promise || decision.ok || decision.reason === 'preflight')
    throw new Error('The request was not denied')
  expect(new BearerAuthError(decision)).toMatchObject({
    message: expect.stringMatching(/^An access token is required/),
  })
})
