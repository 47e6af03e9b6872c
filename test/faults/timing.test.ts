/** The exact times of the core: when keys are refreshed, retried and dropped, and how long anything is waited for. */

import {
  createGate,
  type JwksStore,
  type StoredJwks,
  type TokenVerifier,
  UnavailableError,
  type Verification,
} from '@bearergate/core'
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { setClock } from '#core/lib/clock.ts'
import { secureUrl } from '#core/lib/url.ts'
import { fetchJson } from '#core/net/fetch-json.ts'
import { KeptConnections } from '#core/net/hedged-post.ts'
import { InFlight } from '#core/net/single-flight.ts'
import { cached } from '#core/verify/cached.ts'
import { DEFAULT_ALGORITHMS } from '#core/verify/keys/jwk.ts'
import { usableKeys } from '#core/verify/keys/jwks.ts'
import { RefreshPolicy } from '#core/verify/keys/refresh-policy.ts'
import { freeze, pass, pendingDeadlines, stopClock, time } from '../support/clock.ts'
import { createKey, ISSUER, type TestKey } from '../support/issuer.ts'
import { forgedToken, type ObserveOptions, tokenOf, turns } from './client.ts'
import { fixJitter, setJitter, TICK, type Timeline, timeline } from './timeline.ts'

const MINUTE = 60
const DAY = 86_400
/** The largest result of `Math.random`. */
const ALMOST_ONE = 1 - 2 ** -53

let key: TestKey
let other: TestKey

beforeAll(async () => {
  ;[key, other] = await Promise.all([createKey('ES256', 'one'), createKey('ES256', 'two')])
})
stopClock()
fixJitter()

type Answer = () => Response | Promise<Response>

const keySet = (headers: Record<string, string> = {}) => Response.json({ keys: [key.jwk] }, { headers })
const failure = (headers: Record<string, string> = {}) => new Response('', { status: 500, headers })
const silence = () => new Promise<Response>(() => {})

/** When the issuer was asked, in seconds since the test began. */
let fetches: number[]
let answer: Answer
beforeEach(() => {
  fetches = []
  answer = () => keySet()
})

/** Creates a gate for an issuer whose endpoint answers with `answer`. */
function gateFor(options: ObserveOptions = {}): Timeline {
  const fetch = async () => {
    fetches.push(time())
    return answer()
  }
  return timeline({ origin: ISSUER }, { fetch, ...options })
}

/** Signs a token that is valid for 30 days. */
const longLived = () => tokenOf(key, ISSUER, { exp: Date.now() / 1000 + 30 * DAY })

