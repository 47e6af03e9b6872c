/** Headers that the response to an allowed request must carry, whatever else is set on it. */

import type { ServerResponse } from 'node:http'
import { forceHeaders } from '@bearergate/core/adapter'
import { afterEach, describe, expect, it } from 'vitest'
import { listen, send } from '../../support/server.ts'

const REQUIRED = { 'Cache-Control': 'private', Vary: 'Cookie' }

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

/** Returns the headers of the response that a handler writes. */
async function respond(handler: (response: ServerResponse) => void) {
  const { origin, close } = await listen((_request, response) => handler(response))
  closing.push(close)
  return (await send(origin)).headers
}

/** Calls a listener when headers are sent, like the package `on-headers`, which `compression` and `express-session` use. */
function onHeaders(response: ServerResponse, listener: () => void): void {
  const { writeHead } = response
  response.writeHead = (...args: unknown[]) => {
    listener()
    return writeHead.apply(response, args as never)
  }
}

describe('forceHeaders', () => {
  it('adds the headers if nothing else sets them', async () => {
    const headers = await respond((response) => {
      forceHeaders(response, REQUIRED)
      response.end()
    })
    expect([headers['cache-control'], headers.vary]).toEqual(['private', 'Cookie'])
  })

  it('leaves the headers as they are until they are sent', async () => {
    const seen: unknown[] = []
    await respond((response) => {
      forceHeaders(response, REQUIRED)
      response.setHeader('Cache-Control', 'public')
      seen.push(response.getHeader('Cache-Control'), response.hasHeader('Vary'))
      response.end()
    })
    expect(seen).toEqual(['public', false])
  })

  const late: [string, (response: ServerResponse) => void, string, string][] = [
    [
      'setHeader',
      (response) => response.setHeader('Cache-Control', 'public, max-age=60'),
      'private, max-age=60',
      'Cookie',
    ],
    [
      'setHeader, in lower case',
      (response) => response.setHeader('cache-control', 'public'),
      'private',
      'Cookie',
    ],
    [
      'setHeader with a list',
      (response) => response.setHeader('Vary', ['Accept', 'Origin']),
      'private',
      'Accept, Origin, Cookie',
    ],
    [
      'setHeaders',
      (response) => response.setHeaders(new Map([['Cache-Control', 'no-store']])),
      'no-store',
      'Cookie',
    ],
    ['appendHeader', (response) => response.appendHeader('Vary', 'Accept'), 'private', 'Cookie, Accept'],
    ['removeHeader', (response) => response.removeHeader('Vary'), 'private', 'Cookie'],
    [
      'removeHeader for every header',
      (response) => {
        for (const name of response.getHeaderNames()) response.removeHeader(name)
      },
      'private',
      'Cookie',
    ],
    [
      'a header for some caches',
      (response) => response.setHeader('CDN-Cache-Control', 'max-age=60'),
      'private',
      'Cookie',
    ],
    [
      'appendHeader for such a header',
      (response) => response.appendHeader('Surrogate-Control', 'max-age=60'),
      'private',
      'Cookie',
    ],
  ]

  it.each(late)(
    'wins over a listener that was added before it and calls %s',
    async (_, weaken, control, vary) => {
      const headers = await respond((response) => {
        onHeaders(response, () => weaken(response))
        forceHeaders(response, REQUIRED)
        response.setHeader('X-Other', 'kept').end()
      })
      expect([headers['cache-control'], headers.vary]).toEqual([control, vary])
      expect([headers['cdn-cache-control'], headers['surrogate-control']]).toEqual([undefined, undefined])
    },
  )

  it.each(late)('wins over a listener that was added after it and calls %s', async (_, weaken, control) => {
    const headers = await respond((response) => {
      forceHeaders(response, REQUIRED)
      onHeaders(response, () => weaken(response))
      response.end()
    })
    expect(headers['cache-control']).toBe(control)
    expect([headers['cdn-cache-control'], headers['surrogate-control']]).toEqual([undefined, undefined])
  })

  it('sets the required headers even if a "writeHead" replaced before passes headers of its own', async () => {
    const headers = await respond((response) => {
      const { writeHead } = response
      response.writeHead = (status: number) =>
        writeHead.call(response, status, { 'Cache-Control': 'public, max-age=60' } as never)
      forceHeaders(response, REQUIRED)
      response.end()
    })
    expect(headers['cache-control']).toBe('private, max-age=60')
  })

  it.each<[string, unknown]>([
    ['an object', { 'Set-Cookie': ['a=1', 'b=2'], 'cache-control': 'public', 'X-Other': 'kept' }],
    ['a list', ['Set-Cookie', 'a=1', 'cache-control', 'public', 'Set-Cookie', 'b=2', 'X-Other', 'kept']],
  ])('keeps the status, the reason and the other headers of "writeHead" with %s', async (_, fields) => {
    const seen: unknown[] = []
    const headers = await respond((response) => {
      forceHeaders(response, REQUIRED)
      response.setHeader('X-Other', 'replaced').writeHead(200, 'Fine', fields as never)
      seen.push(response.statusCode, response.statusMessage)
      response.end()
    })
    expect(seen).toEqual([200, 'Fine'])
    expect(headers).toMatchObject({
      'set-cookie': ['a=1', 'b=2'],
      'x-other': 'kept',
      'cache-control': 'private',
    })
  })

  it('applies the requirements of two gates', async () => {
    const headers = await respond((response) => {
      forceHeaders(response, REQUIRED)
      forceHeaders(response, { 'Cache-Control': 'private, no-store', Vary: 'X-Api-Key' })
      response.writeHead(200, { 'Cache-Control': 'public', Vary: 'Accept' }).end()
    })
    expect(headers['cache-control']).toBe('private, no-store')
    for (const name of ['Accept', 'Cookie', 'X-Api-Key']) expect(headers.vary).toContain(name)
  })
})
