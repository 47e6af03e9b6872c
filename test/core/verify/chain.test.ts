/** Several kinds of tokens behind one gate: which verifier checks which token, and that no other does. */

import {
  type Active,
  cached,
  chain,
  createGate,
  type Gate,
  generateToken,
  hashToken,
  type Identity,
  introspection,
  jwt,
  multiIssuerJwt,
  opaque,
  staticTokens,
  type TokenVerifier,
  type Verification,
} from '@bearergate/core'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { AUDIENCE, createKey, ISSUER, NOW, type TestKey } from '../../support/issuer.ts'

const clock = () => NOW * 1000
const identity = (subject: string): Identity => ({
  kind: 'opaque',
  subject,
  audience: [],
  scopes: [],
  roles: [],
  claims: {},
})

let key: TestKey
beforeAll(async () => {
  key = await createKey('ES256')
})

const options = () => ({ issuer: ISSUER, audience: AUDIENCE })
const ofIssuer = () => jwt({ ...options(), keys: { keys: [key.jwk as never] }, now: clock })

async function outcome(gate: Gate, token: string): Promise<string> {
  const decision = await gate.authenticate({
    header: (name) => (name === 'authorization' ? `Bearer ${token}` : undefined),
  })
  return decision.ok
    ? `ok ${decision.identity.kind} ${decision.identity.subject}`
    : `${decision.status} ${decision.reason}`
}
const gateOf = (verifier: TokenVerifier) => createGate({ verifier, now: clock })

describe('a chain of JWT, prefixed, static and opaque tokens', () => {
  const session = generateToken('acme')
  const lookup = vi.fn((token: string) => (token === 'found' ? { subject: 'looked-up' } : null))
  let gate: Gate

  beforeAll(async () => {
    const sessions = new Map([[await hashToken(session), { subject: 'session' }]])
    gate = gateOf(
      chain(
        ofIssuer(),
        opaque({ prefix: 'acme', lookup: (_token, hash) => sessions.get(hash) ?? null }),
        staticTokens([{ token: 'fixed-token', subject: 'service' }]),
        opaque({ lookup }),
      ),
    )
  })

  it('accepts each kind', async () => {
    expect(await outcome(gate, await key.sign())).toBe('ok jwt emma')
    expect(await outcome(gate, session)).toBe('ok opaque session')
    expect(await outcome(gate, 'fixed-token')).toBe('ok static service')
    expect(await outcome(gate, 'found')).toBe('ok opaque looked-up')
    expect(await outcome(gate, 'unknown')).toBe('401 unknown_token')
  })

  it('does not pass a JWT that its verifier rejects to the next one (E12)', async () => {
    lookup.mockClear()
    const other = await createKey('ES256', 'ES256-1')
    expect(await outcome(gate, await key.sign({ exp: NOW - 60 }))).toBe('401 expired')
    expect(await outcome(gate, await key.sign({ aud: 'other' }))).toBe('401 audience_mismatch')
    expect(await outcome(gate, await other.sign())).toBe('401 invalid_signature')
    expect(lookup).not.toHaveBeenCalled()
  })

  it('does not pass an unknown token with a known prefix to the next one', async () => {
    lookup.mockClear()
    expect(await outcome(gate, generateToken('acme'))).toBe('401 unknown_token')
    expect(lookup).not.toHaveBeenCalled()
  })

  it('passes a JWT of an unknown issuer to verifiers that may handle any token', async () => {
    lookup.mockClear()
    expect(await outcome(gate, await key.sign({ iss: 'https://other.example.com' }))).toBe(
      '401 unknown_token',
    )
    expect(lookup).toHaveBeenCalledTimes(1)
  })
})