describe('the refresh of a key set', () => {
  it.each([
    [0, 420],
    [0.5, 480],
    [ALMOST_ONE, 540],
  ])('refreshes the keys, at the random value %d, after %d s if cacheMaxAge is 600', async (jitter, due) => {
    setJitter(jitter)
    const { ask, gate, settled } = gateFor()
    expect(await ask(key)).toBe('ok')
    pass(due - TICK)
    expect(await ask(key)).toBe('ok')
    await settled()
    expect(gate.describe()).toMatchObject({ verifier: { keySet: { state: 'fresh' } } })
    pass(TICK)
    expect(gate.describe()).toMatchObject({ verifier: { keySet: { state: 'stale' } } })
    expect(await ask(key)).toBe('ok')
    await settled()
    expect(gate.describe()).toMatchObject({ verifier: { keySet: { state: 'fresh', age: 0 } } })
    expect(fetches).toEqual([0, due])
  })

  it.each([
    ['max-age=7200', 7200],
    ['public, max-age="7200"', 7200],
    ['max-age=60', MINUTE],
    ['max-age=59', MINUTE],
    ['max-age=0', MINUTE],
    ['max-age=86400', DAY],
    ['max-age=86401', DAY],
    ['max-age=999999999', DAY],
    ['no-store', 600],
    ['s-maxage=1', 600],
  ])(
    'refreshes the keys at four fifths of their lifetime, which Cache-Control: %s makes %d s',
    async (value, fresh) => {
      answer = () => keySet({ 'cache-control': value })
      const { send, settled } = gateFor()
      const token = await longLived()
      expect(await send(token)).toBe('ok')
      pass(fresh * 0.8 - TICK)
      expect(await send(token)).toBe('ok')
      await settled()
      expect(fetches).toEqual([0])
      pass(TICK)
      expect(await send(token)).toBe('ok')
      await settled()
      expect(fetches).toEqual([0, fresh * 0.8])
    },
  )

  it('fetches nothing without a request, and leaves no deadline pending', async () => {
    const { gate } = gateFor()
    await gate.ready()
    pass(5)
    expect(pendingDeadlines()).toEqual([])
    pass(7 * DAY)
    await turns()
    expect(fetches).toEqual([0])
  })

  it('shares one refresh among good tokens and unknown keys', async () => {
    const { ask, begin, send, settled } = gateFor()
    expect(await ask(key)).toBe('ok')
    let release = () => {}
    answer = () =>
      new Promise((resolve) => {
        release = () => resolve(Response.json({ keys: [key.jwk, other.jwk] }))
      })
    pass(480)
    const good = await tokenOf(key, ISSUER)
    const unknown = await tokenOf(other, ISSUER)
    for (let request = 0; request < 50; request += 1) expect(await send(good)).toBe('ok')
    const requests = Array.from({ length: 50 }, () => begin(unknown))
    await turns()
    pass(1)
    for (let request = 0; request < 50; request += 1) expect(await send(good)).toBe('ok')
    expect(fetches).toEqual([0, 480])
    release()
    expect(new Set(await Promise.all(requests.map(({ answered }) => answered)))).toEqual(new Set(['ok']))
    await settled()
    expect(fetches).toEqual([0, 480])
  })

  it('shares one fetch among concurrent calls of ready()', async () => {
    const { gate } = gateFor()
    await Promise.all([gate.ready(), gate.ready(), gate.ready()])
    expect(fetches).toEqual([0])
  })
})

describe('a key set that cannot be refreshed', () => {
  it.each([
    ['for 3,600 s by default', {}, {}, 3600],
    ['for staleIfError', { staleIfError: 700 }, {}, 700],
    ['for cacheMaxAge, if that is longer than the default', { cacheMaxAge: 7000 }, {}, 7000],
    [
      'for staleIfError, if max-age is longer',
      { staleIfError: 700 },
      { 'cache-control': 'max-age=5000' },
      700,
    ],
    ['for a day, if max-age is longer', {}, { 'cache-control': 'max-age=100000' }, DAY],
    ['for staleIfError, if max-age is shorter', { staleIfError: 700 }, { 'cache-control': 'max-age=5' }, 700],
  ])('uses the last good keys %s', async (_, options, headers, usableFor) => {
    answer = () => keySet(headers)
    const { send, gate } = gateFor(options)
    const token = await longLived()
    expect(await send(token)).toBe('ok')
    expect(gate.describe()).toMatchObject({ verifier: { keySet: { usableFor } } })
    answer = () => failure()
    pass(usableFor - TICK)
    expect(await send(token)).toBe('ok')
    pass(TICK)
    expect(gate.describe()).toMatchObject({ verifier: { keySet: { state: 'expired', usableFor: 0 } } })
    expect(await send(token)).toBe('unavailable')
  })
})

describe('a fetch that ignores its signal', () => {
  it.each<[string, string, Answer]>([
    ['never resolves', 'FX22', silence],
    ['resolves with a body that never ends', 'FX23', () => new Response(new ReadableStream())],
  ])('answers 503 after 5 s if fetch ignores its signal and %s (%s)', async (_what, _id, stall) => {
    answer = stall
    const { begin, moments, settled } = gateFor()
    const request = begin(await tokenOf(key, ISSUER))
    await turns()
    pass(5 - TICK)
    await turns()
    expect(request.outcome).toBe(undefined)
    pass(TICK)
    expect(await request.answered).toBe('unavailable')
    await settled()
    expect([fetches, moments]).toEqual([[0], [5]])
  })
})

