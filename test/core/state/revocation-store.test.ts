/** Revocations end with their tokens, tolerate clocks that are ahead, and can be shared by gates (ATK04, ATK12, ATK13). */

import {
  cached,
  chain,
  createGate,
  type Gate,
  type Identity,
  introspection,
  jwt,
  memoryRevocations,
  multiIssuerJwt,
  opaque,
  type RevocationStore,
  type TokenVerifier,
} from '@bearergate/core'
import { describe, expect, it, vi } from 'vitest'
import { pass, stopClock } from '../../support/clock.ts'
import { json, startIntrospector } from '../../support/introspector.ts'
import { AUDIENCE, createKey, ISSUER } from '../../support/issuer.ts'

stopClock()

const OF_SERVER = {
  endpoint: 'https://id.example.com/introspect',
  clientId: 'api',
  clientSecret: 'secret',
  audience: AUDIENCE,
}
const seconds = () => Date.now() / 1000
const request = (token = 'a-token') => ({
  header: (name: string) => (name === 'authorization' ? `Bearer ${token}` : undefined),
})
const verifierOf = (members: Partial<Identity> = {}): TokenVerifier => ({
  verify: () => ({
    active: true,
    identity: {
      kind: 'opaque',
      subject: 'emma',
      audience: [],
      scopes: [],
      roles: [],
      claims: {},
      ...members,
    },
  }),
})

describe('a store of revocations', () => {
  it('accepts new revocations without end, because each ends with its token (ATK12)', async () => {
    const revocations = memoryRevocations({ max: 1_000 })
    for (let round = 0; round < 20; round += 1) {
      for (let index = 0; index < 1_000; index += 1)
        revocations.revoke({ tokenId: `${round}-${index}`, expiresAt: seconds() + 600 })
      expect(revocations.size).toBeLessThanOrEqual(1_000)
      pass(901)
    }
  })

  it('forgets a JWT that was revoked by its text when its exp and the largest clock tolerance have passed (ATK12)', async () => {
    const key = await createKey('ES256')
    const revocations = memoryRevocations({ max: 1 })
    const gate = createGate({ verifier: verifierOf(), revocations })
    await gate.revoke(await key.sign({ exp: seconds() + 60 }))
    const next = await key.sign({ exp: seconds() + 7_200, jti: 'two' })
    pass(359)
    await expect(gate.revoke(next)).rejects.toThrow(RangeError)
    pass(61)
    await gate.revoke(next)
    expect(revocations.size).toBe(1)
  })

  it('keeps an entry whose end it does not know for maxTokenLifetime (ATK12)', () => {
    const revocations = memoryRevocations({ max: 1, maxTokenLifetime: 3_600 })
    revocations.revoke({ tokenId: 'one' })
    pass(3_599)
    expect(() => revocations.revoke({ tokenId: 'two' })).toThrow(
      /the store is full, with 1 revocations that are still in effect/,
    )
    pass(61)
    revocations.revoke({ tokenId: 'two' })
  })

  it.each<[string, Parameters<Gate['revoke']>[0]]>([
    ['text', 'a-token'],
    ['tokenId', { tokenId: 'id' }],
    ['tokenId and issuer', { tokenId: 'id', issuer: ISSUER }],
    ['subject', { subject: 'emma' }],
  ])(
    'rejects a session that was revoked by its %s as long as using it prolongs it (ATK12)',
    async (_, revoked) => {
      const revocations = memoryRevocations({ max: 1, maxTokenLifetime: 3_600 })
      const verifier: TokenVerifier = {
        verify: (token) =>
          verifierOf({ tokenId: 'id', issuer: ISSUER, expiresAt: seconds() + 1_800 }).verify(token),
      }
      const gate = createGate({ verifier, revocations })
      const until = seconds() + 1_800
      await gate.revoke(
        typeof revoked === 'string' ? { token: revoked, expiresAt: until } : { ...revoked, expiresAt: until },
      )
      for (let used = 0; used < 10; used += 1) {
        expect(await gate.authenticate(request())).toMatchObject({ reason: 'revoked' })
        pass(1_200)
        // What comes makes room of what has ended.
        expect(() => revocations.revoke({ tokenId: 'another' })).toThrow(RangeError)
      }
      pass(2_101)
      revocations.revoke({ tokenId: 'another' })
    },
  )

  it('forgets entries that have ended behind others that are still in effect', () => {
    const revocations = memoryRevocations()
    for (const tokenId of ['a', 'b', 'c']) revocations.revoke({ tokenId })
    for (let count = 0; count < 20; count += 1)
      revocations.revoke({ tokenId: `short-${count}`, expiresAt: seconds() + 60 })
    expect(revocations.size).toBe(23)
    pass(361)
    for (let count = 0; count < 20; count += 1) revocations.revoke({ tokenId: `new-${count}` })
    expect(revocations.size).toBe(23)
  })

  it('stores as many entries with an issuer as without (ATK12)', () => {
    const revocations = memoryRevocations({ max: 2 })
    for (const tokenId of ['a', 'b']) revocations.revoke({ tokenId, issuer: ISSUER })
    expect(revocations.size).toBe(2)
    expect(() => revocations.revoke({ tokenId: 'c', issuer: ISSUER })).toThrow(RangeError)
  })

  it('rejects what the clock tolerance of the verifier allows when all tokens of a subject are revoked (ATK13)', async () => {
    const key = await createKey('ES256')
    const options = { issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk] } }
    const wide = () => jwt({ ...options, clockTolerance: 300 })
    const passing = { subject: 'emma', issuedAt: seconds() + 299 }
    const verifiers: readonly [string, TokenVerifier, number][] = [
      ['jwt', wide(), 300],
      ['cached', cached(wide(), { ttl: 60 }), 300],
      ['chain', chain(opaque({ prefix: 'a', lookup: () => null }), wide()), 300],
      ['several issuers', multiIssuerJwt([{ ...options, clockTolerance: 300 }]), 300],
      ['introspection', introspection({ ...OF_SERVER, clockTolerance: 300 }), 300],
      ['none', verifierOf(), 30],
      ['a wrong one', { ...verifierOf(), clockTolerance: Number.NaN }, 30],
    ]
    for (const [name, verifier, tolerance] of verifiers) {
      const revocations = memoryRevocations()
      await createGate({ verifier, revocations }).revoke({ subject: 'emma' })
      const issuedAt = (after: number) => ({ ...passing, issuedAt: seconds() + after }) as Identity
      expect([name, revocations.isRevoked(issuedAt(tolerance - 1), undefined)]).toEqual([name, true])
      expect([name, revocations.isRevoked(issuedAt(tolerance), undefined)]).toEqual([name, false])
    }
  })

  it('learns the end of a JWT that it rejects from its identity (ATK12)', async () => {
    const revocations = memoryRevocations({ max: 1 })
    const gate = createGate({ verifier: verifierOf({ kind: 'jwt', expiresAt: seconds() + 60 }), revocations })
    await gate.revoke('a-token')
    expect(await gate.authenticate(request())).toMatchObject({ reason: 'revoked' })
    pass(361)
    await gate.revoke('b-token')
    expect(revocations.size).toBe(1)
  })

  it('keeps rejecting for as long as its tokens could be accepted', async () => {
    const gate = createGate({ verifier: verifierOf({ tokenId: 'one' }) })
    await gate.revoke({ tokenId: 'one', expiresAt: seconds() + 60 })
    for (const step of [59, 1, 29, 1, 269]) {
      pass(step)
      expect(await gate.authenticate(request())).toMatchObject({ reason: 'revoked' })
    }
  })
})

