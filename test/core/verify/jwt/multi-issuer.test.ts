/** Several issuers behind one gate: each is verified by its own rules and keys, and found by its exact name only. */

import {
  createGate,
  type Gate,
  type IssuerOptions,
  type IssuerResolver,
  multiIssuerJwt,
} from '@bearergate/core'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { eventually, pass, stopClock } from '../../../support/clock.ts'
import { unsignedToken } from '../../../support/forge.ts'
import { json, startIntrospector } from '../../../support/introspector.ts'
import { AUDIENCE, createKey, ISSUER, NOW, type TestKey } from '../../../support/issuer.ts'
import { isPending } from '../../../support/pending.ts'

const PARTNER = 'https://partner.example.org'
const clock = () => NOW * 1000

stopClock()
let ours: TestKey
let theirs: TestKey

beforeAll(async () => {
  ours = await createKey('ES256', 'same-kid')
  theirs = await createKey('ES256', 'same-kid')
})

const ourOptions = (): IssuerOptions => ({
  issuer: ISSUER,
  audience: AUDIENCE,
  keys: { keys: [ours.jwk as never] },
})
const theirOptions = (options: object = {}): IssuerOptions => ({
  issuer: PARTNER,
  audience: 'urn:partner',
  keys: { keys: [theirs.jwk as never] },
  ...options,
})
const theirClaims = { iss: PARTNER, aud: 'urn:partner' }

async function outcome(gate: Gate, token: string): Promise<string> {
  const decision = await gate.authenticate({
    header: (name) => (name === 'authorization' ? `Bearer ${token}` : undefined),
  })
  return decision.ok ? 'ok' : `${decision.status} ${decision.reason}`
}

