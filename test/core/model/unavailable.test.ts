/** Errors for tokens that could not be checked. */

import { afterEach, expect, it } from 'vitest'
import { atLimit, UnavailableError } from '#core/model/unavailable.ts'

const descriptor = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit') as PropertyDescriptor

afterEach(() => {
  Object.defineProperty(Error, 'stackTraceLimit', descriptor)
})

it('an error of a limit has a message, a cause and a time, but no stack trace', () => {
  const cause = new Error('down')
  const error = atLimit('The queue is full', { cause, retryAfter: 5 })
  expect(error).toBeInstanceOf(UnavailableError)
  expect([error.message, error.cause, error.retryAfter]).toEqual(['The queue is full', cause, 5])
  // Bun has no `stack` then.
  expect(error.stack ?? '').not.toMatch(/^\s+at /m)
})

it('leaves the stack traces of other errors as they are', () => {
  for (const limit of [25, 0, undefined]) {
    Object.defineProperty(Error, 'stackTraceLimit', { ...descriptor, value: limit })
    atLimit('The queue is full')
    expect(Reflect.get(Error, 'stackTraceLimit')).toBe(limit)
  }
})

it('creates the error if the application froze `Error`', () => {
  Object.defineProperty(Error, 'stackTraceLimit', { ...descriptor, writable: false })
  expect(atLimit('The queue is full').message).toBe('The queue is full')
})
