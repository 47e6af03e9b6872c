/** The limits of a receiver: how long a message may be, how long it may take, and how long it waits for keys. */

import { backChannelLogout, type RejectedSignal, type Signal, securityEvents } from '@bearergate/core/signals'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { eventually, pass, pendingDeadlines, stopClock, time } from '../../support/clock.ts'
import { type Claims, signEvent } from '../../support/event-token.ts'
import { AUDIENCE, createKey, ISSUER, NOW, type TestKey } from '../../support/issuer.ts'
import { isPending } from '../../support/pending.ts'

const [key, next, stranger] = (await Promise.all(
  ['now', 'next', 'stranger'].map((kid) => createKey('ES256', kid)),
)) as [TestKey, TestKey, TestKey]
const TYPE = 'application/secevent+jwt'

stopClock()
let revoked: unknown[]
let rejected: RejectedSignal[]
let signals: Signal[]
/** The keys that the issuer publishes. `undefined` if it is down. */
let published: readonly TestKey[] | undefined
let fetches: number

beforeEach(() => {
  revoked = []
  rejected = []
  signals = []
  published = [key]
  fetches = 0
})

const fetch = async () => {
  fetches += 1
  if (published === undefined) return new Response('', { status: 500 })
  return Response.json({ keys: published.map(({ jwk }) => jwk) })
}
const COMMON = {
  issuer: ISSUER,
  now: () => NOW * 1000,
  gate: { revoke: async (revocation: unknown) => void revoked.push(revocation) },
  onSignal: (signal: Signal) => signals.push(signal),
  onRejected: (one: RejectedSignal) => rejected.push(one),
}
const receiver = (options = {}) =>
  securityEvents({
    ...COMMON,
    audience: AUDIENCE,
    jwksUri: `${ISSUER}/keys`,
    fetch,
    ...options,
  } as never)

let count = 0
const token = (signer: TestKey, header: Claims = {}, claims: Claims = {}) => {
  count += 1
  return signEvent(signer, { jti: `e${count}`, ...claims }, header)
}
/** The status of the answer to a token. */
const post = async (to: ReturnType<typeof receiver>, text: string) =>
  (await to.receive({ contentType: TYPE, body: text })).status
const forged = () => token(stranger, { kid: `made-up-${count}` })

describe('the length of a message', () => {
  const LONG = 'x'.repeat(65_537)

  it('is at most 65,536 characters, as a text, as a form or in a parsed form', async () => {
    const logout = backChannelLogout({ ...COMMON, clientId: 'web', keys: { keys: [key.jwk] } } as never)
    const answers = [
      await receiver().receive({ contentType: TYPE, body: LONG }),
      await logout.receive({ contentType: undefined, body: `logout_token=${LONG}` }),
      await logout.receive({ contentType: undefined, body: { logout_token: LONG } }),
    ]
    for (const answer of answers)
      expect(answer).toEqual({ status: 413, headers: { 'Cache-Control': 'no-store' }, body: '' })
    const description = 'The body is longer than 65536 characters'
    expect(rejected).toEqual(Array(3).fill({ status: 413, description }))
  })
})

describe('the fetch handler', () => {
  const request = (body: string | ReadableStream, headers = {}) =>
    new Request('https://api.example.com/events', {
      method: 'POST',
      body,
      headers: { 'Content-Type': TYPE, ...headers },
      duplex: 'half',
    } as RequestInit)

  it('reads the message and answers it', async () => {
    const answer = await receiver().handle(request(await token(key)))
    expect([answer.status, answer.headers.get('cache-control'), await answer.text()]).toEqual([
      202,
      'no-store',
      '',
    ])
    expect(revoked).toHaveLength(1)
  })

  it('answers 405 to another method, and 413 to a body that is longer than it reads', async () => {
    const answers = [
      await receiver().handle(new Request('https://api.example.com/events')),
      await receiver().handle(request('x'.repeat(70_000))),
      await receiver().handle(request('x', { 'Content-Length': '70000' })),
    ]
    expect(answers.map(({ status }) => status)).toEqual([405, 413, 413])
  })

  it('answers 408 after 10 s if the body has not arrived by then, and stops reading', async () => {
    let cancelled = false
    let drip = () => {}
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        drip = () => controller.enqueue(new Uint8Array([97]))
      },
      cancel() {
        cancelled = true
      },
    })
    const answering = receiver().handle(request(body))
    await eventually(() => pendingDeadlines().includes(10))
    for (let seconds = 1; seconds < 10; seconds += 1) {
      drip()
      pass(1)
      expect(await isPending(answering)).toBe(true)
    }
    pass(1)
    expect((await answering).status).toBe(408)
    await eventually(() => cancelled)
    expect(rejected).toEqual([{ status: 408, description: 'The body did not arrive within 10 s' }])
  })

  it('answers 400 if the body breaks off', async () => {
    const body = new ReadableStream({ start: (controller) => controller.error(new Error('reset')) })
    expect((await receiver().handle(request(body))).status).toBe(400)
    expect(rejected).toEqual([{ status: 400, description: 'The body broke off, or was read before' }])
  })
})