describe('a list of issuers', () => {
  const gateOf = (list: readonly IssuerOptions[], options: object = {}) =>
    createGate({ verifier: multiIssuerJwt(list, { now: clock, ...options }), now: clock })

  it('accepts the tokens of each', async () => {
    const gate = gateOf([ourOptions(), theirOptions()])
    expect(await outcome(gate, await ours.sign())).toBe('ok')
    expect(await outcome(gate, await theirs.sign(theirClaims))).toBe('ok')
  })

  it('answers 401 to a token of one that the key of another signed, even with the same kid (E11)', async () => {
    const gate = gateOf([ourOptions(), theirOptions()])
    expect(await outcome(gate, await theirs.sign())).toBe('401 invalid_signature')
    expect(await outcome(gate, await ours.sign(theirClaims))).toBe('401 invalid_signature')
  })

  it('checks each token by the audience, algorithms and profile of its own issuer (E03, D08)', async () => {
    const gate = gateOf([ourOptions(), theirOptions({ profile: 'rfc9068', algorithms: ['ES256', 'ES384'] })])
    expect(await outcome(gate, await theirs.sign({ iss: PARTNER }))).toBe('401 audience_mismatch')
    expect(await outcome(gate, await ours.sign({ aud: 'urn:partner' }))).toBe('401 audience_mismatch')
    expect(await outcome(gate, await theirs.sign(theirClaims, { typ: 'JWT' }))).toBe(
      '401 not_an_access_token',
    )
    expect(await outcome(gate, await ours.sign({}, { typ: 'JWT' }))).toBe('ok')
    const strict = gateOf([{ ...ourOptions(), algorithms: ['ES256'] }, theirOptions()])
    const rsa = await createKey('RS256', 'same-kid')
    expect(await outcome(strict, await rsa.sign())).toBe('401 algorithm_not_allowed')
  })

  it('maps the claims of each by its own options', async () => {
    const gate = gateOf([ourOptions(), theirOptions({ scopes: () => ['partner'] })])
    const decision = await gate.authenticate({
      header: () => `Bearer ${token}`,
    })
    expect(decision).toMatchObject({ ok: true, identity: { scopes: ['partner'], issuer: PARTNER } })
  })
  let token: string
  beforeAll(async () => {
    token = await theirs.sign(theirClaims)
  })

  it.each([
    ['another', 'https://evil.example.com'],
    ['one with a slash more', `${ISSUER}/`],
    ['one in upper case', ISSUER.toUpperCase()],
    ['an array', [ISSUER]],
    ['a number', 7],
    ['nothing', undefined],
    ['the name of a prototype', '__proto__'],
    ['the name of a method', 'constructor'],
    ['an empty text', ''],
  ])('answers 401 to a token whose iss is %s (F02, D09)', async (_, iss) => {
    expect(await outcome(gateOf([ourOptions(), theirOptions()]), await ours.sign({ iss }))).toBe(
      '401 issuer_mismatch',
    )
  })

  it('fetches nothing for 1,000 untrusted issuers (FX36)', async () => {
    const asked: string[] = []
    const fetch = async (url: string) => {
      asked.push(url)
      throw new Error('no')
    }
    const gate = gateOf([{ issuer: ISSUER, audience: AUDIENCE, fetch }])
    for (let index = 0; index < 1000; index += 1)
      expect(await outcome(gate, unsignedToken({}, { iss: `https://id-${index}.example.com` }))).toBe(
        '401 issuer_mismatch',
      )
    expect(asked).toEqual([])
  })

  it('answers 503 to the tokens of one issuer only during its outage', async () => {
    const server = await startIntrospector(json({}, 500))
    const gate = gateOf([{ issuer: ISSUER, audience: AUDIENCE, jwksUri: server.origin }, theirOptions()])
    expect(await outcome(gate, await ours.sign())).toBe('503 unavailable')
    expect(await outcome(gate, await theirs.sign(theirClaims))).toBe('ok')
    await expect(gate.ready()).rejects.toThrow()
    await server.close()
  })

  it('rejects a cached token when its key is no longer published (FX30)', async () => {
    const other = await createKey('ES256', 'other')
    let keys: readonly TestKey[] = [ours]
    const server = await startIntrospector((asked, response) =>
      json({ keys: keys.map(({ jwk }) => jwk) })(asked, response),
    )
    const gate = gateOf([{ issuer: ISSUER, audience: AUDIENCE, jwksUri: server.origin }, theirOptions()])
    const good = await ours.sign()
    expect([await outcome(gate, good), await outcome(gate, good)]).toEqual(['ok', 'ok'])
    keys = [other]
    pass(4000)
    expect(await outcome(gate, good)).toBe('401 unknown_key')
    await server.close()
  })

  it('lists its issuers in the metadata of a resource and in describe()', () => {
    const gate = createGate({
      verifier: multiIssuerJwt([ourOptions(), theirOptions()]),
      resource: 'https://api.example.com',
    })
    const answer = gate.metadata(new Request('https://api.example.com/.well-known/oauth-protected-resource'))
    expect(JSON.parse(answer?.body ?? '')).toMatchObject({ authorization_servers: [ISSUER, PARTNER] })
    expect(gate.describe().verifier).toMatchObject({
      kind: 'issuers',
      issuers: [{ issuer: ISSUER }, { issuer: PARTNER }],
    })
  })

  it.each<[string, unknown, object, RegExp]>([
    ['no list', undefined, {}, /"multiIssuerJwt"/],
    ['an empty list', [], {}, /"multiIssuerJwt"/],
    ['something else in the list', [null], {}, /multiIssuerJwt/],
    ['an issuer twice', [1, 1], {}, /"issuer"/],
    ['a cache for one of them', [{ cache: false }], {}, /"cache"/],
    ['a clock for one of them', [{ now: clock }], {}, /"now"/],
    ['an unknown option of one', [{ unless: 1 }], {}, /"unless"/],
    ['no audience of one', [{ audience: undefined }], {}, /"audience"/],
    ['max with a list', [{}], { max: 5 }, /"max"/],
    ['ttl with a list', [{}], { ttl: 5 }, /"ttl"/],
    ['an unknown option', [{}], { size: 5 }, /"size"/],
  ])('throws at creation for %s (BI20)', (_, list, options, message) => {
    const full = Array.isArray(list)
      ? list.map((item) => (item === null ? item : { ...ourOptions(), ...item }))
      : list
    expect(() => multiIssuerJwt(full as never, options)).toThrow(TypeError)
    expect(() => multiIssuerJwt(full as never, options)).toThrow(message)
  })
})