describe('revoking a subject', () => {
  it.each([
    [-60, true],
    [0, true],
    [20, true],
    [29, true],
    [31, false],
  ])('by default rejects a token issued %i s from now: %s (ATK13)', async (offset, revoked) => {
    const gate = createGate({ verifier: verifierOf({ issuedAt: seconds() + offset }) })
    await gate.revoke({ subject: 'emma' })
    expect((await gate.authenticate(request())).ok).toBe(!revoked)
  })

  it.each([
    [{ subject: '42' }, { sub: 42 }],
    [{ tokenId: '7' }, { jti: 7 }],
  ])('%j also rejects a token whose claim is the number: %j', async (revocation, claims) => {
    const gate = createGate({ verifier: verifierOf({ subject: undefined, claims }) })
    await gate.revoke(revocation)
    expect(await gate.authenticate(request())).toMatchObject({ reason: 'revoked' })
    const other = createGate({
      verifier: verifierOf({ subject: undefined, claims: { sub: '42', jti: '7' } }),
    })
    await other.revoke(revocation)
    expect(await other.authenticate(request())).toMatchObject({ ok: true })
  })

  it('is exact if issuedBefore is given', async () => {
    const gate = createGate({ verifier: verifierOf({ issuedAt: seconds() }) })
    await gate.revoke({ subject: 'emma', issuedBefore: seconds() })
    expect(await gate.authenticate(request())).toMatchObject({ ok: true })
  })

  it('rejects a token without iat until the entry ends, and then no longer (ATK13)', async () => {
    const gate = createGate({ verifier: verifierOf({ issuedAt: undefined }) })
    await gate.revoke({ subject: 'emma', expiresAt: seconds() + 60 })
    expect(await gate.authenticate(request())).toMatchObject({ reason: 'revoked' })
    pass(361)
    expect(await gate.authenticate(request())).toMatchObject({ ok: true })
  })
})