describe('the wait after a failure', () => {
  it.each([
    [0, [0.75, 1.5, 3, 6, 12, 24, 36, 36, 36]],
    [0.5, [1, 2, 4, 8, 16, 32, 48, 48, 48]],
    [0.75, [1.125, 2.25, 4.5, 9, 18, 36, 54, 54, 54]],
  ])(
    'doubles the wait after each failed fetch, at the random value %d, up to 48 s plus or minus a quarter, and starts over after a success',
    async (jitter, waits) => {
      setJitter(jitter)
      answer = () => failure()
      const { ask, decide, events } = gateFor()
      const moments: number[] = []
      for (const wait of waits) {
        moments.push(time())
        const decision = await decide(await tokenOf(key, ISSUER))
        expect(decision).toMatchObject({ status: 503, headers: { 'Retry-After': `${Math.ceil(wait)}` } })
        expect(events.at(-1)).toMatchObject({ type: 'failed', retryAfter: wait })
        pass(wait - TICK)
        expect(await ask(key)).toBe('unavailable')
        expect(fetches).toEqual(moments)
        pass(TICK)
      }
      expect(events).toHaveLength(waits.length)
      answer = () => keySet()
      expect(await ask(key)).toBe('ok')
      pass(3600)
      answer = () => failure()
      expect(await ask(key)).toBe('unavailable')
      expect(events.at(-1)).toMatchObject({ type: 'failed', retryAfter: waits[0] })
    },
  )

  it.each([ALMOST_ONE, 0.5])(
    'waits 60 s after each failed fetch, at the random value %d, if Retry-After is longer',
    async (jitter) => {
      setJitter(jitter)
      answer = () => failure({ 'retry-after': '3600' })
      const { ask, events } = gateFor()
      for (let attempt = 0; attempt < 9; attempt += 1) {
        expect(await ask(key)).toBe('unavailable')
        expect(events.at(-1)).toMatchObject({ retryAfter: 60 })
        pass(60)
      }
      expect(fetches).toHaveLength(9)
    },
  )

  it('waits for Retry-After and an eighth, or for the backoff, whichever is longer', async () => {
    answer = () => failure({ 'retry-after': '10' })
    const { ask, events } = gateFor()
    for (const wait of [11.25, 11.25, 11.25, 11.25, 16, 32, 48]) {
      expect(await ask(key)).toBe('unavailable')
      expect(events.at(-1)).toMatchObject({ retryAfter: wait })
      pass(wait)
    }
  })

  it('fetches neither in the background nor for unknown keys during the wait after a failed fetch', async () => {
    const { ask, send, settled } = gateFor()
    expect(await ask(key)).toBe('ok')
    answer = () => failure({ 'retry-after': '20' })
    pass(480)
    expect(await ask(key)).toBe('ok')
    await settled()
    pass(22.5 - TICK)
    expect(await ask(key)).toBe('ok')
    expect(await send(forgedToken(ISSUER, 'forged'))).toBe('unavailable')
    await settled()
    expect(fetches).toEqual([0, 480])
    pass(TICK)
    expect(await ask(key)).toBe('ok')
    await settled()
    expect(fetches).toEqual([0, 480, 502.5])
  })

  it.each([
    [0, '1', 1],
    [0, '10', 10],
    [0.5, '10', 11.25],
    [ALMOST_ONE, '10', 12.5],
    [0, '50', 50],
    [0.5, '50', 55],
    [ALMOST_ONE, '50', 60],
  ])('waits, at the random value %d, after Retry-After: %s for %d s (FX06)', async (jitter, value, wait) => {
    setJitter(jitter)
    answer = () => failure({ 'retry-after': value })
    const { ask, events } = gateFor()
    expect(await ask(key)).toBe('unavailable')
    expect(events).toMatchObject([{ retryAfter: expect.closeTo(wait, 9) }])
  })

  it('ignores the wait in an error of the function "fetch": only a Retry-After of the issuer counts', async () => {
    answer = () => {
      throw new UnavailableError('no network', { retryAfter: 3600 })
    }
    const { ask, events } = gateFor()
    expect(await ask(key)).toBe('unavailable')
    expect(events).toMatchObject([{ retryAfter: 1 }])
  })

  it('spreads the second attempts of 1,000 processes, and those at the longest wait (FX01)', async () => {
    vi.mocked(Math.random).mockRestore()
    const first = new Set<number>()
    const longest = new Set<number>()
    for (let process = 0; process < 1_000; process += 1) {
      const policy = new RefreshPolicy({ cacheMaxAge: undefined, staleIfError: undefined })
      policy.failed(new UnavailableError('down'))
      first.add(policy.wait)
      for (let attempt = 0; attempt < 9; attempt += 1) policy.failed(new UnavailableError('down'))
      longest.add(policy.wait)
    }
    for (const waits of [first, longest]) expect(waits.size).toBeGreaterThan(990)
    expect(Math.max(...longest)).toBeLessThanOrEqual(60)
  })

  it('reads Retry-After in seconds or as a date, up to 60 s (RFC 9110 §10.2.3)', async () => {
    const retryAfterOf = (value: string) =>
      fetchJson(
        secureUrl('url', 'https://id.example.com'),
        async () => failure({ 'retry-after': value }),
        new AbortController().signal,
      )
    const date = (seconds: number) => new Date(Date.now() + seconds * 1000).toUTCString()
    await expect(retryAfterOf('59')).rejects.toMatchObject({ retryAfter: 59 })
    await expect(retryAfterOf('61')).rejects.toMatchObject({ retryAfter: 60 })
    await expect(retryAfterOf(date(59))).rejects.toMatchObject({ retryAfter: 59 })
    await expect(retryAfterOf(date(61))).rejects.toMatchObject({ retryAfter: 60 })
    await expect(retryAfterOf(date(-5))).rejects.toMatchObject({ retryAfter: 1 })
  })
})