describe('a JWT in another spelling (ATK16)', () => {
  const spellings: readonly [string, (jwt: string) => string][] = [
    ['padding at the end', (jwt) => `${jwt}==`],
    ['a character that lenient decoders skip', (jwt) => `${jwt}~`],
    ['one in the header', (jwt) => `${jwt.slice(0, 4)}~${jwt.slice(4)}`],
    ['one in the payload', (jwt) => jwt.replace('.', '.~')],
    ['a dot at the end', (jwt) => `${jwt}.`],
    ['bits that no byte uses', (jwt) => `${jwt.slice(0, -1)}${jwt.endsWith('A') ? 'B' : 'x'}`],
    ['a single character more', (jwt) => `${jwt}AAA`],
    ['an empty signature', (jwt) => jwt.slice(0, jwt.lastIndexOf('.') + 1)],
  ]

  it.each(spellings)('reaches no verifier that would look it up: %s', async (_, respell) => {
    const lenient = vi.fn((): Verification => ({ active: true, identity: identity('lenient') }))
    const text = respell(await key.sign())
    for (const verifier of [{ verify: lenient }, chain(ofIssuer(), { verify: lenient })])
      expect([text, await outcome(gateOf(verifier), text)]).toEqual([text, '401 malformed_token'])
    expect(lenient).not.toHaveBeenCalled()
  })

  it.each(['v1.emma.one', 'e30.e30.e30', 'a.b', 'v4.public.AAAA', 'ey.ey.ey==', `${'a.'.repeat(40)}a`])(
    'is not what a token with dots is: %s',
    async (token) => {
      const verify = (): Verification => ({ active: true, identity: identity('known') })
      expect(await outcome(gateOf({ verify }), token)).toBe('ok opaque known')
    },
  )
})

describe('a chain of verifiers that own their tokens', () => {
  it('rejects a token that none of them handles, with the reason', async () => {
    const gate = gateOf(chain(ofIssuer(), opaque({ prefix: 'acme', lookup: () => null })))
    expect(await outcome(gate, await key.sign({ iss: 'https://other.example.com' }))).toBe(
      '401 issuer_mismatch',
    )
    expect(await outcome(gate, 'garbage')).toBe('401 malformed_token')
    expect(await outcome(gate, 'e30.e30.e30.e30.e30')).toBe('401 encrypted_token')
  })
})

describe('the next verifier', () => {
  const verifier = (verify: TokenVerifier['verify']): TokenVerifier => ({ verify })
  const unknown = verifier(() => ({ active: false, reason: 'unknown_token' }))
  const good = verifier(async () => ({ active: true, identity: identity('late') }))

  it('the next verifier is asked after unknown_token, returned at once or by a promise', async () => {
    const later = verifier(async () => ({ active: false, reason: 'unknown_token' }))
    expect(await outcome(gateOf(chain(unknown, later, good)), 'a')).toBe('ok opaque late')
    expect(await outcome(gateOf(chain(unknown, later)), 'a')).toBe('401 unknown_token')
  })

  it.each([
    ['expired', verifier(() => ({ active: false, reason: 'expired' })), '401 expired'],
    ['revoked', verifier(async () => ({ active: false, reason: 'revoked' })), '401 revoked'],
  ])('the next verifier is not asked after %s', async (_, member, expected) => {
    expect(await outcome(gateOf(chain(unknown, member, good)), 'a')).toBe(expected)
  })

  it.each([
    ['throws', () => Promise.reject(new Error('down'))],
    [
      'rejects',
      () => {
        throw new Error('down')
      },
    ],
  ])('the next verifier is asked if one %s, and may accept the token', async (_, verify) => {
    const down = verifier(verify)
    expect(await outcome(gateOf(chain(down, good)), 'a')).toBe('ok opaque late')
    expect(await outcome(gateOf(chain(down, unknown)), 'a')).toBe('503 unavailable')
    expect(await outcome(gateOf(chain(unknown, down)), 'a')).toBe('503 unavailable')
  })

  it('a chain answers at once if all of its members answer at once', () => {
    const gate = gateOf(
      chain(
        unknown,
        verifier(() => ({ active: true, identity: identity('now') })),
      ),
    )
    expect(gate.authenticate({ header: () => 'Bearer a' })).toMatchObject({
      ok: true,
      identity: { subject: 'now' },
    })
  })

  it.each([
    ['a word', () => 'no'],
    ['null', () => null],
    ['a promise of a word', async () => 'no'],
    ['a promise that rejects', () => Promise.reject(new Error('no'))],
  ])('answers 503 if "canVerify" returns %s (FX56)', async (_, answer) => {
    const member = { ...good, canVerify: answer as never }
    expect(await outcome(gateOf(chain(member, good)), 'a')).toBe('503 unavailable')
  })
})