describe('a store of the application', () => {
  it('gets the hash of a revoked token and its exp, and never its text', async () => {
    const key = await createKey('ES256')
    const entries: unknown[] = []
    const revocations = {
      revoke: (entry: unknown) => void entries.push(entry),
      isRevoked: () => false,
      needsHash: false,
      size: 0,
    }
    const gate = createGate({ verifier: verifierOf(), revocations })
    const exp = seconds() + 60
    await gate.revoke(await key.sign({ exp }))
    await gate.revoke({ token: 'opaque-token', expiresAt: exp })
    await gate.revoke({ subject: 'emma', issuer: ISSUER })
    const tokenHash = expect.stringMatching(/^[\w-]{43}$/)
    expect(entries).toEqual([
      { tokenHash, expiresAt: exp },
      { tokenHash, expiresAt: exp },
      { subject: 'emma', issuer: ISSUER, issuedBefore: seconds() + 30 },
    ])
  })

  it.each([
    ['neither needsHash nor size', {}],
    ['a needsHash and a size that are no boolean and no number', { needsHash: 'no', size: 'none' }],
    ['a size of 0 because it cannot count', { needsHash: true, size: 0 }],
  ])('rejects a revoked token, with %s (FX53)', async (_members, members) => {
    const inner = memoryRevocations()
    const revocations = {
      revoke: inner.revoke.bind(inner),
      isRevoked: inner.isRevoked.bind(inner),
      ...members,
    } as RevocationStore
    const gate = createGate({ verifier: cached(verifierOf(), { ttl: 60 }), revocations })
    expect(await gate.authenticate(request())).toMatchObject({ ok: true })
    await gate.revoke('a-token')
    expect(await gate.authenticate(request())).toMatchObject({ reason: 'revoked' })
  })
})

describe('gates that share a store', () => {
  it('gates that share a store reject what any of them revokes, with any verifier (ATK13)', async () => {
    const revocations = memoryRevocations()
    const verifier = verifierOf({ tokenId: 'one' })
    const [one, other] = [createGate({ verifier, revocations }), createGate({ verifier, revocations })]
    const alone = createGate({ verifier })
    await one.revoke({ tokenId: 'one' })
    expect(await other.authenticate(request())).toMatchObject({ reason: 'revoked' })
    expect(await alone.authenticate(request())).toMatchObject({ ok: true })
    expect(other.describe().revocations).toBe(1)
  })

  it('answer 503 if a store of the application throws, rejects or returns no boolean', async () => {
    const store = (isRevoked: () => unknown): RevocationStore => ({
      revoke: () => {},
      isRevoked: isRevoked as never,
      needsHash: true,
      size: 1,
    })
    const failures = [
      () => {
        throw new Error('down')
      },
      () => Promise.reject(new Error('down')),
      () => 'yes',
      () => undefined,
    ]
    for (const isRevoked of failures) {
      const gate = createGate({ verifier: verifierOf(), revocations: store(isRevoked) })
      expect(await gate.authenticate(request())).toMatchObject({ status: 503 })
    }
    const later = createGate({ verifier: verifierOf(), revocations: store(async () => true) })
    expect(await later.authenticate(request())).toMatchObject({ reason: 'revoked' })
  })

  it('throw a TypeError for an option that is not a store', () => {
    for (const revocations of [true, {}, [], 'memory', null])
      expect(() => createGate({ verifier: verifierOf(), revocations } as never)).toThrow(/"revocations"/)
  })

  it.each([
    [{ max: 0 }, 'max'],
    [{ max: 1.5 }, 'max'],
    [{ maxTokenLifetime: 1 }, 'maxTokenLifetime'],
    [{ clockTolerance: 30 }, 'clockTolerance'],
    [{ ttl: 5 }, 'ttl'],
  ])('throw a TypeError for a store with %j', (options, name) => {
    expect(() => memoryRevocations(options as never)).toThrow(new RegExp(`"${name}"`))
  })
})

