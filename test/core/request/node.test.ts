/** The view of a `node:http` request. */

import { fromNodeRequest, type RequestLike } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { createExtract } from '#core/extract/extract.ts'
import type { Rejection } from '#core/model/rejection.ts'

const inHeader = createExtract()
const extract = (request: RequestLike): string | Rejection => {
  const found = inHeader(request)
  if (found instanceof Promise) throw new TypeError('a header is at hand')
  return 'reason' in found ? found : found.token
}

describe('fromNodeRequest', () => {
  const rawHeaders = (...lines: string[]) => lines.flatMap((value) => ['AuthorizatioN', value])

  it('returns all lines of a field of which Node keeps only the first', () => {
    const request = { headers: { authorization: 'Bearer a' }, rawHeaders: rawHeaders('Bearer a', 'Bearer b') }
    expect(extract(fromNodeRequest(request))).toEqual({ reason: 'multiple_credentials' })
  })

  it('returns the value that middleware has set, and nothing if middleware has removed it', () => {
    expect(extract(fromNodeRequest({ headers: { authorization: 'Bearer b' }, rawHeaders: [] }))).toBe('b')
    expect(extract(fromNodeRequest({ headers: {}, rawHeaders: rawHeaders('Bearer a') }))).toEqual({
      reason: 'no_credentials',
    })
  })

  it.each([
    ['a fetch Request', new Request('https://api.example.com')],
    ['undefined', undefined],
    ['an object without headers', {}],
  ])('throws a TypeError that says what it needs for %s', (_, given) => {
    expect(() => fromNodeRequest(given as never)).toThrow(TypeError)
    expect(() => fromNodeRequest(given as never)).toThrow(
      'needs a request of Node, Express or Koa (context.req)',
    )
  })

  it('works without rawHeaders, as in simulated requests', () => {
    expect(extract(fromNodeRequest({ headers: { authorization: 'Bearer a' } }))).toBe('a')
  })
})
