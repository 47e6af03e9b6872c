/** The loader that fetches from an issuer: what it returns, and that no attempt outlives its signal. */

import { beforeAll, expect, it, vi } from 'vitest'
import { DEFAULT_ALGORITHMS } from '#core/verify/keys/jwk.ts'
import { IssuerKeyLoader } from '#core/verify/keys/key-loader.ts'
import { createKey, type TestKey } from '../../../support/issuer.ts'

let key: TestKey
beforeAll(async () => {
  key = await createKey('ES256')
})

const loaderOf = (body: object) =>
  new IssuerKeyLoader({
    algorithms: DEFAULT_ALGORITHMS,
    fetchKeys: async () => ({ body: body as Record<string, unknown>, maxAge: 300 }),
  })
const { signal } = new AbortController()

it('returns the usable keys, the other entries, and all of them as they were published', async () => {
  const published = [key.jwk, null]
  const loaded = await loaderOf({ keys: published }).load({ signal, known: [] })
  expect(loaded).toEqual({
    source: 'issuer',
    keys: [expect.objectContaining({ kid: key.kid })],
    problems: ['keys[1]: not an object'],
    published,
    age: 0,
    maxAge: 300,
  })
})

it('returns the same object for a key that is known', async () => {
  const loader = loaderOf({ keys: [key.jwk] })
  const { keys: known } = await loader.load({ signal, known: [] })
  const { keys } = await loader.load({ signal, known })
  expect(keys[0]).toBe(known[0])
})

it.each([
  ['no keys', {}],
  ['keys of its prototype only', Object.create({ keys: [{}] })],
  ['keys that are no array', { keys: 'keys' }],
  ['no usable key', { keys: [null] }],
])('rejects a document with %s', async (_, body) => {
  await expect(loaderOf(body).load({ signal, known: [] })).rejects.toThrow('The key set has no')
})

it('rejects as soon as the signal aborts, even if the fetch ignores it', async () => {
  const abort = new AbortController()
  const loader = new IssuerKeyLoader({
    algorithms: DEFAULT_ALGORITHMS,
    fetchKeys: () => new Promise<never>(() => {}),
  })
  const loading = loader.load({ signal: abort.signal, known: [] })
  abort.abort(new Error('too late'))
  await expect(loading).rejects.toThrow('too late')
})

it('fetches nothing if the signal has aborted before', async () => {
  const fetchKeys = vi.fn(async () => ({ body: { keys: [key.jwk] }, maxAge: undefined }))
  const loader = new IssuerKeyLoader({ algorithms: DEFAULT_ALGORITHMS, fetchKeys })
  const aborted = AbortSignal.abort(new Error('closed'))
  await expect(loader.load({ signal: aborted, known: [] })).rejects.toThrow('closed')
  expect(fetchKeys).not.toHaveBeenCalled()
})