it.each([
  undefined,
  null,
  'yes',
  {},
  { active: 'yes' },
  { active: true },
  { active: false },
  { active: false, reason: 'because' },
])(
  'asks the other verifiers if one returns %j, and answers 503 if none accepts the token (FX56)',
  async (given) => {
    const odd = { verify: () => given } as unknown as TokenVerifier
    const good: TokenVerifier = { verify: () => ({ active: true, identity: identity('known') }) }
    expect(await outcome(gateOf(chain(odd, good)), 'a')).toBe('ok opaque known')
    const unknown: TokenVerifier = { verify: () => ({ active: false, reason: 'unknown_token' }) }
    expect(await outcome(gateOf(chain(odd, unknown)), 'a')).toBe('503 unavailable')
  },
)

describe('an asynchronous "canVerify"', () => {
  const slow = (answer: boolean | undefined, subject: string) => ({
    verify: () => ({ active: true, identity: identity(subject) }) as const,
    canVerify: async () => answer,
  })

  it('decides which verifier alone handles a token', async () => {
    const others = [slow(undefined, 'maybe'), slow(false, 'not')] as const
    expect(await outcome(gateOf(chain(...others, slow(true, 'owner'))), 'a')).toBe('ok opaque owner')
    expect(await outcome(gateOf(chain(chain(...others), slow(true, 'owner'))), 'a')).toBe('ok opaque owner')
    expect(
      await outcome(gateOf(chain(slow(undefined, 'first'), chain(...others, slow(true, 'owner')))), 'a'),
    ).toBe('ok opaque owner')
    expect(await outcome(gateOf(chain(others[1], others[0])), 'a')).toBe('ok opaque maybe')
    expect(await outcome(gateOf(chain(others[1])), 'a')).toMatch(/^401 /)
  })

  it('causes no unhandled rejection, whichever of them fail (FX56)', async () => {
    const unheard: unknown[] = []
    const hear = (cause: unknown) => void unheard.push(cause)
    process.on('unhandledRejection', hear)
    const rejects = { ...slow(true, 'a'), canVerify: () => Promise.reject(new Error('down')) }
    const throws = {
      ...slow(true, 'b'),
      canVerify() {
        throw new Error('no')
      },
    }
    for (const inner of [chain(rejects, throws), chain(throws, rejects), chain(rejects, rejects)])
      expect(await outcome(gateOf(chain(inner, slow(undefined, 'c'))), 'a')).toBe('503 unavailable')
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', hear)
    expect(unheard).toEqual([])
  })

  it('is not called when the chain is created', async () => {
    const issuer = { ...slow(true, 'a'), issuers: ['https://a.example.com'] }
    const failing = { ...issuer, canVerify: () => Promise.reject(new Error('down')) }
    const throwing = {
      ...issuer,
      canVerify() {
        throw new Error('no')
      },
    }
    expect(() => chain(issuer, failing, throwing)).not.toThrow()
  })
})

