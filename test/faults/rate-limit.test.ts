/** A server that limits our requests: strangers do not spend what known callers need, and cannot lock out new ones (ATK07). */

import type { Gate } from '@bearergate/core'
import { describe, expect, it } from 'vitest'
import { timeout } from '#core/lib/clock.ts'
import { pass, stopClock, time } from '../support/clock.ts'
import { statusOf } from '../support/forge.ts'
import { gateIntrospecting } from '../support/gates.ts'
import { AUDIENCE } from '../support/issuer.ts'

stopClock()

const settle = () => new Promise((resolve) => setImmediate(resolve))

/** Whether a request is allowed. It is counted. */
type Limit = () => boolean

/** So many requests in each second of the clock. */
function perSecond(count: number): Limit {
  let second = 0
  let left = count
  return () => {
    if (Math.floor(time()) !== second) left = count
    second = Math.floor(time())
    left -= 1
    return left >= 0
  }
}

/** A token bucket: so many requests per second, and so many at once. */
function bucket(count: number): Limit {
  let left = count
  let at = 0
  return () => {
    left = Math.min(count, left + (time() - at) * count)
    at = time()
    if (left < 1) return false
    left -= 1
    return true
  }
}

interface Server {
  isAllowed: (token: string) => boolean
  retryAfter: string | undefined
  latency: number
  readonly asked: string[]
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
}

function serverWith(isAllowed: (token: string) => boolean, latency = 0.02): Server {
  const server: Server = {
    isAllowed,
    retryAfter: '1',
    latency,
    asked: [],
    async fetch(_url, { body }) {
      const token = new URLSearchParams(body as URLSearchParams).get('token') ?? ''
      server.asked.push(token)
      const allowed = server.isAllowed(token)
      if (server.latency > 0)
        await new Promise((resolve) => timeout(server.latency).addEventListener('abort', resolve))
      const headers = server.retryAfter === undefined ? {} : { 'retry-after': server.retryAfter }
      if (!allowed) return Response.json({}, { status: 429, headers })
      const [kind, name] = token.split('-')
      return Response.json({ active: kind === 'good' || kind === 'known', aud: AUDIENCE, sub: name })
    },
  }
  return server
}

let count = 0
const fresh = (kind: string) => `${kind}-${++count}`

const TICK = 0.02
const known = Array.from({ length: 10 }, (_, index) => `known-${index}`)

/** Garbage tokens, 500 a second, and known tokens, 10 a second. Returns the answers to the latter. */
async function flood(gate: Gate, seconds: number, each: () => void = () => {}): Promise<number[]> {
  const answers: number[] = []
  for (let tick = 0; tick < seconds / TICK; tick += 1) {
    for (let token = 0; token < 500 * TICK; token += 1) void statusOf(gate, fresh('garbage'))
    if (tick % 5 === 0)
      void statusOf(gate, known[(tick / 5) % known.length] ?? '').then((answer) => answers.push(answer))
    each()
    await settle()
    pass(TICK)
    await settle()
  }
  return answers
}

async function warm(gate: Gate): Promise<void> {
  for (const token of known) {
    const answer = statusOf(gate, token)
    await settle()
    pass(0.1)
    expect(await answer).toBe(200)
  }
}

const share = (answers: readonly number[]) =>
  answers.filter((answer) => answer === 200).length / answers.length

