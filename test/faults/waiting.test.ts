/** Tokens that wait for an issuer: the memory that they hold meanwhile, and how they are verified when its keys come. */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { chain, createGate, type Gate, introspection, jwt, multiIssuerJwt, opaque } from '@bearergate/core'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { DEFAULT_ALGORITHMS } from '#core/verify/keys/jwk.ts'
import { keySetLimits } from '#core/verify/keys/options.ts'
import { RemoteKeySet } from '#core/verify/keys/remote-key-set.ts'
import { followChecks } from '../support/checks.ts'
import { eventually, stopClock } from '../support/clock.ts'
import { outcome, unsignedToken } from '../support/forge.ts'
import { AUDIENCE, createKey, ISSUER, type TestKey } from '../support/issuer.ts'
import { isPending } from '../support/pending.ts'
import { turns } from './client.ts'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

stopClock()
let key: TestKey
let other: TestKey
beforeAll(async () => {
  ;[key, other] = await Promise.all([createKey('ES256', 'one'), createKey('ES256', 'two')])
})

let published: readonly TestKey[]
let fetches: number
let isHeld: boolean
let answer: () => void
beforeEach(() => {
  isHeld = true
  published = [key]
  fetches = 0
})
afterEach(() => void vi.restoreAllMocks())

/** The options of an issuer whose answers come once a test calls `answer`. */
const options = () => ({
  issuer: ISSUER,
  audience: AUDIENCE,
  jwksUri: `${ISSUER}/keys`,
  fetch: async () => {
    fetches += 1
    if (isHeld)
      await new Promise<void>((resolve) => {
        answer = () => {
          isHeld = false
          resolve()
        }
      })
    return Response.json({ keys: published.map(({ jwk }) => jwk) })
  },
})

const jwtGate = () => createGate({ ...options(), cache: false })

/** Many small values: decoded, they take ten times the memory of their text. */
const BOMB = Array.from({ length: 300 }, () => [])

function unsigned(index: number, kid: string): string {
  return unsignedToken({ typ: 'at+jwt', kid, bomb: BOMB }, { sub: `user-${index}`, bomb: BOMB })
}

const unsignedTokens = (count: number, kid = 'one') =>
  Array.from({ length: count }, (_, index) => unsigned(index, kid))

/** Follows what is decoded from now on. The result tells how much of it is held, also after some collections of garbage. */
function followDecoded(): () => Promise<number> {
  const decoded: WeakRef<object>[] = []
  const { parse } = JSON
  JSON.parse = (text: string) => {
    const value = parse(text)
    if (Object.hasOwn(value, 'bomb')) decoded.push(new WeakRef(value))
    return value
  }
  restore = () => {
    JSON.parse = parse
  }
  const held = () => decoded.filter((reference) => reference.deref() !== undefined).length
  return async () => {
    expect(decoded.length).toBeGreaterThan(0)
    for (let round = 0; round < 10 && held() > 0; round += 1) {
      // A compiler of the engine may hold an object for a moment.
      await turns()
      collectGarbage()
    }
    return held()
  }
}
let restore = () => {}
afterEach(() => restore())

describe('tokens that wait', () => {
  it.each<[string, () => Gate]>([
    ['the first key set', jwtGate],
    ['the first key set, with a cache', () => createGate(options())],
    [
      'the first key set, behind a list of issuers',
      () => createGate({ verifier: multiIssuerJwt([options()]) }),
    ],
    ['the first key set, behind a chain', () => createGate({ verifier: chain(jwt(options())) })],
  ])('for %s hold nothing that was decoded of them (ATK03)', async (_, gateOf) => {
    const gate = gateOf()
    const held = followDecoded()
    const answers = unsignedTokens(200).map((token) => outcome(gate, token))
    await eventually(() => fetches === 1)
    await turns()
    expect(await held()).toBe(0)
    answer()
    expect(new Set(await Promise.all(answers))).toEqual(new Set(['401 invalid_signature']))
  })

  it('tokens that wait for the function of multiIssuerJwt keep no decoded data (ATK03)', async () => {
    let resolve: (given: object) => void = () => {}
    const resolver = () =>
      new Promise((settle) => {
        resolve = settle
      })
    const gate = createGate({ verifier: multiIssuerJwt(resolver as never, { cache: false }) })
    const held = followDecoded()
    const answers = unsignedTokens(200).map((token) => outcome(gate, token))
    await turns()
    expect(await held()).toBe(0)
    resolve(options())
    await eventually(() => fetches === 1)
    await turns()
    expect(await held()).toBe(0)
    answer()
    expect(new Set(await Promise.all(answers))).toEqual(new Set(['401 invalid_signature']))
  })

  it.each([
    ['introspection', 200],
    ['introspection of one token for all of them', 1],
    ['a lookup', 200],
  ])('tokens that wait in a chain for %s keep no decoded data (ATK03)', async (kind, distinct) => {
    const waiting: (() => void)[] = []
    const wait = () => new Promise<void>((resolve) => waiting.push(resolve))
    const fetch = async () => {
      await wait()
      return Response.json({ active: false })
    }
    const client = { endpoint: `${ISSUER}/introspect`, clientId: 'api', clientSecret: 'secret' }
    const last = kind.startsWith('introspection')
      ? introspection({ ...client, audience: AUDIENCE, concurrency: 1_000, fetch })
      : opaque({ lookup: () => wait().then(() => null) })
    const gate = createGate({ verifier: chain(jwt({ ...options(), issuer: `${ISSUER}/other` }), last) })
    const held = followDecoded()
    const tokens = unsignedTokens(distinct)
    const answers = Array.from({ length: 200 }, (_, index) => outcome(gate, tokens[index % distinct] ?? ''))
    await eventually(() => waiting.length === distinct)
    await turns()
    expect(await held()).toBe(0)
    for (const resume of waiting) resume()
    expect(new Set(await Promise.all(answers))).toEqual(new Set(['401 unknown_token']))
  })

  it('tokens that wait for a newer key set keep no decoded data (ATK03)', async () => {
    const gate = jwtGate()
    const ready = gate.ready()
    await eventually(() => fetches === 1)
    answer()
    await ready
    isHeld = true
    const held = followDecoded()
    const answers = unsignedTokens(200, 'two').map((token) => outcome(gate, token))
    await eventually(() => fetches === 2)
    await turns()
    expect(await held()).toBe(0)
    answer()
    expect(new Set(await Promise.all(answers))).toEqual(new Set(['401 unknown_key']))
  })

  it('are answered 200 if they are good: 1,000 distinct ones from one fetch (ATK03)', async () => {
    const gate = createGate({ ...options(), isRevoked: () => false })
    const tokens = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) => key.sign({ sub: `user-${index}`, jti: `${index}` })),
    )
    const answers = tokens.map((token) => outcome(gate, token))
    await eventually(() => fetches === 1)
    await turns()
    answer()
    expect(new Set(await Promise.all(answers))).toEqual(new Set(['ok']))
    expect(fetches).toBe(1)
  })

  it('tokens that waited get the identity of their own claims (ATK03)', async () => {
    const gate = jwtGate()
    const subjects = ['emma', 'noah', 'mia']
    const tokens = await Promise.all(subjects.map((sub) => key.sign({ sub })))
    const decisions = tokens.map((token) =>
      gate.authenticate({ header: (name) => (name === 'authorization' ? `Bearer ${token}` : undefined) }),
    )
    await eventually(() => fetches === 1)
    answer()
    expect(await Promise.all(decisions)).toMatchObject(subjects.map((subject) => ({ identity: { subject } })))
  })
})

