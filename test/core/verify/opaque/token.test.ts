/** Opaque tokens: how they are created and hashed. */

import { createHash } from 'node:crypto'
import { generateToken, hashToken } from '@bearergate/core'
import { describe, expect, it } from 'vitest'

describe('generateToken', () => {
  it('makes a b64token of the prefix, at least 160 random bits and a checksum', () => {
    const token = generateToken('acme_live')
    expect(token).toMatch(/^acme_live_[\w-]{38}$/)
    expect(32 * 6).toBeGreaterThanOrEqual(160)
  })

  it('never makes the same token twice, and uses every bit', () => {
    const tokens = Array.from({ length: 2000 }, () => generateToken('t').slice(2, 34))
    expect(new Set(tokens).size).toBe(2000)
    const ones = new Array(192).fill(0)
    for (const token of tokens)
      Buffer.from(token, 'base64url').forEach((byte, index) => {
        for (let bit = 0; bit < 8; bit += 1) ones[index * 8 + bit] += (byte >> bit) & 1
      })
    for (const count of ones) expect(Math.abs(count - 1000)).toBeLessThan(250)
  })

  it.each(['', 'a-b', 'a b', 'é', 'a'.repeat(33), undefined, 7])('rejects the prefix %j', (prefix) => {
    expect(() => generateToken(prefix as string)).toThrow(/"prefix"/)
  })
})

describe('hashToken', () => {
  it('is the SHA-256 of the token as base64url', async () => {
    const token = generateToken('acme')
    expect(await hashToken(token)).toBe(createHash('sha256').update(token).digest('base64url'))
  })
})