describe('the budget of refreshes for unknown keys', () => {
  it.each([
    ['30 s by default', {}, 30],
    ['7 s if "cooldown" says so', { cooldown: 7 }, 7],
  ])('allows two refreshes for unknown keys, and one more each %s (FX34)', async (_, options, cooldown) => {
    const { ask, send } = gateFor(options)
    expect(await ask(key)).toBe('ok')
    let kid = 0
    const forge = async () => {
      for (let time = 0; time < 5; time += 1) {
        const before = fetches.length
        const outcome = await send(forgedToken(ISSUER, `forged${kid++}`))
        expect(outcome).toBe(fetches.length > before ? 'unknown_key' : 'unavailable')
      }
    }
    await forge()
    expect(fetches).toEqual([0, 0, 0])
    pass(cooldown - TICK)
    await forge()
    expect(fetches).toHaveLength(3)
    pass(TICK)
    await forge()
    expect(fetches.slice(3)).toEqual([cooldown])
    // Half of a cooldown counts on: the next one is regained at twice the time, not at two and a half.
    pass(cooldown * 1.5)
    await forge()
    expect(fetches.slice(4)).toEqual([cooldown * 2.5])
    pass(cooldown * 0.5 - TICK)
    await forge()
    expect(fetches).toHaveLength(5)
    pass(TICK)
    await forge()
    expect(fetches.slice(5)).toEqual([cooldown * 3])
    // However long nothing is spent, there are two.
    pass(cooldown * 10)
    await forge()
    expect(fetches.slice(6)).toEqual([cooldown * 13, cooldown * 13])
  })
})