describe('a function that knows the tenants', () => {
  const gateOf = (resolve: IssuerResolver, options: object = {}) =>
    createGate({ verifier: multiIssuerJwt(resolve, { now: clock, ...options }), now: clock })

  it('the function is called with the exact iss, and once for 20 concurrent requests', async () => {
    const resolve = vi.fn(async (issuer: string) => (issuer === PARTNER ? theirOptions() : undefined))
    const gate = gateOf(resolve)
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, jti) => theirs.sign({ ...theirClaims, jti: `${jti}` })),
    )
    expect(new Set(await Promise.all(tokens.map((token) => outcome(gate, token))))).toEqual(new Set(['ok']))
    expect(resolve.mock.calls).toEqual([[PARTNER]])
    expect(await outcome(gate, await ours.sign())).toBe('401 issuer_mismatch')
  })

  it('the function is not called for tokens that are not signed JWTs', async () => {
    const resolve = vi.fn(() => undefined)
    const gate = gateOf(resolve)
    for (const token of ['opaque', 'a.b.c', `${await ours.sign()}=`, await ours.sign({ iss: 7 })])
      expect(await outcome(gate, token)).toMatch(/^401/)
    expect(resolve).not.toHaveBeenCalled()
  })

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no'))],
    ['returns the options of another issuer', () => ourOptions()],
    ['returns impossible options', () => ({ issuer: PARTNER })],
    ['returns null', () => null],
    ['returns a string', () => PARTNER],
  ])('that %s is answered 503 and asked again', async (_, resolve) => {
    let isGood = false
    const gate = gateOf((() => (isGood ? theirOptions() : resolve())) as IssuerResolver)
    const token = await theirs.sign(theirClaims)
    expect(await outcome(gate, token)).toBe('503 unavailable')
    isGood = true
    expect(await outcome(gate, token)).toBe('ok')
  })

  it('rejects the cached token of a removed tenant after "ttl"', async () => {
    let options: IssuerOptions | undefined = theirOptions()
    const gate = gateOf(() => options, { ttl: 60 })
    const token = await theirs.sign(theirClaims)
    expect(await outcome(gate, token)).toBe('ok')
    options = undefined
    pass(59.75)
    expect(await outcome(gate, token)).toBe('ok')
    pass(0.25)
    expect(await outcome(gate, token)).toBe('401 issuer_mismatch')
  })

  it('keeps the keys of a tenant while its options are the same', async () => {
    const server = await startIntrospector(json({ keys: [theirs.jwk] }))
    let audience: readonly string[] = ['urn:partner']
    const gate = gateOf(() => ({ issuer: PARTNER, audience, jwksUri: server.origin }), {
      ttl: 60,
      cache: false,
    })
    const token = await theirs.sign(theirClaims)
    expect(await outcome(gate, token)).toBe('ok')
    audience = ['urn:partner']
    pass(60)
    expect([await outcome(gate, token), server.asked.length]).toEqual(['ok', 1])
    audience = ['urn:other']
    pass(60)
    expect(await outcome(gate, token)).toBe('401 audience_mismatch')
    await server.close()
  })

  it('keeps "max" tenants, the most recently used ones', async () => {
    const resolve = vi.fn((issuer: string) => ({ ...theirOptions(), issuer }) as IssuerOptions)
    const gate = gateOf(resolve, { max: 2, cache: false, ttl: 3600 })
    const tokenOf = (tenant: string) => theirs.sign({ ...theirClaims, iss: `https://${tenant}.example.org` })
    for (const tenant of ['a', 'b', 'a', 'c', 'a']) {
      pass(60)
      expect(await outcome(gate, await tokenOf(tenant))).toBe('ok')
    }
    expect(resolve).toHaveBeenCalledTimes(3)
    pass(60)
    await outcome(gate, await tokenOf('b'))
    expect(resolve).toHaveBeenCalledTimes(4)
  })

  describe('with more tenants than "max"', () => {
    async function gateOfTwo(by: TestKey) {
      const server = await startIntrospector(json({ keys: [theirs.jwk] }))
      const gate = gateOf((issuer) => ({ issuer, audience: 'urn:partner', jwksUri: server.origin }), {
        max: 2,
      })
      let tokens = 0
      const ask = async (tenant: string) => {
        tokens += 1
        const claims = { ...theirClaims, iss: `https://${tenant}.example.org`, jti: String(tokens) }
        return outcome(gate, await by.sign(claims))
      }
      return { ask, server }
    }

    it('adds two a minute and answers 503 to others, with forged tokens (FX34, FX36)', async () => {
      const { ask, server } = await gateOfTwo(ours)
      const answer = '401 invalid_signature'
      for (let round = 0; round < 20; round += 1)
        expect([await ask('a'), await ask('b'), await ask('c')]).toEqual([answer, answer, '503 unavailable'])
      // Each of the two key sets is fetched once, and twice more while the signatures are wrong.
      expect(server.asked).toHaveLength(6)
      pass(29.75)
      expect(await ask('c')).toBe('503 unavailable')
      pass(0.25)
      expect([await ask('c'), await ask('d'), await ask('c')]).toEqual([answer, '503 unavailable', answer])
      expect(server.asked).toHaveLength(9)
      await server.close()
    })

    it('adds two besides the first two, then two a minute, with good tokens (FX34, FX36)', async () => {
      const { ask, server } = await gateOfTwo(theirs)
      // The first two are paid back. The third one drives out the first, and that one the second.
      expect([await ask('a'), await ask('b'), await ask('c')]).toEqual(['ok', 'ok', 'ok'])
      for (let round = 0; round < 20; round += 1)
        expect([await ask('a'), await ask('b'), await ask('c')]).toEqual(['ok', '503 unavailable', 'ok'])
      expect(server.asked).toHaveLength(4)
      pass(29.75)
      expect(await ask('b')).toBe('503 unavailable')
      pass(0.25)
      expect([await ask('b'), await ask('a'), await ask('b')]).toEqual(['ok', '503 unavailable', 'ok'])
      expect(server.asked).toHaveLength(5)
      await server.close()
    })
  })

  it.each([
    ['5 s', 300, 5],
    ['"ttl", if that is shorter', 2, 2],
  ])('the function is not called again for an unknown issuer for %s', async (_, ttl, unknownFor) => {
    const resolve = vi.fn(() => undefined)
    const gate = gateOf(resolve, { ttl })
    const token = await ours.sign()
    for (let quarter = 0; quarter < 4 * unknownFor; quarter += 1) {
      expect(await outcome(gate, token)).toBe('401 issuer_mismatch')
      expect(resolve).toHaveBeenCalledTimes(1)
      pass(0.25)
    }
    expect(await outcome(gate, token)).toBe('401 issuer_mismatch')
    expect(resolve).toHaveBeenCalledTimes(2)
  })

  it('drops cached results when the options that they were checked by change (FX30, M01)', async () => {
    const other = await createKey('ES256', 'other')
    let options = theirOptions()
    const gate = gateOf(() => options, { ttl: 60 })
    const old = await theirs.sign(theirClaims)
    expect([await outcome(gate, old), await outcome(gate, old)]).toEqual(['ok', 'ok'])
    options = { issuer: PARTNER, audience: 'urn:new', keys: { keys: [other.jwk as never] } }
    pass(60)
    expect(await outcome(gate, await other.sign({ ...theirClaims, aud: 'urn:new' }))).toBe('ok')
    expect(await outcome(gate, old)).toBe('401 audience_mismatch')
  })

  it('applies a changed option, be it a new function or an array changed in place (M01)', async () => {
    const audience = ['urn:partner']
    let isWanted: (value: unknown) => boolean = () => true
    const options = () => ({ ...theirOptions(), audience, requiredClaims: { sub: isWanted } })
    const gate = gateOf(options, { ttl: 60 })
    const token = await theirs.sign(theirClaims)
    expect(await outcome(gate, token)).toBe('ok')
    isWanted = () => false
    pass(60)
    expect(await outcome(gate, token)).toBe('401 invalid_claim')
    isWanted = () => true
    pass(60)
    expect(await outcome(gate, token)).toBe('ok')
    audience[0] = 'urn:other'
    pass(60)
    expect(await outcome(gate, token)).toBe('401 audience_mismatch')
  })

  it('keeps the keys of a tenant through an outage, though its functions are new each time (FX02)', async () => {
    const server = await startIntrospector(json({ keys: [theirs.jwk] }))
    const gate = gateOf(
      (issuer) => ({ issuer, audience: 'urn:partner', jwksUri: server.origin, roles: () => ['tenant'] }),
      { ttl: 60, max: 3 },
    )
    const token = await theirs.sign(theirClaims)
    expect(await outcome(gate, token)).toBe('ok')
    server.reply = json({}, 500)
    for (let minute = 0; minute < 50; minute += 1) {
      pass(60)
      expect(await outcome(gate, token)).toBe('ok')
    }
    await server.close()
  })

  it('a call that never answers is shared for 5 s, then the function is called again (FX56)', async () => {
    const resolve = vi.fn((): ReturnType<IssuerResolver> => new Promise(() => {}))
    const verifier = multiIssuerJwt(resolve, { now: clock })
    const gate = createGate({ verifier, now: clock, deadline: 1 })
    const token = await theirs.sign(theirClaims)
    const first = outcome(gate, token)
    pass(1)
    expect(await first).toBe('503 unavailable')
    resolve.mockImplementation(() => theirOptions())
    pass(3.75)
    const joined = outcome(gate, token)
    expect(await isPending(joined)).toBe(true)
    expect(resolve).toHaveBeenCalledTimes(1)
    pass(0.25)
    expect(await outcome(gate, token)).toBe('ok')
    expect(resolve).toHaveBeenCalledTimes(2)
    pass(0.75)
    expect(await joined).toBe('503 unavailable')
  })

  it('the function is called for at most 48 unknown issuers at once, and also for proven ones (FX36)', async () => {
    let isDown = false
    const resolve = vi.fn(
      (issuer: string): ReturnType<IssuerResolver> =>
        issuer === PARTNER ? theirOptions() : isDown ? new Promise(() => {}) : undefined,
    )
    const gate = createGate({ verifier: multiIssuerJwt(resolve, { now: clock, ttl: 1 }), now: clock })
    const good = await theirs.sign(theirClaims)
    expect(await outcome(gate, good)).toBe('ok')
    isDown = true
    const forged = await Promise.all(
      Array.from({ length: 200 }, (_, index) => ours.sign({ iss: `https://${index}.example.org` })),
    )
    const all = forged.map((token) => outcome(gate, token))
    await eventually(() => resolve.mock.calls.length === 1 + 48)
    pass(1)
    expect(await outcome(gate, good)).toBe('ok')
    expect(resolve).toHaveBeenCalledTimes(1 + 48 + 1)
    // Calls that do not answer end after 10 s, and so do those that wait for a place.
    pass(9)
    expect(await Promise.all(all)).toEqual(Array(200).fill('503 unavailable'))
    expect(resolve).toHaveBeenCalledTimes(1 + 48 + 1)
  })

  it('does not bring back a removed tenant by a late answer (M01)', async () => {
    const answers: ((options: IssuerOptions | undefined) => void)[] = []
    const resolve = () => new Promise<IssuerOptions | undefined>((settle) => void answers.push(settle))
    const gate = gateOf(resolve as IssuerResolver)
    const token = await theirs.sign(theirClaims)
    const first = outcome(gate, token)
    pass(5)
    const second = outcome(gate, token)
    answers[1]?.(undefined)
    expect(await second).toBe('401 issuer_mismatch')
    answers[0]?.(theirOptions())
    expect(await first).toBe('401 issuer_mismatch')
    expect(await outcome(gate, token)).toBe('401 issuer_mismatch')
  })

  it.each([
    ['removes it', () => undefined],
    ['has other options', () => theirOptions({ audience: 'urn:old' })],
  ])('keeps the options of a newer answer if a late one %s (M01)', async (_, late) => {
    const answers: ((options: IssuerOptions | undefined) => void)[] = []
    const resolve = () => new Promise<IssuerOptions | undefined>((settle) => void answers.push(settle))
    const gate = gateOf(resolve as IssuerResolver)
    const token = await theirs.sign(theirClaims)
    const first = outcome(gate, token)
    pass(5)
    const second = outcome(gate, token)
    answers[1]?.(theirOptions())
    expect(await second).toBe('ok')
    answers[0]?.(late())
    expect(await first).toBe('ok')
    expect(await outcome(gate, await theirs.sign({ ...theirClaims, jti: 'another' }))).toBe('ok')
    expect(answers).toHaveLength(2)
  })

  it('keeps verified tenants while clients make up others', async () => {
    const resolve = vi.fn((issuer: string) => ({ ...theirOptions(), issuer }) as IssuerOptions)
    const gate = gateOf(resolve, { max: 3, ttl: 3600 })
    const tenant = (name: string) => `https://${name}.example.org`
    const good = await theirs.sign({ ...theirClaims, iss: tenant('good') })
    expect(await outcome(gate, good)).toBe('ok')
    for (let index = 0; index < 20; index += 1) {
      pass(60)
      const madeUp = await ours.sign({ ...theirClaims, iss: tenant(`made-up-${index}`) })
      expect(await outcome(gate, madeUp)).toBe('401 invalid_signature')
    }
    expect(await outcome(gate, good)).toBe('ok')
    const another = await theirs.sign({ ...theirClaims, iss: tenant('good'), jti: 'b' })
    expect(await outcome(gate, another)).toBe('ok')
    expect(resolve.mock.calls.filter(([issuer]) => issuer === tenant('good'))).toHaveLength(1)
  })

  it('the function is not called after close(), and cached tenants still work (FX59)', async () => {
    const resolve = vi.fn((issuer: string) => (issuer === PARTNER ? theirOptions() : ourOptions()))
    const verifier = multiIssuerJwt(resolve, { now: clock })
    const gate = createGate({ verifier, now: clock })
    const token = await theirs.sign(theirClaims)
    expect(await outcome(gate, token)).toBe('ok')
    verifier.close?.()
    expect(await outcome(gate, await ours.sign())).toBe('503 unavailable')
    expect(await outcome(gate, token)).toBe('ok')
    expect(resolve).toHaveBeenCalledTimes(1)
  })

  it.each(['max', 'ttl'])('throws at creation for an impossible %s (BI20)', (name) => {
    for (const value of [Number.NaN, -1, '5', 2 ** 53, null])
      expect(() => multiIssuerJwt(() => undefined, { [name]: value } as never)).toThrow(
        new RegExp(`"${name}"`),
      )
  })
})