describe('500 garbage tokens a second at a server that allows 50', () => {
  it.each<[string, () => Limit, number]>([
    ['in each second', () => perSecond(50), 0.02],
    ['in each second, and answers at once', () => perSecond(50), 0],
    ['by a token bucket', () => bucket(50), 0.02],
    ['by a token bucket, and takes 300 ms', () => bucket(50), 0.3],
  ])('%s leave known tokens answered 200 (ATK07)', async (_, limit, latency) => {
    const server = serverWith(limit())
    const gate = gateIntrospecting(server.fetch)
    await warm(gate)
    server.latency = latency
    const first = await flood(gate, 2)
    expect(share(first)).toBeGreaterThan(0.4)
    const later = await flood(gate, 40)
    expect(share(later)).toBeGreaterThan(0.95)
  })

  it('leave new callers a share of what it allows (ATK07)', async () => {
    const server = serverWith(perSecond(50))
    const gate = gateIntrospecting(server.fetch)
    await warm(gate)
    await flood(gate, 5)
    server.asked.length = 0
    await flood(gate, 20)
    const garbage = server.asked.filter((token) => token.startsWith('garbage'))
    expect(garbage.length).toBeGreaterThan(20 * 15)
    expect(garbage.length).toBeLessThan(20 * 45)
  })

  it('are slowed down only until a minute after its last 429', async () => {
    const server = serverWith(perSecond(50))
    const gate = gateIntrospecting(server.fetch)
    await warm(gate)
    await flood(gate, 2)
    expect(gate.describe().verifier).toMatchObject({ unknownLimit: expect.any(Number) })
    server.isAllowed = () => true
    pass(61)
    expect(gate.describe().verifier).toMatchObject({ unknownLimit: undefined })
    server.asked.length = 0
    await flood(gate, 1)
    expect(server.asked.length).toBeGreaterThan(500)
  })
})

it('new callers are served at a growing rate after the server answered 429 to everything (ATK07)', async () => {
  const server = serverWith(() => false, 0)
  const gate = gateIntrospecting(server.fetch)
  await flood(gate, 20)
  server.isAllowed = () => true
  pass(12)
  const answers: number[] = []
  for (let second = 0; second < 5; second += 1)
    for (let caller = 0; caller < 5; caller += 1) {
      answers.push(await statusOf(gate, fresh('good')))
      pass(0.2)
    }
  expect(answers).toEqual(Array(25).fill(200))
})

describe('a Retry-After of the server', () => {
  it.each([
    ['10', 10],
    ['3600', 60],
    [undefined, 1],
  ])(
    'a Retry-After of %s s stops requests for unknown tokens for %i s, and none for known ones (ATK07)',
    async (given, seconds) => {
      const server = serverWith(() => true, 0)
      const gate = gateIntrospecting(server.fetch)
      const good = Array.from({ length: 5 }, () => fresh('known'))
      for (const token of good) expect(await statusOf(gate, token)).toBe(200)
      server.retryAfter = given
      server.isAllowed = (token) => token.startsWith('known')
      for (let token = 0; token < 5; token += 1) expect(await statusOf(gate, fresh('garbage'))).toBe(503)
      server.isAllowed = () => true
      pass(seconds - 0.25)
      server.asked.length = 0
      const decision = await gate.authenticate({ header: () => `Bearer ${fresh('good')}` })
      expect(decision).toMatchObject({ ok: false, status: 503 })
      for (const token of good) expect(await statusOf(gate, token)).toBe(200)
      expect(server.asked).toEqual(good)
      pass(2)
      expect(await statusOf(gate, fresh('good'))).toBe(200)
    },
  )
})

describe('tokens that are answered 429', () => {
  it.each([
    ['one forged token', 1],
    ['four forged tokens', 4],
    ['a hundred forged tokens', 100],
  ])('leave new callers answered 200 if it is only %s (ATK07)', async (_, forged) => {
    const server = serverWith((token) => !token.startsWith('forged'), 0)
    server.retryAfter = '3600'
    const gate = gateIntrospecting(server.fetch)
    const tokens = Array.from({ length: forged }, () => fresh('forged'))
    for (let second = 0; second < 20; second += 1) {
      for (const token of tokens) expect(await statusOf(gate, token)).toBe(503)
      expect(await statusOf(gate, fresh('good'))).toBe(200)
      pass(1)
    }
  })

  it('leave the circuit of known tokens closed (ATK07)', async () => {
    const server = serverWith(() => true, 0)
    const gate = gateIntrospecting(server.fetch)
    for (const token of known) expect(await statusOf(gate, token)).toBe(200)
    pass(10)
    server.isAllowed = () => false
    for (const token of known) expect(await statusOf(gate, token)).toBe(503)
    server.isAllowed = () => true
    for (const token of known) expect(await statusOf(gate, token)).toBe(200)
  })
})
