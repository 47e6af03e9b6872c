/** The signal of a request: it ends the request, and nothing that has ended before. */

import { describe, expect, it } from 'vitest'
import type { SecureUrl } from '#core/lib/url.ts'
import { fetchJson } from '#core/net/fetch-json.ts'

const URL_OF_KEYS = 'https://id.example.com/keys' as SecureUrl

/** Fetches with a function that is called with the signal of the request. */
async function fetchWith(send: (signal: AbortSignal) => Promise<Response>) {
  const deadline = new AbortController()
  const signals: AbortSignal[] = []
  const fetch = (_url: string, { signal }: RequestInit) => {
    signals.push(signal as AbortSignal)
    return send(signal as AbortSignal)
  }
  const outcome = fetchJson(URL_OF_KEYS, fetch, deadline.signal).then(
    ({ body }) => body,
    (cause: Error) => cause.message,
  )
  return { deadline, signals, outcome }
}

describe('the signal of a request', () => {
  it('is not aborted after fetch has rejected, because undici 6 throws an error then that nothing catches', async () => {
    const { deadline, signals, outcome } = await fetchWith(() =>
      Promise.reject(new TypeError('fetch failed')),
    )
    expect(await outcome).toBe('Failed to reach https://id.example.com/keys')
    deadline.abort()
    expect(signals.map(({ aborted }) => aborted)).toEqual([false])
  })

  it('is not aborted after the body was read', async () => {
    const { deadline, signals, outcome } = await fetchWith(async () => Response.json({ keys: [] }))
    expect(await outcome).toEqual({ keys: [] })
    deadline.abort()
    expect(signals.map(({ aborted }) => aborted)).toEqual([false])
  })

  it('is aborted with a response that cannot be used, whose body may be open', async () => {
    const { signals, outcome } = await fetchWith(async () => new Response('no', { status: 500 }))
    expect(await outcome).toContain('500')
    expect(signals.map(({ aborted }) => aborted)).toEqual([true])
  })

  it('is aborted at the deadline', async () => {
    const { deadline, signals, outcome } = await fetchWith(() => new Promise(() => {}))
    deadline.abort(new Error('too late'))
    expect(await outcome).toBe('too late')
    expect(signals.map(({ aborted }) => aborted)).toEqual([true])
  })
})

describe('the message of a failed request', () => {
  const failed = (cause: unknown) => fetchWith(() => Promise.reject(cause)).then(({ outcome }) => outcome)

  it('has the first system code among the causes', async () => {
    const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
    const url = 'https://id.example.com/keys'
    expect(await failed(refused)).toBe(`Failed to reach ${url} (ECONNREFUSED)`)
    expect(await failed(new TypeError('fetch failed', { cause: refused }))).toBe(
      `Failed to reach ${url} (ECONNREFUSED)`,
    )
  })

  it('leaves out a code that cannot be read', async () => {
    const hostile = Object.defineProperty(new Error('no'), 'code', {
      get() {
        throw new Error('hostile')
      },
    })
    expect(await failed(hostile)).toBe('Failed to reach https://id.example.com/keys')
  })

  it.each([42, 'a secret text', 'lower', { toString: () => 'ECONNREFUSED' }, 'A'.repeat(51)])(
    'leaves out a code that is not a system code: %o',
    async (code) => {
      expect(await failed(Object.assign(new Error('no'), { code }))).toBe(
        'Failed to reach https://id.example.com/keys',
      )
    },
  )
})