describe('a store that does not answer', () => {
  it('makes the answer 503 after 10 s (P06)', async () => {
    const answering = receiver({ gate: { revoke: () => new Promise(() => {}) } }).receive({
      contentType: TYPE,
      body: await token(key),
    })
    await eventually(() => fetches === 1)
    await isPending(answering)
    pass(10)
    expect((await answering).status).toBe(503)
    expect(rejected).toMatchObject([
      { status: 503, cause: { message: 'The event token was not checked and stored in time' } },
    ])
  })
})

/** Comes when this many tokens wait for 5 s. The deadline of each fetch is as long. */
const waits = (count: number) =>
  eventually(() => pendingDeadlines().filter((due) => due === 5).length === count + fetches)

describe('a token whose key is not available', () => {
  beforeEach(() => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })

  it('waits for the next fetch that is allowed, and is accepted, if forged tokens used up the others (P05)', async () => {
    const one = receiver()
    expect(await post(one, await token(key))).toBe(202)
    // Each of two forged tokens causes a fetch. The next one is allowed after 5 s.
    for (let times = 0; times < 2; times += 1) expect(await post(one, await forged())).toBe(400)
    expect(fetches).toBe(3)
    published = [next]
    const answering = post(one, await token(next))
    await waits(1)
    expect(await isPending(answering)).toBe(true)
    pass(5)
    expect(await answering).toBe(202)
    expect([fetches, revoked.length, rejected.length]).toEqual([4, 2, 2])
  })

  it('causes one fetch in 5 s, together with all others, if it is forged', async () => {
    const one = receiver()
    await post(one, await token(key))
    for (let times = 0; times < 2; times += 1) await post(one, await forged())
    const texts = [await forged(), await forged(), await forged()]
    const answering = Promise.all(texts.map((text) => post(one, text)))
    await waits(3)
    pass(5)
    // The others may find that no fetch is allowed now: 503.
    expect(await answering).toContain(400)
    expect(fetches).toBe(4)
  })

  it('waits while the issuer fails, for at most 6 s, and is then answered 503 (P06)', async () => {
    published = undefined
    const answering = receiver().receive({ contentType: TYPE, body: await token(key) })
    for (const wait of [1, 2]) {
      await eventually(() => pendingDeadlines().some((due) => Math.abs(due - wait) < 1e-6))
      pass(wait)
    }
    const { status, headers, body } = await answering
    expect([status, headers['Retry-After'], body]).toEqual([503, '5', ''])
    expect([time(), fetches, rejected.map((one) => one.status)]).toEqual([3, 3, [503]])
  })

  it('is accepted if the issuer is available again meanwhile', async () => {
    published = undefined
    const answering = post(receiver(), await token(key))
    await eventually(() => pendingDeadlines().includes(1))
    published = [key]
    pass(1)
    expect(await answering).toBe(202)
  })

  it('does not wait if it is longer than 8 KiB, or if 1,000 others wait', async () => {
    published = undefined
    const one = receiver()
    const padding = 'x'.repeat(9_000)
    expect(await post(one, await token(key, {}, { padding }))).toBe(503)
    const waiting = await Promise.all(Array.from({ length: 1_000 }, () => token(key)))
    const all = waiting.map((text) => post(one, text))
    await eventually(() => pendingDeadlines().filter((due) => due === 1).length === 1_000)
    expect(await post(one, await token(key))).toBe(503)
    published = [key]
    pass(1)
    expect(new Set(await Promise.all(all))).toEqual(new Set([202]))
  })
})