describe('a chain as a member', () => {
  it('handles the tokens of its members', () => {
    const member = (answer: boolean | undefined): TokenVerifier => ({
      verify: () => ({ active: false, reason: 'expired' }),
      canVerify: () => answer as boolean,
    })
    expect(chain(member(false), member(true)).canVerify?.('a')).toBe(true)
    expect(chain(member(false), member(false)).canVerify?.('a')).toBe(false)
    expect(chain(member(false), member(undefined)).canVerify?.('a')).toBeUndefined()
  })

  it('in a cache keeps a result valid as long as the verifier that made it says', async () => {
    let holds = true
    const verify = vi.fn((): Active => ({ active: true, identity: identity('held') }))
    const own: TokenVerifier = { verify, isStillValid: () => holds }
    for (const wrapped of [own, cached(own, { ttl: 60 })]) {
      verify.mockClear()
      holds = true
      const unknown: TokenVerifier = {
        verify: () => ({ active: false, reason: 'unknown_token' }),
        isStillValid: () => false,
      }
      const gate = gateOf(cached(chain(unknown, wrapped), { ttl: 60 }))
      await outcome(gate, 'a')
      await outcome(gate, 'a')
      expect(verify).toHaveBeenCalledTimes(1)
      holds = false
      await outcome(gate, 'a')
      expect(verify).toHaveBeenCalledTimes(2)
    }
  })

  it('passes ready(), close() and describe() to all members', async () => {
    const called: string[] = []
    const member = (name: string): TokenVerifier => ({
      verify: () => ({ active: false, reason: 'expired' }),
      ready: async () => void called.push(`ready ${name}`),
      close: () => void called.push(`close ${name}`),
      describe: () => ({ name }),
      issuers: [name],
    })
    const verifier = chain(member('a'), member('b'), ofIssuer())
    const gate = createGate({ verifier })
    await gate.ready()
    verifier.close?.()
    expect(called).toEqual(['ready a', 'ready b', 'close a', 'close b'])
    expect(gate.describe().verifier).toMatchObject({
      kind: 'chain',
      verifiers: [{ name: 'a' }, { name: 'b' }, { kind: 'jwt' }],
    })
    expect(chain(member('a'), ofIssuer()).issuers).toEqual(['a', ISSUER])
  })

  it('chain() throws without a verifier, and for a value that is none (BI20)', () => {
    expect(() => (chain as () => unknown)()).toThrow(/"chain"/)
    expect(() => chain(ofIssuer(), {} as TokenVerifier)).toThrow(/"chain"/)
  })
})

describe('a chain', () => {
  it('reports if the issuer differs by a trailing slash only', async () => {
    const detailOf = async (verifier: TokenVerifier) => {
      const details: (string | undefined)[] = []
      const gate = createGate({ verifier, now: clock, onDecision: ({ detail }) => details.push(detail) })
      await outcome(gate, await key.sign({ iss: `${ISSUER}/` }))
      return details[0]
    }
    const session = opaque({ prefix: 'acme', lookup: () => null })
    expect(await detailOf(chain(ofIssuer(), session))).toBe('iss differs by a trailing slash only')
    expect(await detailOf(chain(ofIssuer(), opaque({ lookup: () => null })))).toBe(
      'iss differs by a trailing slash only',
    )
    expect(await detailOf(multiIssuerJwt([{ ...options(), keys: { keys: [key.jwk as never] } }]))).toBe(
      'iss differs by a trailing slash only',
    )
  })

  it('throws at creation if two verifiers are for the JWTs of one issuer (BI20)', () => {
    expect(() => chain(ofIssuer(), ofIssuer())).toThrow(`"chain" has two verifiers for the JWTs of ${ISSUER}`)
    expect(() => chain(ofIssuer(), chain(ofIssuer()))).toThrow(TypeError)
    const server = { issuer: ISSUER, clientId: 'a', clientSecret: 'b', audience: AUDIENCE }
    expect(() => chain(ofIssuer(), introspection(server))).not.toThrow()
  })

  it('sends no static token to an authorization server, in whichever order', async () => {
    const verify = vi.fn<TokenVerifier['verify']>(() => Promise.reject(new Error('down')))
    const gate = gateOf(chain({ verify }, staticTokens([{ token: 'fixed-secret', subject: 'service' }])))
    expect(await outcome(gate, 'fixed-secret')).toBe('ok static service')
    expect(verify).not.toHaveBeenCalled()
  })

  it('asks the right verifier whether a cached result is still valid, in nested chains', async () => {
    let isHeld = true
    const verify = vi.fn(() => ({ active: true as const, identity: identity('inner') }))
    const inner: TokenVerifier = { verify, isStillValid: () => isHeld }
    const gate = gateOf(cached(chain(chain(inner)), { ttl: 60 }))
    for (let turn = 0; turn < 3; turn += 1) expect(await outcome(gate, 'a')).toBe('ok opaque inner')
    expect(verify).toHaveBeenCalledTimes(1)
    isHeld = false
    await outcome(gate, 'a')
    expect(verify).toHaveBeenCalledTimes(2)
  })
})