describe('the source of an identity', () => {
  const ofIntrospection = async (options: object, answer: object = {}) => {
    const server = await startIntrospector(json({ active: true, sub: 'emma', jti: 'one', ...answer }))
    const verifier = introspection({
      endpoint: `${server.origin}/introspect`,
      audience: null,
      clientId: 'api',
      clientSecret: 'secret',
      ...options,
    })
    return { gate: createGate({ verifier }), close: () => server.close() }
  }

  it('source.issuer is the configured issuer if introspection names none, so revocations with an issuer match (ATK04)', async () => {
    for (const revocation of [
      { tokenId: 'one', issuer: ISSUER },
      { subject: 'emma', issuer: ISSUER, issuedBefore: seconds() + 30 },
    ]) {
      const { gate, close } = await ofIntrospection({ issuer: ISSUER })
      expect(await gate.authenticate(request())).toMatchObject({
        identity: {
          issuer: ISSUER,
          source: { verifier: 'introspection', issuer: ISSUER, tokenFrom: 'header' },
        },
      })
      await gate.revoke(revocation)
      expect(await gate.authenticate(request())).toMatchObject({ reason: 'revoked' })
      await close()
    }
  })

  it('a revocation with an issuer matches a token whose issuer is unknown (ATK04)', async () => {
    const { gate, close } = await ofIntrospection({})
    await gate.revoke({ tokenId: 'one', issuer: ISSUER })
    expect(await gate.authenticate(request())).toMatchObject({ reason: 'revoked' })
    await close()
  })

  it('does not reject by a revocation for another issuer (ATK04)', async () => {
    const { gate, close } = await ofIntrospection({ issuer: ISSUER })
    await gate.revoke({ tokenId: 'one', issuer: 'https://other.example.com' })
    expect(await gate.authenticate(request())).toMatchObject({ ok: true })
    await close()
  })

  it('source.tokenFrom names the place of the token, in one frozen identity per place (ATK04)', () => {
    const places = { cookie: 'session', query: true }
    const gate = createGate({
      verifier: opaque({ lookup: () => ({ subject: 'emma' }), cache: { ttl: 60 } }),
      tokenFrom: places,
    })
    const from = (request: object) => {
      const decision = gate.authenticate({ header: () => undefined, ...request })
      if (decision instanceof Promise || !decision.ok) throw new Error('not allowed')
      return decision.identity
    }
    const header = from(request())
    const cookie = from({ header: (name: string) => (name === 'cookie' ? 'session=a-token' : undefined) })
    const query = from({ url: '/?access_token=a-token' })
    expect([header, cookie, query].map(({ source }) => source?.tokenFrom)).toEqual([
      'header',
      'cookie',
      'query',
    ])
    expect(from(request())).toBe(header)
    expect(from({ url: '/?access_token=a-token' })).toBe(query)
    for (const identity of [header, cookie, query]) {
      expect(Object.isFrozen(identity) && Object.isFrozen(identity.source)).toBe(true)
      expect(identity.source).toMatchObject({ verifier: 'opaque', issuer: undefined })
    }
  })

  it('source is unchanged if a verifier of the application returns the identity of another one', async () => {
    const key = await createKey('ES256')
    const inner = jwt({ issuer: ISSUER, audience: AUDIENCE, keys: { keys: [key.jwk as never] } })
    const outer: TokenVerifier = {
      async verify(token) {
        const result = await inner.verify(token)
        return result.active ? { ...result, identity: { ...result.identity, roles: ['admin'] } } : result
      },
    }
    const token = await key.sign({ exp: seconds() + 60, iat: seconds() })
    expect(await createGate({ verifier: outer }).authenticate(request(token))).toMatchObject({
      identity: { roles: ['admin'], source: { verifier: 'jwt', issuer: ISSUER } },
    })
  })
})

describe('closing a gate', () => {
  it('close() closes a verifier that the gate created, and no other (ATK19)', async () => {
    const close = vi.fn()
    const verifier = { ...verifierOf(), close }
    const [one, other] = [createGate({ verifier }), createGate({ verifier: chain(verifier as never) })]
    one.close()
    other.close()
    expect(close).not.toHaveBeenCalled()
    const fetch = vi.fn(async () => Response.json({ keys: [] }))
    const own = createGate({ issuer: ISSUER, audience: AUDIENCE, jwksUri: `${ISSUER}/jwks`, fetch })
    own.close()
    await expect(own.ready()).rejects.toThrow('closed')
    expect(fetch).not.toHaveBeenCalled()
  })

  it('of two gates with one verifier leaves the other able to verify (ATK19)', async () => {
    const key = await createKey('ES256')
    const fetch = vi.fn(async () => Response.json({ keys: [key.jwk] }))
    const verifier = jwt({ issuer: ISSUER, audience: AUDIENCE, jwksUri: `${ISSUER}/jwks`, fetch })
    const [one, other] = [createGate({ verifier }), createGate({ verifier })]
    one.close()
    const token = await key.sign({ exp: seconds() + 60, iat: seconds() })
    expect(await other.authenticate(request(token))).toMatchObject({ ok: true })
  })
})
