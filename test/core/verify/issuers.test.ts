/** Several issuers behind one gate: each verified by its own rules and keys, and found by its exact name only. */

import { createGate, type Gate, type IssuerOptions, issuers, type ResolveIssuer } from '@bearergate/core'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { json, startIntrospector } from '../../support/introspector.ts'
import { AUDIENCE, createKey, ISSUER, NOW, type TestKey } from '../../support/issuer.ts'

const PARTNER = 'https://partner.example.org'
const clock = () => NOW * 1000

let ours: TestKey
let theirs: TestKey

beforeAll(async () => {
  ours = await createKey('ES256', 'same-kid')
  theirs = await createKey('ES256', 'same-kid')
})
afterEach(() => void vi.useRealTimers())

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
    createGate({ verifier: issuers(list, { now: clock, ...options }), now: clock })

  it('takes the tokens of each', async () => {
    const gate = gateOf([ourOptions(), theirOptions()])
    expect(await outcome(gate, await ours.sign())).toBe('ok')
    expect(await outcome(gate, await theirs.sign(theirClaims))).toBe('ok')
  })

  it('E11 takes no token of one that the key of another signed, even under the same kid', async () => {
    const gate = gateOf([ourOptions(), theirOptions()])
    expect(await outcome(gate, await theirs.sign())).toBe('401 invalid_signature')
    expect(await outcome(gate, await ours.sign(theirClaims))).toBe('401 invalid_signature')
  })

  it('E03 D08 judges each by its own audience, algorithms and profile', async () => {
    const gate = gateOf([ourOptions(), theirOptions({ profile: 'rfc9068', algorithms: ['ES256', 'ES384'] })])
    expect(await outcome(gate, await theirs.sign({ iss: PARTNER }))).toBe('401 wrong_audience')
    expect(await outcome(gate, await ours.sign({ aud: 'urn:partner' }))).toBe('401 wrong_audience')
    expect(await outcome(gate, await theirs.sign(theirClaims, { typ: 'JWT' }))).toBe('401 wrong_type')
    expect(await outcome(gate, await ours.sign({}, { typ: 'JWT' }))).toBe('ok')
    const strict = gateOf([{ ...ourOptions(), algorithms: ['ES256'] }, theirOptions()])
    const rsa = await createKey('RS256', 'same-kid')
    expect(await outcome(strict, await rsa.sign())).toBe('401 algorithm_not_allowed')
  })

  it('maps the claims of each in its own way', async () => {
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
  ])('F02 D09 refuses a token whose iss is %s', async (_, iss) => {
    expect(await outcome(gateOf([ourOptions(), theirOptions()]), await ours.sign({ iss }))).toBe(
      '401 wrong_issuer',
    )
  })

  it('FX36 fetches nothing for 1,000 issuers that nobody trusts', async () => {
    const asked: string[] = []
    const fetch = async (url: string) => {
      asked.push(url)
      throw new Error('no')
    }
    const gate = gateOf([{ issuer: ISSUER, audience: AUDIENCE, fetch }])
    for (let index = 0; index < 1000; index += 1)
      expect(await outcome(gate, await ours.sign({ iss: `https://id-${index}.example.com` }))).toBe(
        '401 wrong_issuer',
      )
    expect(asked).toEqual([])
  })

  it('keeps each issuer’s keys apart in an outage of one', async () => {
    const server = await startIntrospector(json({}, 500))
    const gate = gateOf([{ issuer: ISSUER, audience: AUDIENCE, jwksUri: server.origin }, theirOptions()])
    expect(await outcome(gate, await ours.sign())).toBe('503 unavailable')
    expect(await outcome(gate, await theirs.sign(theirClaims))).toBe('ok')
    await expect(gate.ready()).rejects.toThrow()
    await server.close()
  })

  it('drops a cached result when its key is gone', async () => {
    const other = await createKey('ES256', 'other')
    let keys: readonly TestKey[] = [ours]
    const server = await startIntrospector((asked, response) =>
      json({ keys: keys.map(({ jwk }) => jwk) })(asked, response),
    )
    vi.useFakeTimers({ toFake: ['performance'] })
    vi.advanceTimersByTime(1)
    const gate = gateOf([{ issuer: ISSUER, audience: AUDIENCE, jwksUri: server.origin }, theirOptions()])
    const good = await ours.sign()
    expect([await outcome(gate, good), await outcome(gate, good)]).toEqual(['ok', 'ok'])
    keys = [other]
    vi.advanceTimersByTime(4_000_000)
    expect(await outcome(gate, good)).toBe('401 unknown_key')
    await server.close()
  })

  it('tells its issuers for the metadata of a resource, and how it is set up', () => {
    const gate = createGate({
      verifier: issuers([ourOptions(), theirOptions()]),
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
    ['no list', undefined, {}, /"issuers"/],
    ['an empty list', [], {}, /"issuers"/],
    ['something else in the list', [null], {}, /issuers/],
    ['an issuer twice', [1, 1], {}, /"issuer"/],
    ['a cache for one of them', [{ cache: false }], {}, /"cache"/],
    ['a clock for one of them', [{ now: clock }], {}, /"now"/],
    ['an unknown option of one', [{ unless: 1 }], {}, /"unless"/],
    ['no audience of one', [{ audience: undefined }], {}, /"audience"/],
    ['max with a list', [{}], { max: 5 }, /"max"/],
    ['ttl with a list', [{}], { ttl: 5 }, /"ttl"/],
    ['an unknown option', [{}], { size: 5 }, /"size"/],
  ])('BI20 throws for %s', (_, list, options, message) => {
    const full = Array.isArray(list)
      ? list.map((item) => (item === null ? item : { ...ourOptions(), ...item }))
      : list
    expect(() => issuers(full as never, options)).toThrow(TypeError)
    expect(() => issuers(full as never, options)).toThrow(message)
  })
})

