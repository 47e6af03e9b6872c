/** How long a token may be, and which characters it may have (RFC 6750 §2.1). */

import { cached, createGate, type DecisionEvent, type Gate, type TokenVerifier } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { claimsText, createForge, gateOfForge, requestWith } from '../../support/forge.ts'

/** Accepts every token, and remembers which it was given. */
function remembering(): { verifier: TokenVerifier; given: string[] } {
  const given: string[] = []
  return {
    given,
    verifier: {
      verify(token) {
        given.push(token)
        return {
          active: true,
          identity: { kind: 'opaque', subject: 'emma', audience: [], scopes: [], roles: [], claims: {} },
        }
      },
    },
  }
}

interface Place {
  readonly headers?: Readonly<Record<string, string>>
  readonly url?: string
  readonly method?: string
  readonly body?: string
}

async function told(gate: Gate, token: string): Promise<string> {
  const decision = await gate.authenticate(requestWith(token))
  return decision.ok ? 'ok' : `${decision.status} ${decision.reason}`
}

describe('maxTokenLength (FIELD18)', () => {
  const a = (length: number) => 'a'.repeat(length)

  it.each([
    [undefined, 8192],
    [256, 256],
    [10_000, 10_000],
    [15_000, 15_000],
  ])('of %s allows tokens of up to %d characters', async (maxTokenLength, longest) => {
    const gate = createGate({ verifier: remembering().verifier, maxTokenLength })
    expect(await told(gate, a(longest))).toBe('ok')
    expect(await told(gate, a(longest + 1))).toBe('400 credentials_too_long')
  })

  it('applies to each place of a token', async () => {
    const { verifier } = remembering()
    const tokenFrom = { header: 'x-token', query: true, form: true, cookie: 'token' } as const
    const gate = createGate({ verifier, tokenFrom, maxTokenLength: 300 })
    const ask = async (token: string) => {
      const places: readonly Place[] = [
        { headers: { 'x-token': token } },
        { headers: { 'x-token': `Bearer ${token}` } },
        { headers: { cookie: `token=${token}` } },
        { url: `/?access_token=${token}` },
        { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: token },
      ]
      return Promise.all(
        places.map(async ({ headers = {}, url = '/', method = 'GET', body }) => {
          const decision = await gate.authenticate({
            method,
            url,
            header: (name) => headers[name],
            form: () => ({ access_token: body }),
          })
          return decision.ok ? 'ok' : decision.reason
        }),
      )
    }
    expect(await ask(a(300))).toEqual(Array(5).fill('ok'))
    expect(await ask(a(301))).toEqual(Array(5).fill('credentials_too_long'))
  })

  it('allows a JWT of an issuer that lists 200 groups, with its cached result at once', async () => {
    const forge = createForge()
    const groups = JSON.stringify(
      Array.from({ length: 200 }, (_, n) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`),
    )
    const token = forge.sign(claimsText({ groups }))
    expect(token.length).toBeGreaterThan(8192)
    expect(await told(gateOfForge(forge), token)).toBe('400 credentials_too_long')
    const gate = gateOfForge(forge, { maxTokenLength: 15_000 })
    expect(await told(gate, token)).toBe('ok')
    expect(gate.authenticate(requestWith(token))).toMatchObject({ ok: true })
  })

  it('rejects a token that is too long for this gate, although another gate cached its result', async () => {
    const forge = createForge()
    const token = forge.sign(claimsText({ note: JSON.stringify(a(600)) }))
    const { jwt } = await import('@bearergate/core')
    const verifier = jwt({
      issuer: 'https://id.example.com',
      audience: 'https://api.example.com',
      keys: { keys: [forge.jwk] },
      now: () => 1_767_225_600_000,
    })
    expect(await told(createGate({ verifier }), token)).toBe('ok')
    expect(await told(createGate({ verifier, maxTokenLength: 300 }), token)).toBe('400 credentials_too_long')
  })

  it('is named to the operator, and not to the client', async () => {
    const events: DecisionEvent[] = []
    const gate = createGate({ verifier: remembering().verifier, onDecision: (event) => events.push(event) })
    const decision = await gate.authenticate(requestWith(a(9000)))
    expect(events[0]?.detail).toMatch(/"maxTokenLength".*8192.*15000/)
    expect(JSON.stringify(decision)).not.toContain('maxTokenLength')
  })

  it.each([255, 15_001, 300.5, '300', NaN, null])('throws at creation for %s', (maxTokenLength) => {
    const create = () =>
      createGate({ verifier: remembering().verifier, maxTokenLength: maxTokenLength as never })
    expect(create).toThrow(TypeError)
    expect(create).toThrow('"maxTokenLength"')
  })
})

describe('tokenSyntax (FIELD15)', () => {
  const ODD = [
    '12|x7AbQ9',
    'a:b',
    'a;b',
    'a"b',
    "a'b",
    'a\\b',
    'a$b',
    '(a)',
    '{a}',
    'a@b',
    '#',
    '%20',
    'a=b',
    '=',
  ]

  it.each(ODD)('allows the token %j with visible-ascii only', async (token) => {
    const strict = remembering()
    expect(await told(createGate({ verifier: strict.verifier }), token)).toBe('400 malformed_credentials')
    expect(strict.given).toEqual([])
    const lenient = remembering()
    expect(await told(createGate({ verifier: lenient.verifier, tokenSyntax: 'visible-ascii' }), token)).toBe(
      'ok',
    )
    expect(lenient.given).toEqual([token])
  })

  it('answers 400 to white space, control characters, commas and anything beyond ASCII', async () => {
    const { verifier, given } = remembering()
    const gate = createGate({ verifier, tokenSyntax: 'visible-ascii' })
    const codes = [
      ...Array.from({ length: 0x21 }, (_, code) => code),
      0x2c,
      0x7f,
      0x80,
      0xa0,
      0xe9,
      0x2028,
      0xfeff,
    ]
    for (const code of codes) {
      const character = String.fromCharCode(code)
      // RFC 9110 §11.4: more than one space may follow the scheme.
      for (const token of [`a${character}b`, `${character}ab`, `ab${character}`])
        if (token !== ' ab') expect([code, (await told(gate, token)).slice(0, 3)]).toEqual([code, '400'])
    }
    expect(given).toEqual([])
  })

  it('answers 400 to repeated fields, also if a host has joined them', async () => {
    const { verifier, given } = remembering()
    const gate = createGate({ verifier, tokenSyntax: 'visible-ascii' })
    for (const value of [
      'Bearer a|b, Bearer a|b',
      'Bearer a,Bearer b',
      'Bearer a,b',
      ['Bearer a', 'Bearer a'],
    ])
      expect(await gate.authenticate({ header: () => value as string })).toMatchObject({
        ok: false,
        status: 400,
      })
    const own = createGate({ verifier, tokenSyntax: 'visible-ascii', tokenFrom: { header: 'x-token' } })
    for (const value of ['a|b,a|b', 'a|b, a|b', ['a', 'a']])
      expect(await own.authenticate({ header: () => value as string })).toMatchObject({
        ok: false,
        status: 400,
      })
    expect(given).toEqual([])
  })

  it('rejects a JWT with padding or foreign characters before the verifier', async () => {
    const { verifier, given } = remembering()
    const gate = createGate({ verifier, tokenSyntax: 'visible-ascii' })
    const [header = '', payload = '', signature = ''] = createForge().sign(claimsText()).split('.')
    for (const token of [
      `${header}==.${payload}.${signature}`,
      `${header}.${payload}.${signature}==`,
      `${header}!.${payload}.${signature}`,
      `${header}.${payload}.${signature}|`,
      // Some decoders drop the empty segments.
      `${header}.${payload}.${signature}..`,
    ])
      expect(await told(gate, token)).toBe('401 malformed_token')
    expect(given).toEqual([])
  })

  it('is not accepted by another gate with the same cache, which does not allow such characters (A02)', async () => {
    const verifier = cached(remembering().verifier, { ttl: 60 })
    const loose = createGate({ verifier, tokenSyntax: 'visible-ascii' })
    const strict = createGate({ verifier })
    for (const [gate, expected] of [
      [strict, '400 malformed_credentials'],
      [loose, 'ok'],
      [strict, '400 malformed_credentials'],
      [loose, 'ok'],
    ] as const)
      expect(await told(gate, '12|x7AbQ9')).toBe(expected)
    expect(await told(strict, 'x7AbQ9')).toBe('ok')
    expect(await told(strict, 'x7AbQ9')).toBe('ok')
  })

  it('revokes a token with such characters', async () => {
    const gate = createGate({ verifier: remembering().verifier, tokenSyntax: 'visible-ascii' })
    await gate.revoke('12|x7AbQ9')
    expect(await told(gate, '12|x7AbQ9')).toBe('401 revoked')
    expect(await told(gate, '12|x7AbQ8')).toBe('ok')
  })

  it('throws at creation for another word, and without a verifier', () => {
    const { verifier } = remembering()
    expect(() => createGate({ verifier, tokenSyntax: 'any' as never })).toThrow('"tokenSyntax"')
    const options = { issuer: 'https://id.example.com', audience: 'https://api.example.com' }
    expect(() => createGate({ ...options, tokenSyntax: 'visible-ascii' } as never)).toThrow('"tokenSyntax"')
  })
})
