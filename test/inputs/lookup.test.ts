/** BI18: an opaque token is looked up by its SHA-256, so that a nearly right one is as wrong as any. See timing.ts for the clock. */

import { createHash } from 'node:crypto'
import { createGate, type Gate, generateToken, hashToken, opaque } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { outcome } from '../support/forge.ts'

const PREFIX = 'acme'
const UNKNOWN = '401 unknown_token'

/** Returns the right answer for a wrong text. Some bits turn a character into one that no token has (RFC 6750 §2.1). */
function denialOf(text: string): string {
  if (/^[\w.~+/-]+=*$/.test(text)) return UNKNOWN
  return text.includes(',') && /^[\w.~+/-]+=*[ \t]*,/.test(text)
    ? '400 multiple_credentials'
    : '400 malformed_credentials'
}

const token = generateToken(PREFIX)

/** Notes what it is asked, and knows one token. */
async function watched(options: { prefix?: string; cache?: { ttl: number; negativeTtl: number } } = {}) {
  const stored = await hashToken(token)
  const asked: string[] = []
  const lookup = (_token: string, hash: string) => {
    asked.push(hash)
    return hash === stored ? { subject: 'emma' } : null
  }
  return { asked, gate: createGate({ verifier: opaque({ lookup, ...options }) }) }
}

const WAYS = [
  ['without a prefix', {}],
  ['with a prefix', { prefix: PREFIX }],
  ['with a cache', { cache: { ttl: 60, negativeTtl: 60 } }],
] as const

describe.each(WAYS)('%s', (_name, options) => {
  it('rejects a token with any one bit changed (BI18)', async () => {
    const { gate } = await watched(options)
    expect(await outcome(gate, token)).toBe('ok')
    for (const off of oneBitOff(token)) expect(await outcome(gate, off)).toBe(denialOf(off))
    expect(await outcome(gate, token)).toBe('ok')
  })

  it('rejects a token that is one character shorter, longer, or in another case (BI18)', async () => {
    const { gate } = await watched(options)
    for (const off of [
      token.slice(1),
      token.slice(0, -1),
      `${token}A`,
      `A${token}`,
      `${token}=`,
      `${token}.`,
    ])
      expect(await outcome(gate, off)).toBe(UNKNOWN)
    for (const off of [token.toUpperCase(), token.toLowerCase()])
      expect(await outcome(gate, off)).toBe(UNKNOWN)
  })
})

it('turns every bit of a token (BI18)', () => {
  expect(new Set(oneBitOff(token)).size).toBe(token.length * 8)
})

describe('the lookup', () => {
  it('gets the SHA-256 of every token, once, however much of the token is right (BI18)', async () => {
    const { asked, gate } = await watched()
    const sent = Array.from(token, (_, right) => token.slice(0, right) + 'x'.repeat(token.length - right))
    for (const wrong of sent) await gate.authenticate({ header: () => `Bearer ${wrong}` })
    expect(asked).toEqual(sent.map((wrong) => createHash('sha256').update(wrong).digest('base64url')))
  })

  it('the lookup is not called for a token with a wrong checksum (BI18)', async () => {
    const { asked, gate } = await watched({ prefix: PREFIX })
    for (const off of oneBitOff(token)) await outcome(gate, off)
    expect(asked).toEqual([])
    await outcome(gate, generateToken(PREFIX))
    expect(asked).toHaveLength(1)
  })

  it('the lookup decides alone: the core accepts its result without a comparison (BI18)', async () => {
    const anything = createGate({ verifier: opaque({ lookup: () => ({ subject: 'emma' }) }) })
    for (const wrong of ['a', token.slice(1), `${token}A`]) expect(await outcome(anything, wrong)).toBe('ok')
  })

  it('all rejections are equal, so they do not show how nearly right a token is (BI18)', async () => {
    const { gate } = await watched()
    const nearly = [...oneBitOff(token)].filter((off) => /^[\w-]+$/.test(off))
    expect(nearly.length).toBeGreaterThan(100)
    const refusals = new Set(await Promise.all(nearly.map((off) => decided(gate, off))))
    expect(refusals.size).toBe(1)
  })
})

function decided(gate: Gate, text: string): unknown {
  return gate.authenticate({ header: () => `Bearer ${text}` })
}

/** The token with each bit of it turned in turn: as Latin-1, like a header field. */
function oneBitOff(text: string): readonly string[] {
  const bits = Array.from({ length: text.length * 8 }, (_, bit) => bit)
  return bits.map((bit) => {
    const bytes = Buffer.from(text, 'latin1')
    const index = bit >> 3
    bytes[index] = (bytes[index] ?? 0) ^ (1 << (bit & 7))
    return bytes.toString('latin1')
  })
}