describe('a refresh during which the process was frozen', () => {
  it('repeats a refresh without a failure if a freeze makes its deadline more than 0.25 s late (FX42)', async () => {
    answer = silence
    const { begin, events } = gateFor()
    const request = begin(await tokenOf(key, ISSUER))
    await turns()
    freeze(5.25 + TICK)
    answer = () => keySet()
    pass(0)
    expect(await request.answered).toBe('ok')
    expect(fetches).toEqual([0, 5.25 + TICK])
    expect(events).toMatchObject([{ type: 'refreshed' }])
  })

  it('reports a failed refresh if its deadline is up to 0.25 s late (FX42)', async () => {
    answer = silence
    const { begin, moments } = gateFor()
    const request = begin(await tokenOf(key, ISSUER))
    await turns()
    freeze(5.25)
    answer = () => keySet()
    pass(0)
    expect(await request.answered).toBe('unavailable')
    expect([fetches, moments]).toEqual([[0], [5.25]])
  })

  it('reports a failed refresh if the process also freezes during the repeated one (FX42)', async () => {
    answer = silence
    const { begin, events, moments } = gateFor()
    const request = begin(await tokenOf(key, ISSUER))
    await turns()
    freeze(5.5)
    pass(0)
    await turns()
    expect(request.outcome).toBe(undefined)
    freeze(5.5)
    pass(0)
    expect(await request.answered).toBe('unavailable')
    expect(events).toMatchObject([{ type: 'failed', retryAfter: 1 }])
    expect([fetches, moments]).toEqual([[0, 5.5], [11]])
  })

  it('replaces a frozen refresh from 1 s after its deadline on, also for requests that wait for it (FX42)', async () => {
    answer = silence
    const { begin, events } = gateFor()
    const first = begin(await tokenOf(key, ISSUER))
    await turns()
    // As on Workers, where a deadline ends with its request.
    freeze(6 - TICK)
    answer = () => keySet()
    const second = begin(await tokenOf(key, ISSUER))
    await turns()
    expect(fetches).toEqual([0])
    freeze(TICK)
    const third = begin(await tokenOf(key, ISSUER))
    expect(await Promise.all([first.answered, second.answered, third.answered])).toEqual(['ok', 'ok', 'ok'])
    expect(fetches).toEqual([0, 6])
    expect(events).toMatchObject([{ type: 'refreshed' }])
  })
})

describe('a key set store', () => {
  const storeOf = (get: JwksStore['get']): JwksStore => ({ get, set: () => {} })
  const stored = (age: number): StoredJwks => ({ keys: [key.jwk], fetchedAt: Date.now() - age * 1000 })

  it.each([
    [5, 1],
    [1.5, 0.75],
  ])(
    'waits, with a timeout of %d s, %d s for a silent store before it fetches',
    async (timeout, patience) => {
      const { begin } = gateFor({ timeout, jwksStore: storeOf(() => new Promise(() => {})) })
      const request = begin(await tokenOf(key, ISSUER))
      await turns()
      pass(patience - TICK)
      await turns()
      expect([request.outcome, fetches]).toEqual([undefined, []])
      pass(TICK)
      expect(await request.answered).toBe('ok')
      expect(fetches).toEqual([patience])
    },
  )

  it('uses a stored set of less than 480 s without a fetch, and fetches first if it is older', async () => {
    const fresh = gateFor({ jwksStore: storeOf(() => stored(480 - TICK)) })
    expect(await fresh.ask(key)).toBe('ok')
    expect(fetches).toEqual([])
    const due = gateFor({ jwksStore: storeOf(() => stored(480)) })
    expect(await due.ask(key)).toBe('ok')
    expect(fetches).toEqual([0])
  })

  it('uses a stale stored set after 1.5 s if the issuer does not answer (FX30)', async () => {
    answer = silence
    const { begin, moments, events } = gateFor({ jwksStore: storeOf(() => stored(1000)) })
    const request = begin(await tokenOf(key, ISSUER))
    await turns()
    expect(fetches).toEqual([0])
    pass(1.5 - TICK)
    await turns()
    expect(request.outcome).toBe(undefined)
    pass(TICK)
    expect(await request.answered).toBe('ok')
    expect(events.map(({ type }) => type)).toEqual(['refreshed', 'failed'])
    expect(moments).toEqual([0, 1.5])
  })

  it('uses a stored set of less than 3,600 s if the issuer is down, and answers 503 if it is older', async () => {
    answer = () => failure()
    const usable = gateFor({ jwksStore: storeOf(() => stored(3600 - TICK)) })
    expect(await usable.ask(key)).toBe('ok')
    const expired = gateFor({ jwksStore: storeOf(() => stored(3600)) })
    expect(await expired.ask(key)).toBe('unavailable')
  })
})