describe('a function that knows the tenants', () => {
  const gateOf = (resolve: ResolveIssuer, options: object = {}) =>
    createGate({ verifier: issuers(resolve, { now: clock, ...options }), now: clock })

  beforeAll(() => void 0)

  function stopClock() {
    vi.useFakeTimers({ toFake: ['performance'] })
    vi.advanceTimersByTime(1)
  }

  it('is asked by the exact iss, and once for many requests', async () => {
    const resolve = vi.fn(async (issuer: string) => (issuer === PARTNER ? theirOptions() : undefined))
    const gate = gateOf(resolve)
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, jti) => theirs.sign({ ...theirClaims, jti: `${jti}` })),
    )
    expect(new Set(await Promise.all(tokens.map((token) => outcome(gate, token))))).toEqual(new Set(['ok']))
    expect(resolve.mock.calls).toEqual([[PARTNER]])
    expect(await outcome(gate, await ours.sign())).toBe('401 wrong_issuer')
  })

  it('is not asked for what is no signed JWT', async () => {
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
    ['gives another issuer’s options', () => ourOptions()],
    ['gives impossible options', () => ({ issuer: PARTNER })],
    ['gives null', () => null],
    ['gives a text', () => PARTNER],
  ])('that %s is answered 503, and asked again', async (_, resolve) => {
    let isGood = false
    const gate = gateOf((() => (isGood ? theirOptions() : resolve())) as ResolveIssuer)
    const token = await theirs.sign(theirClaims)
    expect(await outcome(gate, token)).toBe('503 unavailable')
    isGood = true
    expect(await outcome(gate, token)).toBe('ok')
  })

  it('a tenant that is gone is refused within the ttl, though its token is cached', async () => {
    stopClock()
    let options: IssuerOptions | undefined = theirOptions()
    const gate = gateOf(() => options, { ttl: 60 })
    const token = await theirs.sign(theirClaims)
    expect(await outcome(gate, token)).toBe('ok')
    options = undefined
    vi.advanceTimersByTime(59_000)
    expect(await outcome(gate, token)).toBe('ok')
    vi.advanceTimersByTime(1_001)
    expect(await outcome(gate, token)).toBe('401 wrong_issuer')
  })

  it('the keys of a tenant go on where its options are the same, and not where they changed', async () => {
    stopClock()
    const server = await startIntrospector(json({ keys: [theirs.jwk] }))
    let audience: readonly string[] = ['urn:partner']
    const gate = gateOf(() => ({ issuer: PARTNER, audience, jwksUri: server.origin }), {
      ttl: 60,
      cache: false,
    })
    const token = await theirs.sign(theirClaims)
    expect(await outcome(gate, token)).toBe('ok')
    audience = ['urn:partner']
    vi.advanceTimersByTime(61_000)
    expect([await outcome(gate, token), server.asked.length]).toEqual(['ok', 1])
    audience = ['urn:other']
    vi.advanceTimersByTime(61_000)
    expect(await outcome(gate, token)).toBe('401 wrong_audience')
    await server.close()
  })

  it('holds as many as it may, the ones that were used last', async () => {
    stopClock()
    const resolve = vi.fn((issuer: string) => ({ ...theirOptions(), issuer }) as IssuerOptions)
    const gate = gateOf(resolve, { max: 2, cache: false, ttl: 3600 })
    const tokenOf = (tenant: string) => theirs.sign({ ...theirClaims, iss: `https://${tenant}.example.org` })
    for (const tenant of ['a', 'b', 'a', 'c', 'a']) {
      vi.advanceTimersByTime(60_000)
      expect(await outcome(gate, await tokenOf(tenant))).toBe('ok')
    }
    expect(resolve).toHaveBeenCalledTimes(3)
    vi.advanceTimersByTime(60_000)
    await outcome(gate, await tokenOf('b'))
    expect(resolve).toHaveBeenCalledTimes(4)
  })

  it('FX34 FX36 more tenants than it may hold cause no storm of fetches', async () => {
    const server = await startIntrospector(json({ keys: [theirs.jwk] }))
    const gate = gateOf((issuer) => ({ issuer, audience: 'urn:partner', jwksUri: server.origin }), { max: 2 })
    for (let index = 0; index < 300; index += 1) {
      const iss = `https://${index % 3}.example.org`
      const token = await ours.sign({ ...theirClaims, iss, jti: String(index) })
      expect(await outcome(gate, token)).toMatch(/^401 invalid_signature|^503/)
    }
    expect(server.asked.length).toBeLessThanOrEqual(12)
    await server.close()
  })

  it('is not asked again at once for an issuer that it does not know', async () => {
    stopClock()
    const resolve = vi.fn(() => undefined)
    const gate = gateOf(resolve)
    const token = await ours.sign()
    for (let index = 0; index < 10; index += 1) expect(await outcome(gate, token)).toBe('401 wrong_issuer')
    expect(resolve).toHaveBeenCalledTimes(1)
    vi.advanceTimersByTime(5_001)
    await outcome(gate, token)
    expect(resolve).toHaveBeenCalledTimes(2)
  })

  it('FX30 M01 results that are kept die with the options that they were judged by', async () => {
    stopClock()
    const other = await createKey('ES256', 'other')
    let options = theirOptions()
    const gate = gateOf(() => options, { ttl: 60 })
    const old = await theirs.sign(theirClaims)
    expect([await outcome(gate, old), await outcome(gate, old)]).toEqual(['ok', 'ok'])
    options = { issuer: PARTNER, audience: 'urn:new', keys: { keys: [other.jwk as never] } }
    vi.advanceTimersByTime(61_000)
    expect(await outcome(gate, await other.sign({ ...theirClaims, aud: 'urn:new' }))).toBe('ok')
    expect(await outcome(gate, old)).toBe('401 wrong_audience')
  })

  it('M01 a rule that changed counts, be it a function or changed in place', async () => {
    stopClock()
    const audience = ['urn:partner']
    let isWanted: (value: unknown) => boolean = () => true
    const options = () => ({ ...theirOptions(), audience, requiredClaims: { sub: isWanted } })
    const gate = gateOf(options, { ttl: 60 })
    const token = await theirs.sign(theirClaims)
    expect(await outcome(gate, token)).toBe('ok')
    isWanted = () => false
    vi.advanceTimersByTime(61_000)
    expect(await outcome(gate, token)).toBe('401 invalid_claim')
    isWanted = () => true
    vi.advanceTimersByTime(61_000)
    expect(await outcome(gate, token)).toBe('ok')
    audience[0] = 'urn:other'
    vi.advanceTimersByTime(61_000)
    expect(await outcome(gate, token)).toBe('401 wrong_audience')
  })

  it('FX02 the keys of a tenant outlive an outage, though its functions are written anew each time', async () => {
    stopClock()
    const server = await startIntrospector(json({ keys: [theirs.jwk] }))
    const gate = gateOf(
      (issuer) => ({ issuer, audience: 'urn:partner', jwksUri: server.origin, roles: () => ['tenant'] }),
      { ttl: 60, max: 3 },
    )
    const token = await theirs.sign(theirClaims)
    expect(await outcome(gate, token)).toBe('ok')
    server.reply = json({}, 500)
    for (let minute = 0; minute < 50; minute += 1) {
      vi.advanceTimersByTime(61_000)
      expect(await outcome(gate, token)).toBe('ok')
    }
    await server.close()
  })

  it('FX56 that never answers once is asked again', async () => {
    stopClock()
    const resolve = vi.fn((): ReturnType<ResolveIssuer> => new Promise(() => {}))
    const verifier = issuers(resolve, { now: clock })
    const gate = createGate({ verifier, now: clock, deadline: 0.01 })
    const token = await theirs.sign(theirClaims)
    expect(await outcome(gate, token)).toBe('503 unavailable')
    resolve.mockImplementation(() => theirOptions())
    vi.advanceTimersByTime(5_001)
    expect(await outcome(gate, token)).toBe('ok')
  })

  it('FX36 is asked for 48 unknown issuers at once, and for proven ones besides', async () => {
    stopClock()
    let isDown = false
    const resolve = vi.fn(
      (issuer: string): ReturnType<ResolveIssuer> =>
        issuer === PARTNER ? theirOptions() : isDown ? new Promise(() => {}) : undefined,
    )
    const gate = createGate({
      verifier: issuers(resolve, { now: clock, ttl: 1 }),
      now: clock,
      deadline: 0.05,
    })
    const good = await theirs.sign(theirClaims)
    expect(await outcome(gate, good)).toBe('ok')
    isDown = true
    const forged = await Promise.all(
      Array.from({ length: 200 }, (_, index) => ours.sign({ iss: `https://${index}.example.org` })),
    )
    const outcomes = forged.map((token) => outcome(gate, token))
    expect(resolve).toHaveBeenCalledTimes(49)
    vi.advanceTimersByTime(1_001)
    expect(await outcome(gate, good)).toBe('ok')
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['503 unavailable']))
  })

  it('M01 a late answer does not bring back a tenant that is gone', async () => {
    stopClock()
    const answers: ((options: IssuerOptions | undefined) => void)[] = []
    const resolve = () => new Promise<IssuerOptions | undefined>((settle) => void answers.push(settle))
    const gate = gateOf(resolve as ResolveIssuer)
    const token = await theirs.sign(theirClaims)
    const first = outcome(gate, token)
    vi.advanceTimersByTime(5_500)
    const second = outcome(gate, token)
    answers[1]?.(undefined)
    expect(await second).toBe('401 wrong_issuer')
    answers[0]?.(theirOptions())
    expect(await first).toBe('401 wrong_issuer')
    expect(await outcome(gate, token)).toBe('401 wrong_issuer')
  })

  it('whoever makes tenants up drives out none of whom a token was verified', async () => {
    stopClock()
    const resolve = vi.fn((issuer: string) => ({ ...theirOptions(), issuer }) as IssuerOptions)
    const gate = gateOf(resolve, { max: 3, ttl: 3600 })
    const tenant = (name: string) => `https://${name}.example.org`
    const good = await theirs.sign({ ...theirClaims, iss: tenant('good') })
    expect(await outcome(gate, good)).toBe('ok')
    for (let index = 0; index < 20; index += 1) {
      vi.advanceTimersByTime(60_000)
      expect(
        await outcome(gate, await ours.sign({ ...theirClaims, iss: tenant(`made-up-${index}`) })),
      ).toMatch(/^401 invalid_signature|^503/)
    }
    expect(await outcome(gate, good)).toBe('ok')
    expect(await outcome(gate, await theirs.sign({ ...theirClaims, iss: tenant('good'), jti: 'b' }))).toBe(
      'ok',
    )
    expect(resolve.mock.calls.filter(([issuer]) => issuer === tenant('good'))).toHaveLength(1)
  })

  it('FX59 is not asked after close, and what is at hand still decides', async () => {
    const resolve = vi.fn((issuer: string) => (issuer === PARTNER ? theirOptions() : ourOptions()))
    const verifier = issuers(resolve, { now: clock })
    const gate = createGate({ verifier, now: clock })
    const token = await theirs.sign(theirClaims)
    expect(await outcome(gate, token)).toBe('ok')
    verifier.close?.()
    expect(await outcome(gate, await ours.sign())).toBe('503 unavailable')
    expect(await outcome(gate, token)).toBe('ok')
    expect(resolve).toHaveBeenCalledTimes(1)
  })

  it.each(['max', 'ttl'])('BI20 throws for an impossible %s', (name) => {
    for (const value of [Number.NaN, -1, '5', 2 ** 53, null])
      expect(() => issuers(() => undefined, { [name]: value } as never)).toThrow(new RegExp(`"${name}"`))
  })
})
