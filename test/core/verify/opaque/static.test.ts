/** Fixed tokens: which are accepted, and which lists are rejected. */

import {
  createGate,
  type Gate,
  generateToken,
  hashToken,
  staticTokens,
  type TokenVerifier,
} from '@bearergate/core'
import { describe, expect, it } from 'vitest'

async function outcome(gate: Gate, token: string): Promise<string> {
  const decision = await gate.authenticate({
    header: (name) => (name === 'authorization' ? `Bearer ${token}` : undefined),
  })
  return decision.ok
    ? `ok ${decision.identity.kind} ${decision.identity.subject}`
    : `${decision.status} ${decision.reason}`
}
const gateOf = (verifier: TokenVerifier) => createGate({ verifier })

describe('staticTokens', () => {
  it('accept a token by its text or its hash, with its own identity', async () => {
    const verifier = staticTokens([
      { token: 'a-fixed-token', subject: 'reports', scopes: ['read'], roles: ['service'] },
      { hash: await hashToken('another-token'), subject: 'backup', claims: {} },
    ])
    const gate = gateOf(verifier)
    expect(await outcome(gate, 'a-fixed-token')).toBe('ok static reports')
    expect(await outcome(gate, 'another-token')).toBe('ok static backup')
    expect(await outcome(gate, 'a-fixed-tokem')).toBe('401 unknown_token')
    expect(await gate.authenticate({ header: () => 'Bearer a-fixed-token' })).toMatchObject({
      identity: { scopes: ['read'], roles: ['service'], audience: [] },
    })
    expect(JSON.stringify(gate.describe())).not.toContain('fixed')
  })

  it('reject a token with one wrong bit, and find each of 1,000 entries (BI18)', async () => {
    const token = generateToken('svc')
    const gate = gateOf(staticTokens([{ token, subject: 'svc' }]))
    for (let index = 0; index < token.length; index += 1) {
      const off = String.fromCharCode(token.charCodeAt(index) ^ 1)
      if (/[\w.~+/-]/.test(off))
        expect(await outcome(gate, token.slice(0, index) + off + token.slice(index + 1))).toBe(
          '401 unknown_token',
        )
    }
    const many = Array.from({ length: 1000 }, (_, index) => ({
      token: `service-${index}`,
      subject: `${index}`,
    }))
    const all = gateOf(staticTokens(many))
    for (const index of [0, 1, 500, 999])
      expect(await outcome(all, `service-${index}`)).toBe(`ok static ${index}`)
  })

  it.each<[string, unknown]>([
    ['no list', undefined],
    ['an empty list', []],
    ['too many', Array.from({ length: 1001 }, (_, index) => ({ token: `fixed-token-${index}` }))],
    ['an empty token, as an unset variable gives it', [{ token: '' }]],
    ['an undefined token', [{ token: undefined }]],
    ['no b64token', [{ token: 'a b' }]],
    ['both token and hash', [{ token: 'a-fixed-token', hash: 'a'.repeat(43) }]],
    ['a hash of another form', [{ hash: 'abc' }]],
    ['a token twice', [{ token: 'a-fixed-token' }, { token: 'a-fixed-token' }]],
    ['scopes as one text', [{ token: 'a-fixed-token', scopes: 'read' }]],
    ['an unknown member', [{ token: 'a-fixed-token', scope: ['read'] }]],
    ['an end, which it has none', [{ token: 'a-fixed-token', expiresAt: 5 }]],
    ['a text', ['token']],
  ])('throw at creation for %s (BI20)', (_, tokens) => {
    expect(() => staticTokens(tokens as never)).toThrow(TypeError)
  })

  it.each([
    ['undefined', 'a variable is not set, and was converted to text'],
    ['reports_undefined', 'a variable is not set, and was converted to text'],
    ['null', 'a variable is not set, and was converted to text'],
    ['NaN', 'a variable is not set, and was converted to text'],
    ['[object Object]', 'must have a "token" with the syntax b64token'],
  ])(
    'throw at creation for the token %s, the text of a variable that is not set (BI20)',
    (token, message) => {
      expect(() => staticTokens([{ token }])).toThrow(message)
      expect(() => staticTokens([{ token: 'nullable' }])).not.toThrow()
    },
  )

  it('name no token in their errors', () => {
    for (const tokens of [
      [{ token: 'secret secret' }],
      [{ token: 'secret-token' }, { token: 'secret-token' }],
      [{ token: 'secret-token', scopes: 'x' }],
      [{ token: 'secret-undefined' }],
    ])
      try {
        staticTokens(tokens as never)
        expect.unreachable()
      } catch (error) {
        expect(String(error)).not.toContain('secret')
      }
  })

  it('rejects ready() if a static token is configured by its text and by its hash (BI20)', async () => {
    const hash = await hashToken('fixed-secret')
    const made = async () => staticTokens([{ token: 'fixed-secret' }, { hash }]).ready?.()
    await expect(made).rejects.toThrow(/^"tokens" contains the same token two times/)
  })
})