describe('the deadline of a gate', () => {
  const request = () => new Request('https://api.example.com', { headers: { authorization: 'Bearer abc' } })

  /** Sends requests at these moments to a verifier that never answers, and returns when each was answered. */
  async function answeredAt(sentAt: readonly number[], deadline?: number): Promise<(number | undefined)[]> {
    const gate = createGate({ verifier: { verify: () => new Promise<never>(() => {}) }, deadline })
    const answered: (number | undefined)[] = sentAt.map(() => undefined)
    const end = Math.max(...sentAt) + 2 * (deadline ?? 10)
    for (; time() < end; pass(TICK)) {
      for (const [index, moment] of sentAt.entries())
        if (moment === time())
          void Promise.resolve(gate.authenticate(request())).then((decision) => {
            expect(decision).toMatchObject({ ok: false, status: 503 })
            answered[index] = time()
          })
      await turns()
    }
    return answered
  }

  it('answers 503 after 10 s if the verifier never answers (FX56)', async () => {
    expect(await answeredAt([0])).toEqual([10])
  })

  it('shares a deadline among the requests within a tenth of it, so that each waits nine tenths or more', async () => {
    expect(await answeredAt([0, 0.5, 1 - TICK, 1, 1.5, 2, 15])).toEqual([10, 10, 10, 11, 11, 12, 25])
  })

  it('answers 503 after the time that the "deadline" option says', async () => {
    expect(await answeredAt([0, 1.875, 2], 20)).toEqual([20, 20, 22])
    expect(pendingDeadlines()).toEqual([])
  })

  it('returns the result of a verifier that came right before the deadline', async () => {
    let release: (verification: Verification) => void = () => {}
    const verify = () =>
      new Promise<Verification>((resolve) => {
        release = resolve
      })
    const gate = createGate({ verifier: { verify } })
    const decision = Promise.resolve(gate.authenticate(request()))
    await turns()
    pass(10 - TICK)
    release({ active: false, reason: 'revoked' })
    expect(await decision).toMatchObject({ status: 401 })
  })
})

describe('a pending result', () => {
  it('concurrent callers share a pending result for 5 s', async () => {
    const flight = new InFlight<number>(10)
    const promise = flight.add('a', new Promise(() => {}))
    pass(5 - TICK)
    expect(flight.get('a')).toBe(promise)
    pass(TICK)
    expect(flight.get('a')).toBe(undefined)
  })

  it('removes a pending result when it settles, but not a later one with the same key', async () => {
    const flight = new InFlight<number>(10)
    let settle = (_: number) => {}
    flight.add(
      'a',
      new Promise((resolve) => {
        settle = resolve
      }),
    )
    const later = flight.add('a', new Promise(() => {}))
    settle(1)
    await turns()
    expect(flight.get('a')).toBe(later)
    await flight.add('b', Promise.resolve(2))
    await turns()
    expect(flight.get('b')).toBe(undefined)
    await flight.add('c', Promise.reject(new Error())).catch(() => {})
    await turns()
    expect(flight.get('c')).toBe(undefined)
  })

  it('drops the oldest pending result beyond the limit', () => {
    const flight = new InFlight<number>(2)
    for (const name of ['a', 'b', 'c']) flight.add(name, new Promise(() => {}))
    expect(['a', 'b', 'c'].map((name) => flight.get(name) === undefined)).toEqual([true, false, false])
  })

  it('shares a pending verification among requests with the same token for 5 s (FX53)', async () => {
    const calls: number[] = []
    const settlers: ((verification: Verification) => void)[] = []
    const verifier: TokenVerifier = {
      verify: () => {
        calls.push(time())
        return new Promise((resolve) => settlers.push(resolve))
      },
    }
    const shared = cached(verifier, { ttl: 60, negativeTtl: 60 })
    const results = [shared.verify('a'), shared.verify('a')]
    pass(5 - TICK)
    results.push(shared.verify('a'))
    expect(calls).toEqual([0])
    pass(TICK)
    results.push(shared.verify('a'))
    expect(calls).toEqual([0, 5])
    settlers[1]?.({ active: false, reason: 'revoked' })
    await turns()
    // The first one is so late that the second one may be newer: it answers its own requests only.
    settlers[0]?.({ active: false, reason: 'expired' })
    expect(await Promise.all(results)).toMatchObject(
      ['expired', 'expired', 'expired', 'revoked'].map((reason) => ({ reason })),
    )
    expect(await shared.verify('a')).toMatchObject({ reason: 'revoked' })
    expect(calls).toEqual([0, 5])
  })
})

