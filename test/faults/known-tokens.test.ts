/** Known tokens: which ones are remembered, and that one caller cannot evict those of others. */

import { createGate, introspection } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { KnownTokens } from '#core/verify/introspection/known-tokens.ts'
import { pass, stopClock } from '../support/clock.ts'
import { AUDIENCE } from '../support/issuer.ts'

stopClock()

const names = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`)

function remembered(known: KnownTokens, tokens: readonly string[]): readonly string[] {
  return tokens.filter((token) => known.has(token))
}

describe('the known tokens', () => {
  it.each([1, 2, 9])(
    'the known tokens of single callers stay, although %i callers add more (ATK16)',
    (attackers) => {
      const known = new KnownTokens(100)
      const good = names('good', 20)
      for (const token of good) known.add(token, `caller of ${token}`)
      for (const token of names('other', 10_000))
        known.add(token, `attacker ${Number(token.slice(6)) % attackers}`)
      expect(remembered(known, good)).toEqual(good)
      expect(remembered(known, names('other', 10_000))).toHaveLength(80)
    },
  )

  it('of a new caller find room while another one has all of it (ATK16)', () => {
    const known = new KnownTokens(100)
    for (const token of names('other', 100)) known.add(token, 'attacker')
    const good = names('good', 50)
    for (const token of good) known.add(token, 'emma')
    expect(remembered(known, good)).toEqual(good)
    expect(remembered(known, names('other', 100))).toEqual(names('other', 100).slice(50))
  })

  it('of a caller that is alone may be all', () => {
    const known = new KnownTokens(3)
    const tokens = names('mine', 5)
    for (const token of tokens) known.add(token, 'emma')
    expect(remembered(known, tokens)).toEqual(['mine-2', 'mine-3', 'mine-4'])
  })

  it('of callers with one each are evicted in the order in which they were last added', () => {
    const known = new KnownTokens(3)
    for (const token of ['a', 'b', 'c', 'a', 'd', 'e']) known.add(token, token)
    expect(remembered(known, ['a', 'b', 'c', 'd', 'e'])).toEqual(['a', 'd', 'e'])
  })

  it('are no longer known after they were deleted, or belong to their new caller', () => {
    const known = new KnownTokens(2)
    known.add('a', 'emma')
    known.add('b', 'emma')
    known.delete('a')
    known.delete('a')
    known.add('b', 'noah')
    known.add('c', 'emma')
    expect(remembered(known, ['a', 'b', 'c'])).toEqual(['b', 'c'])
    known.add('d', 'emma')
    expect(remembered(known, ['b', 'c', 'd'])).toEqual(['b', 'd'])
  })
})

it('a known token keeps its place while another client presents 10,000 active tokens of its own (ATK16)', async () => {
  let isDown = false
  const fetch = async (_url: string, { body, signal }: RequestInit) => {
    const token = new URLSearchParams(body as URLSearchParams).get('token') ?? ''
    const [caller] = token.split('-')
    if (isDown && caller === 'forged')
      return new Promise<Response>((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason))
      })
    return Response.json({ active: true, aud: AUDIENCE, sub: caller, client_id: 'web' })
  }
  const verifier = introspection({
    endpoint: 'https://id.example.com/introspect',
    clientId: 'api',
    clientSecret: 'secret',
    audience: AUDIENCE,
    concurrency: 2,
    queue: 0,
    fetch,
  })
  const gate = createGate({ verifier })
  const status = async (token: string) => {
    const header = (name: string) => (name === 'authorization' ? `Bearer ${token}` : undefined)
    const decision = await gate.authenticate({ header })
    return decision.ok ? 200 : decision.status
  }
  expect(await status('emma-1')).toBe(200)
  for (const token of names('mallory', 10_000)) await status(token)
  isDown = true
  // Takes the only place of unknown tokens.
  const forged = status('forged-1')
  expect([await status('new-1'), await status('emma-1')]).toEqual([503, 200])
  pass(3)
  expect(await forged).toBe(503)
})