describe('when the keys come', () => {
  it.each([
    ['for the first key set', false],
    ['for a newer key set', true],
  ])(
    'at most 48 tokens of unknown callers that waited %s are verified at once (ATK03)',
    async (_, isNewer) => {
      const gate = jwtGate()
      if (isNewer) {
        const ready = gate.ready()
        await eventually(() => fetches === 1)
        answer()
        await ready
        isHeld = true
      }
      published = [other]
      const checks = followChecks()
      const tokens = await Promise.all(
        Array.from({ length: 500 }, (_, index) => other.sign({ sub: `user-${index}` })),
      )
      const before = fetches
      const answers = tokens.map((token) => outcome(gate, token))
      await eventually(() => fetches === before + 1)
      await turns()
      answer()
      expect(new Set(await Promise.all(answers))).toEqual(new Set(['ok']))
      expect([checks.total, checks.most]).toEqual([500, 48])
    },
  )
})

describe('the requests that wait for one refresh', () => {
  /** A key set whose first fetch brings a key if it is warm. Every other fetch is silent. */
  async function keySet(isWarm: boolean): Promise<RemoteKeySet> {
    let fetches = 0
    const fetchKeys = async () => {
      fetches += 1
      return isWarm && fetches === 1
        ? { body: { keys: [key.jwk] }, maxAge: undefined }
        : new Promise<never>(() => {})
    }
    const keys = new RemoteKeySet({
      issuer: ISSUER,
      fetchKeys,
      algorithms: DEFAULT_ALGORITHMS,
      limits: keySetLimits({}),
    })
    if (isWarm) await keys.ready()
    return keys
  }

  /** Calls so many times, and returns the results, which are rejected once the set is closed. */
  const repeat = (times: number, call: () => unknown) =>
    Array.from({ length: times }, () => Promise.resolve(call()).catch((cause: Error) => cause.message))
  const TOO_MANY = `Too many requests are already waiting for the JWKS of ${ISSUER}`

  it.each([
    ['20,000 while there are no keys', false, 20_000, {}],
    ['1,000 of unknown callers', true, 1_000, undefined],
    ['20,000 of known callers', true, 20_000, {}],
  ])('are at most %s', async (_, isWarm, max, caller) => {
    const keys = await keySet(isWarm)
    const call = () =>
      isWarm ? keys.search('ES256', 'unknown', [], caller) : (keys.find('ES256', 'one') as Promise<unknown>)
    const waiting = repeat(max, call)
    expect(await Promise.all(repeat(2, call))).toEqual([TOO_MANY, TOO_MANY])
    expect(await isPending(Promise.race(waiting))).toBe(true)
    keys.close()
    expect(await Promise.all(waiting)).not.toContain(TOO_MANY)
  })

  it('leave room for known callers if unknown ones fill their share', async () => {
    const keys = await keySet(true)
    const unknown = repeat(1_000, () => keys.search('ES256', 'unknown', [], undefined))
    const [known] = repeat(1, () => keys.search('ES256', 'unknown', [], {}))
    expect(await isPending(known as Promise<unknown>)).toBe(true)
    keys.close()
    await Promise.all(unknown)
    expect(await known).not.toBe(TOO_MANY)
  })
})