describe('a POST over keep-alive connections', () => {
  const form = async () => ({ headers: new Headers(), body: new URLSearchParams() })
  let posts: number[]
  let reply: Answer
  let connections: KeptConnections
  const post = (signal = new AbortController().signal) =>
    connections.post(secureUrl('url', 'https://id.example.com/introspect'), form, signal)

  beforeEach(() => {
    posts = []
    reply = () => Response.json({ active: true })
    connections = new KeptConnections(async () => {
      posts.push(time())
      return reply()
    })
  })

  /** Lets time pass until the moment, in steps so that each deadline has its consequences. */
  async function passUntil(moment: number): Promise<void> {
    while (time() < moment) {
      await turns()
      pass(TICK)
    }
    await turns()
  }

  it.each([
    [60 - TICK, 1],
    [60, 4],
  ])(
    'sends a POST without an answer, after a pause of %d s, %d time(s), 0.5 s apart (FX42)',
    async (gap, count) => {
      await post()
      pass(gap)
      reply = silence
      const abort = new AbortController()
      const answered = post(abort.signal).catch((cause) => cause)
      await passUntil(gap + 5)
      expect(posts.slice(1)).toEqual([0, 0.5, 1, 1.5].slice(0, count).map((after) => gap + after))
      abort.abort(new Error('too late'))
      expect(await answered).toMatchObject({ message: 'too late' })
    },
  )

  it.each<[string, Answer]>([
    ['fetch never resolves', silence],
    [
      'the body never ends',
      () => new Response(new ReadableStream(), { headers: { 'content-type': 'application/json' } }),
    ],
  ])(
    'rejects a POST when its signal aborts, even if %s and nothing heeds the signal (FX44, FX45)',
    async (_, stall) => {
      reply = stall
      const abort = new AbortController()
      const rejected = post(abort.signal).catch((cause) => cause)
      await turns()
      const late = new Error('too late')
      abort.abort(late)
      expect(await rejected).toBe(late)
    },
  )

  it('sends the first POST once, even without an answer', async () => {
    reply = silence
    post()
    await passUntil(5)
    expect(posts).toEqual([0])
  })

  it('repeats a POST without an answer until 10 s after a pause (FX42)', async () => {
    await post()
    pass(60)
    await post()
    reply = silence
    pass(10 - TICK)
    post()
    await passUntil(70 - TICK + 0.5)
    expect(posts).toEqual([0, 60, 70 - TICK, 70 - TICK + 0.5])
  })

  it('sends a POST once from 10 s after a pause on', async () => {
    await post()
    pass(60)
    await post()
    reply = silence
    pass(10)
    post()
    await passUntil(75)
    expect(posts).toEqual([0, 60, 70])
  })

  it('resolves a repeated POST with the first answer, even if it belongs to the first attempt (FX42)', async () => {
    await post()
    pass(60)
    const releases: (() => void)[] = []
    reply = () =>
      new Promise((resolve) => releases.push(() => resolve(Response.json({ attempt: releases.length }))))
    const answered = post()
    await passUntil(61)
    expect(posts.slice(1)).toEqual([60, 60.5, 61])
    releases[0]?.()
    expect(await answered).toMatchObject({ body: { attempt: 3 } })
    await passUntil(65)
    expect(posts).toHaveLength(4)
  })

  it('repeats a POST at once after a failed connection, and rejects after the second one (FX42)', async () => {
    await post()
    pass(60)
    reply = () => Promise.reject(new TypeError('fetch failed'))
    await expect(post()).rejects.toMatchObject({ name: 'UnavailableError' })
    expect(posts).toEqual([0, 60, 60])
  })
})

describe('the import of a large key set', () => {
  it('yields to the event loop every 5 ms while it imports a large key set (FX20)', async () => {
    let now = 0
    // Each look at the clock takes almost 2 ms, and there is one for each entry: the third one is past 5 ms.
    setClock({ now: () => 0, monotonic: () => ++now / 512, timeout: () => new AbortController().signal })
    const digest = vi.spyOn(crypto.subtle, 'digest')
    const { problems } = await usableKeys(
      [key.jwk, ...Array.from({ length: 999 }, () => null)],
      DEFAULT_ALGORITHMS,
      [],
    )
    expect(problems).toHaveLength(999)
    expect(digest.mock.calls.length).toBe(333)
  })
})
